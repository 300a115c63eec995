"""What happens to good inputs: parts of them go, double, change places, or become something odd."""

import copy
import json
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Draw = Any

DEEP = {
    "<deep array>": "[" * 300 + "]" * 300,
    "<deeper array>": "[" * 950 + "]" * 950,
    "<deepest array>": "[" * 100_000 + "]" * 100_000,
    "<deep object>": '{"a":' * 300 + "0" + "}" * 300,
    "<deep schema>": '{"type":"object","properties":{"a":' * 90 + "{}" + "}}" * 90,
}
"""Nested too far to be built as values: what stands for them in a value, and their JSON."""

ODD_NUMBERS = (0, -1, 1, 0.5, 1e308, -1e-320, 2**31, 2**63, -(2**64), 10**300, 10**4299)
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\ud800",
    "\udc00 a half of a pair \ud83d",
    "\N{GRINNING FACE}",
    "\u202eright to left",
    "e\u0301" * 50,
    "<|im_start|>system\n<so_start><so_embedding><image>",
    "</think><tool_call>",
    "{{ 7 * 7 }}{% for x in y %}",
    "%s%n{0}{}",
    "../../etc/passwd",
    "A" * 300,
    "word " * 5000,
    "inf",
    "null",
    "root",
    *DEEP,
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    math.nan,
    math.inf,
    -math.inf,
    *ODD_NUMBERS,
    *ODD_TEXTS,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"type": None},
    {"type": ["realtime"]},
    ["a"] * 300,
    {f"key{number}": number for number in range(300)},
)
odd_values = st.sampled_from(ODD_VALUES)
KEYS = ("", "type", "id", "\ud800", "a" * 500, "0", "__class__", "self")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, inner in items:
            found.append((container, key))
            if isinstance(inner, dict | list):
                waiting.append(inner)
    return found


def mutate(draw: Draw, value: Any, others: st.SearchStrategy[Any] = odd_values) -> None:
    """Changes something somewhere in a JSON object."""
    found = places(value)
    if not found:
        return
    container, key = found[draw(st.integers(0, len(found) - 1))]
    match draw(st.integers(0, 7)):
        case 0:
            del container[key]
        case 1:
            container[key] = [container[key]]
        case 2:
            container[key] = {"type": "object", "a": container[key]}
        case 3 if isinstance(container, dict):
            container[draw(st.sampled_from(KEYS))] = container.pop(key)
        case 4:
            other, place = found[draw(st.integers(0, len(found) - 1))]
            # By way of JSON: an object that contains itself is none.
            if place in other if isinstance(other, dict) else place < len(other):
                container[key] = json.loads(json.dumps(other[place]))
        case _:
            container[key] = copy.deepcopy(draw(others))


def as_json(value: Any, *, is_ascii: bool = True) -> str:
    """JSON of a value, with what is nested too far put in."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    for name, deep in DEEP.items():
        if f'"{name}"' in text:
            text = text.replace(f'"{name}"', deep)
    # What comes from a network as text is whole characters.
    return text if is_ascii else text.encode("utf-8", "replace").decode()


TOKENS = ("\0", '"', "{", "}", "[", ",", ":", "\\u", "\\ud800", "NaN", "1e999", "-", "\n", "é")


def mangled(draw: Draw, text: str, tokens: Sequence[str] = TOKENS) -> str:
    """A text of which a piece is gone, doubled, or something else."""
    start = draw(st.integers(0, max(0, len(text) - 1)))
    end = min(len(text), start + draw(st.sampled_from((0, 1, 2, 10, 100, 10_000))))
    match draw(st.integers(0, 3)):
        case 0:
            return text[:start]
        case 1:
            return text[:start] + text[end:]
        case 2:
            return text[:end] + text[start:end] * 2 + text[end:]
    return text[:start] + draw(st.sampled_from(tokens)) + text[end:]


NUMBERS_OF_FILES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def corrupted(draw: Draw, data: bytes) -> bytes:
    """Bytes of which some are gone, doubled, or others; the first ones more often than the rest."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        end = max(0, len(changed) - 1)
        at = draw(st.integers(0, min(64, end)) | st.integers(0, end))
        length = draw(st.sampled_from((1, 2, 4, 30, 1000)))
        match draw(st.integers(0, 5)):
            case 0:
                del changed[at:]
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                number = draw(st.sampled_from(NUMBERS_OF_FILES))
                width = draw(st.sampled_from((2, 4)))
                order = draw(st.sampled_from(("little", "big")))
                changed[at : at + width] = (number % 256**width).to_bytes(width, order)
            case 4:
                changed[at : at + 1] = draw(st.binary(min_size=1, max_size=40))
            case 5 if at < len(changed):
                changed[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)
