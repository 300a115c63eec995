"""Numbers as words, and back."""

from __future__ import annotations

import re
from functools import lru_cache

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = {word: value for value, word in enumerate(_SMALL)}
_VALUES |= {word: 10 * place for place, word in enumerate(_TENS, start=2)}
_WORD = re.compile(r"\d+|[a-z]+|[,.;:]")
NUMBER_WORDS = (*_SMALL, *_TENS, "hundred")


@lru_cache(maxsize=2048)
def number_words(number: int) -> str:
    """A whole number from -999 to 999 as it is said: 142 → "one hundred forty two"."""
    if not -999 <= number <= 999:
        raise ValueError(f"{number} is outside of -999 to 999")
    if number < 0:
        return f"minus {number_words(-number)}"
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f" {_SMALL[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_SMALL[hundreds]} hundred" + (f" {number_words(rest)}" if rest else "")


def numbers_in(text: str) -> list[int]:
    """The numbers a text names, in digits or words, in order: "-3 and forty two" → [-3, 42]."""
    text = re.sub(r"-(?=\d)", " minus ", text.lower())
    numbers: list[int] = []
    open_place = 0  # the place below which the next word still belongs to the last number
    negative = False
    words = _WORD.findall(text)
    for index, word in enumerate(words):
        if word == "hundred" and open_place > 1 and 0 < abs(numbers[-1]) < 10:
            numbers[-1] *= 100
            open_place = 100
            continue
        if word == "and" and open_place == 100 and index + 1 < len(words):
            continue
        value = int(word) if word.isdigit() else 100 if word == "hundred" else _VALUES.get(word)
        if value is None:
            # "minus" is a sign only where no number stands before it.
            negative = word in ("minus", "negative") and not open_place
            open_place = 0
            continue
        joins = not word.isdigit() and 0 < value < open_place and open_place in (10, 100)
        if joins:
            numbers[-1] += -value if numbers[-1] < 0 else value
        else:
            numbers.append(-value if negative else value)
        if word.isdigit():
            open_place = 1
        elif value >= 20:
            open_place = 100 if value == 100 else 10
        else:
            open_place = 1 if joins or not 0 < value < 10 else 2
        negative = False
    return numbers
