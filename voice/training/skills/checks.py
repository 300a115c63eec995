"""Is a reply right? Honest, verifiable checks, one per kind of skill."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from voice.training.skills.knowledge import DAYS, MONTHS
from voice.training.skills.numbers import numbers_in
from voice.training.skills.tables import countries, lines, opposites, spoken
from voice.training.skills.turns import Turn

_FRAME = frozenset(
    "a an and answer are be before after called capital city comes day hello hi i is it it's its "
    "know meet month name nice of opposite remember that that's the think to word would yes you "
    "you're your".split()
)
"""Words in which an answer may be dressed."""


def normalized(text: str) -> str:
    """Lower case, letters, digits and apostrophes, single spaces; typographic apostrophes too."""
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(re.findall(r"[a-z0-9']+", text))


def _is_worded(turn: Turn, reply: str) -> bool:
    """One of the listed replies, word for word."""
    return normalized(reply) in {normalized(right) for right in (turn.reply, *turn.accept)}


def _is_spelled(turn: Turn, reply: str) -> bool:
    """The letters, whatever stands between them."""
    letters = [re.sub(r"[^a-z]", "", text.lower()) for text in (turn.reply, *turn.accept)]
    spelled = re.sub(r"[^A-Za-z]+", " ", reply).split()
    return all(len(letter) == 1 for letter in spelled) and "".join(spelled).lower() in letters


def _is_calculated(turn: Turn, reply: str) -> bool:
    """The result comes last; before it only the numbers of the question may be named."""
    named = numbers_in(reply)
    result = numbers_in(turn.reply)
    return named[-1:] == result and set(named[:-1]) <= set(numbers_in(turn.user))


def _names_only(phrases: Callable[[], Iterable[str]]) -> Callable[[Turn, str], bool]:
    """A check that a right one of these phrases is named and no other that was not asked about,
    in the words of the question, of the answer and of `_FRAME`.
    """

    @cache
    def pattern() -> re.Pattern[str]:
        longest_first = sorted({normalized(spoken(p)) for p in phrases()}, key=len, reverse=True)
        return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b")

    def found(text: str) -> set[str]:
        return set(pattern().findall(normalized(spoken(text))))

    def check(turn: Turn, reply: str) -> bool:
        models = (turn.reply, *turn.accept)
        right = {answer for model in models for answer in found(_answer(model))}
        asked = {name for text in (turn.user, *models) for name in found(text)} - right
        answer = found(_answer(reply)) - asked
        known = {word for text in (turn.user, *models) for word in normalized(text).split()}
        is_to_the_point = set(normalized(reply).split()) <= known | _FRAME
        return (
            is_to_the_point and bool(answer) and answer <= right and found(reply) <= asked | right
        )

    return check


def _answer(reply: str) -> str:
    """The part of "The capital of X is Y." that answers: after the last " is "."""
    return re.split(r"\bis\b|\byou,", reply)[-1]


def _all_opposites() -> Iterable[str]:
    return (word for word, _ in opposites())


def _all_countries_and_capitals() -> Iterable[str]:
    return (
        name
        for country in countries()
        for name in (spoken(country.name).removeprefix("the "), *country.said, *country.capitals)
    )


_CHECKS: dict[str, Callable[[Turn, str], bool]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "double"), _is_calculated),
    "spell": _is_spelled,
    "capital": _names_only(_all_countries_and_capitals),
    "opposite": _names_only(_all_opposites),
    "next_day": _names_only(lambda: (*DAYS, *MONTHS)),
    "name_memory": _names_only(lambda: lines("names.txt")),
}


def is_right(turn: Turn, reply: str) -> bool:
    """Whether a reply answers a turn.

    Case, punctuation and spacing do not count, "7" is "seven". Sums must end in the result; facts
    must name the right one and no other; sentences said again and small talk must agree word for
    word with the reply or with one of `Turn.accept`.
    """
    return _is_worded(turn, reply) or _CHECKS.get(turn.skill, _is_worded)(turn, reply)
