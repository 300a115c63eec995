"""What one conversation is made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]
"""Which phrasings may be drawn: those for training, or those that only evaluation sees."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a conversation offers, with the names of its parameters."""

    name: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function; arguments as they are written in it."""

    name: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in a picture: which shape or digit, in a word, and of which color."""

    kind: str
    color: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    Attributes:
        user: what is spoken, as said: lower-case letters, apostrophes and spaces.
        reply: what the assistant answers, in written text; nothing to a turn that is not over.
        skill: one of `SKILLS`, or `tool`.
        accept: other replies that count as right.
        call: the function to be called before the reply. result: what it returns.
        shown: the things in the picture that comes with it; none: no picture comes.
    """

    user: str
    reply: str
    skill: str
    accept: tuple[str, ...] = ()
    call: ToolCall | None = None
    result: str = ""
    shown: tuple[Thing, ...] = ()


DRILL_TURNS = 4
"""Of a conversation that practises one skill."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in the order in which they are spoken, under a system text and with functions."""

    turns: tuple[Turn, ...]
    system: str = ""
    functions: tuple[Function, ...] = ()


def drill(rng: random.Random, sample: Callable[[random.Random, Split], Turn]) -> Conversation:
    """A few turns of one skill, from the phrasings for training."""
    return Conversation(tuple(sample(rng, "train") for _ in range(DRILL_TURNS)))
