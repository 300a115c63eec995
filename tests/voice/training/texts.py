"""What texts of skills have to look like, whichever skill they are of."""

from __future__ import annotations

import re
from typing import get_args

from voice.training.skills import Split
from voice.training.skills.grammar import matcher
from voice.training.skills.phrasing import Phrasings

SPLITS: tuple[Split, ...] = get_args(Split)
SAID = re.compile(r"[a-z']+( [a-z']+)*")
WRITTEN = re.compile(r"[A-Z][A-Za-z' ,.!?-]*[.!?]")


def trained_and_held_out(intent: Phrasings) -> list[str]:
    """Held-out texts that a pattern for training makes, too."""
    heldout = intent.surface_forms("heldout")
    patterns = map(matcher, intent.train)
    return [text for each in patterns for text in heldout if each.fullmatch(f"{text} ")]
