"""Turns that stop before they are over, for the turn-end signal: an empty reply means "I wait"."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from itertools import pairwise

from voice.training.skills.conversations import sample_conversation
from voice.training.skills.sentences import training_sentences
from voice.training.skills.turns import Split, Turn

_TEXTS = 20_000
_MOST_ENDINGS = 0.01
"""Of all times that two words follow each other, how many may be a turn's end for the turn to be
unfinished after them."""
_LEAST_SEEN = 8
_TRIES = 8
_ANSWERS = frozenset("yes yeah no nope okay sure right maybe never nothing exactly stop".split())
"""Words that may well be all that somebody says, whatever follows them in the training texts."""


@cache
def _endings() -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]], frozenset[str]]:
    """How often two words end a turn, how often they follow each other, and whole turns."""
    rng = random.Random("endings")
    ends: Counter[tuple[str, str]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    whole = set()
    for _ in range(_TEXTS):
        texts = [turn.user for turn in sample_conversation(rng, "train").turns]
        for text in [*texts, training_sentences(rng)]:
            words = ["", *text.split()]
            pairs = list(pairwise(words))
            seen.update(pairs)
            ends[pairs[-1]] += 1
            whole.add(text)
    return ends, seen, frozenset(whole)


def is_unfinished(text: str) -> bool:
    """Whether hardly anybody who has said ``text`` stops there; False where that is not known."""
    ends, seen, whole = _endings()
    words = ["", *text.split()]
    if text in whole or words[-1] in _ANSWERS:
        return False
    pair = (words[-2], words[-1])
    return seen[pair] >= _LEAST_SEEN and ends[pair] <= _MOST_ENDINGS * seen[pair]


def cut_short(turn: Turn, rng: random.Random) -> Turn | None:
    """The turn stopped at a random word where it cannot be over; None where none was found."""
    words = turn.user.split()
    for _ in range(_TRIES):
        if len(words) < 2:
            break
        text = " ".join(words[: rng.randrange(1, len(words))])
        if is_unfinished(text):
            return Turn(text, "", "unfinished")
    return None


def sample_unfinished(rng: random.Random, split: Split) -> tuple[Turn, ...]:
    """Turns of a conversation of which the last one stops too early."""
    while True:
        turns = sample_conversation(rng, split).turns
        last = rng.randrange(len(turns))
        if cut := cut_short(turns[last], rng):
            return (*turns[:last], cut)
