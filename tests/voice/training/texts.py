"""What texts of skills have to look like, whichever skill they are of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import ModuleType
from typing import get_args

from voice.training.skills import Split, Turn, is_right
from voice.training.skills.grammar import matcher
from voice.training.skills.phrasing import Phrasings

SPLITS: tuple[Split, ...] = get_args(Split)
SAID = re.compile(r"[a-z']+( [a-z']+)*")
WRITTEN = re.compile(r"[A-Z][A-Za-z' ,.!?-]*[.!?]")


def intents(*modules: ModuleType) -> dict[str, Phrasings]:
    """What the modules ask for, by name."""
    named = (each for module in modules for each in vars(module).items())
    return {name.lower(): value for name, value in named if isinstance(value, Phrasings)}


def check_turns(turns: Iterable[Turn], longest: int) -> None:
    """They can be said and written, and the recipe's replies are right and not too long."""
    for turn in turns:
        assert SAID.fullmatch(turn.user), turn
        assert WRITTEN.fullmatch(turn.reply), turn
        assert len(turn.reply.split()) <= longest
        for right in (turn.reply, *turn.accept, turn.reply.upper()):
            assert is_right(turn, right), (turn, right)


def trained_and_held_out(intent: Phrasings) -> list[str]:
    """Held-out texts that a pattern for training makes, too."""
    heldout = intent.surface_forms("heldout")
    patterns = map(matcher, intent.train)
    return [text for each in patterns for text in heldout if each.fullmatch(f"{text} ")]
