"""`parley`, with a built-in model that calls a function when it is asked for the weather.

Only that is scripted: the second spoken question of a conversation that offers `get_weather` is
answered by a call, and the call's result by a sentence. Everything else, what is heard and what
other questions are answered with, is the model's own.
"""

import sys
from typing import Any

from torch import Tensor

from voice.conversation import Conversation
from voice.decoding import Reply
from web.cli import main

CALL = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n"
    "</tool_call>"
)
REPLY = "It is 21 degrees and sunny."

_draft = Conversation.draft


def scripted_draft(self: Conversation, *, with_turn: bool = True, **options: Any) -> Reply:
    """`Conversation.draft`, with the reply given where one is scripted."""
    self._flush_results()
    entries = self._past.entries
    questions = [each for each in entries if any(isinstance(part, Tensor) for part in each.parts)]
    number = len(questions) + (self._turn is not None and with_turn)
    opening, last = (str(each.parts) for each in (entries[0], entries[-1]))
    if "get_weather" in opening and number == 2:
        options["script"] = REPLY if "<tool_response>" in last else CALL
    return _draft(self, with_turn=with_turn, **options)


if __name__ == "__main__":
    Conversation.draft = scripted_draft  # type: ignore[method-assign]
    sys.exit(main())
