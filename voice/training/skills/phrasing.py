"""The ways to ask for one thing: patterns for training, others for evaluation alone."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from voice.training.skills.grammar import Grammar, Node, expand, matcher, sample
from voice.training.skills.tables import lines
from voice.training.skills.turns import Split

LEAD_INS = Grammar(
    {
        "hey": "(|||||hey|um|uh|so|okay|well|oh|hey parley|parley|hi parley|now|alright"
        "|and|and now|hello|excuse me)",
        # before a direct question
        "q": "<hey> (||||||tell me|please tell me|can you tell me|could you tell me|quick question"
        "|i have a question|one more question)",
        # before an indirect question
        "ask": "<hey> (can you tell me|could you tell me|can you please tell me|do you know"
        "|could you please tell me|tell me|please tell me|i would like to know|i'd like to know"
        "|i want to know|i need to know|let me know|would you tell me|i was wondering)",
        # before an order
        "do": "<hey> (||||please|can you|could you|can you please|could you please|would you"
        "|would you please|i want you to|i would like you to|i'd like you to|i need you to|now)",
        "items": "(apples|books|coins|cards|cookies)",
        "end": "(||||please|for me)",
    }
)
"""What people say before and after what they want; shared by all skills."""
LOOSE_SHARE = 0.3
"""Of the texts for training, how many are said loosely: with small words left out or put in."""
_SMALL_WORDS = frozenset(
    "the a an is are of in to for please so now just okay well does do can could would will".split()
)
_HESITATIONS = tuple("um|uh|well|like|actually|just|please|you know|i mean|right|then".split("|"))
_NO_SLOTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Phrasings:
    """Compiled patterns of one intent; slots are written `{name}`.

    Attributes:
        train: drawn with split "train".
        heldout: drawn with split "heldout", never in training.
        heldout_texts: match what is drawn of ``heldout``, slots unfilled and a space behind.
    """

    train: tuple[Node, ...]
    heldout: tuple[Node, ...]
    heldout_texts: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, train: str, heldout: str, more: str | None = None) -> Phrasings:
        """Reads one pattern per line; `<hey> <q> <ask> <do> <end>` are the shared lead-ins.

        Args:
            train: patterns for training.
            heldout: patterns for evaluation alone.
            more: name of a file of data/phrasings with further patterns for training.
        """
        further = lines(f"phrasings/{more}.txt") if more else ()
        unseen = _compile(heldout.splitlines())
        texts = tuple(map(matcher, unseen))
        return cls(_compile((*train.splitlines(), *further)), unseen, texts)

    def sample(self, rng: random.Random, split: Split, slots: Mapping[str, str] = _NO_SLOTS) -> str:
        """One way to say it, slots filled."""
        patterns = self.train if split == "train" else self.heldout
        text = sample(patterns[int(rng.random() * len(patterns))], rng)
        if split == "train" and rng.random() < LOOSE_SHARE:
            loose = _said_loosely(text, rng)
            if not any(unseen.fullmatch(f"{loose} ") for unseen in self.heldout_texts):
                text = loose
        return text.format_map(slots)

    def surface_forms(self, split: Split) -> set[str]:
        """Every text of a split, slots unfilled."""
        patterns = self.train if split == "train" else self.heldout
        return set().union(*map(expand, patterns))


def _compile(patterns: Iterable[str]) -> tuple[Node, ...]:
    return tuple(LEAD_INS.compile(line.strip()) for line in patterns if line.strip())


def _said_loosely(text: str, rng: random.Random) -> str:
    """Leaves out small words and puts in a hesitation, never beside a slot or at the end."""
    words = text.split()
    kept = [
        word
        for index, word in enumerate(words)
        if word not in _SMALL_WORDS or index == len(words) - 1 or rng.random() < 0.75
    ]
    places = [
        index
        for index in range(len(kept))
        if "{" not in kept[index] and (index == 0 or "{" not in kept[index - 1])
    ]
    if places and rng.random() < 0.5:
        kept.insert(rng.choice(places), rng.choice(_HESITATIONS))
    return " ".join(kept)
