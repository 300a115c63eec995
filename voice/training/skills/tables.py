"""The word lists and fact tables of voice/training/data, read once at first use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

_DATA = "voice.training"


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of a data file; empty lines and lines that begin with # are left out."""
    text = resources.files(_DATA).joinpath("data", name).read_text(encoding="ascii")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """The tab-separated columns of a data file."""
    return tuple(tuple(line.split("\t")) for line in lines(name))


def spoken(text: str) -> str:
    """A written name as it is said: "Guinea-Bissau" → "guinea bissau"."""
    return " ".join(re.sub(r"[^a-z']+", " ", text.lower().replace(".", "")).split())


@dataclass(frozen=True, slots=True)
class Country:
    """A row of capitals.tsv.

    Attributes:
        name: as written inside a sentence ("the Netherlands").
        capitals: the first is the answer, the others are accepted.
        said: the ways to say the name.
        is_well_known: asked more often.
    """

    name: str
    capitals: tuple[str, ...]
    said: tuple[str, ...]
    is_well_known: bool


@cache
def countries() -> tuple[Country, ...]:
    """All countries of capitals.tsv."""
    return tuple(
        Country(name, tuple(capitals.split("|")), (spoken(name), *also), rank == "1")
        for rank, name, capitals, *rest in rows("capitals.tsv")
        for also in [rest[0].split("|") if rest else []]
    )


@cache
def opposites() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(word, its opposites: the first is the answer), each pair of opposites.tsv both ways."""
    table: dict[str, list[str]] = {}
    for left, right in rows("opposites.tsv"):
        table.setdefault(left, []).append(right)
        table.setdefault(right, []).append(left)
    return tuple((word, tuple(others)) for word, others in table.items())


def others_of(groups: Iterable[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """word → the others of all groups that it is in, none twice."""
    table: dict[str, dict[str, None]] = {}
    for group in groups:
        for word in group:
            table.setdefault(word, {}).update((each, None) for each in group if each != word)
    return {word: tuple(others) for word, others in table.items()}


@cache
def homophones() -> dict[str, tuple[str, ...]]:
    """word → the other words that sound the same."""
    return others_of(line.split() for line in lines("homophones.txt"))


def told_by_sound(words: Iterable[str]) -> tuple[str, ...]:
    """Of words that sound the same only the one that homophones.txt names first."""
    first = {line.split()[0] for line in lines("homophones.txt")}
    return tuple(word for word in words if word in first or word not in homophones())
