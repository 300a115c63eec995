"""JSON as clients send it, taken in only if all of it can be sent on."""

import json
import math
from typing import Any

from pydantic_core import from_json


def parse_json(text: str) -> Any:
    """Returns the value that a text holds.

    Python's own reader takes more than JSON is: NaN and infinity, and halves of characters
    (``"\\ud800"``), which no message back could hold. Values that are nested thousands of times it
    takes, too, and whatever goes through them later runs out of stack.

    Raises:
        ValueError: it is no JSON, or holds half a character, a number beyond all, or more than 200
            levels.
    """
    from_json(text.encode(), allow_inf_nan=False)
    return json.loads(text, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number
