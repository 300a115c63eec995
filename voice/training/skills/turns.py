"""What one conversation is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]
"""Which phrasings may be drawn: those for training, or those that only evaluation sees."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    Attributes:
        user: what is spoken, as said: lower-case letters, apostrophes and spaces.
        reply: what the assistant answers, in written text.
        skill: one of `SKILLS`.
        accept: other replies that count as right.
    """

    user: str
    reply: str
    skill: str
    accept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in the order in which they are spoken."""

    turns: tuple[Turn, ...]
