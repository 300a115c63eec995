"""For the turn-end signal: turns that stop before they are over, and short ones that are over.

An empty reply means "I wait".
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

from voice.training.skills.conversations import sample_conversation, sample_turn
from voice.training.skills.sentences import training_sentences
from voice.training.skills.turns import Split, Turn
from voice.training.skills.unknown import NOT_UNDERSTOOD

_TEXTS = 20_000
_MOST_ENDINGS = 0.02
"""Of all times that its last words are said, how many may end a turn for the turn to be unfinished
after them."""
_LEAST_SEEN = 8
_TRIES = 8
_ANSWERS = frozenset("yes yeah no nope okay sure right maybe never nothing exactly stop".split())
"""Words that may well be all that somebody says, whatever follows them in the training texts."""
_GREETING = frozenset(
    "hello hi hey there parley good morning afternoon evening thanks thank you bye".split()
)
"""A text of nothing but these is over, though most training texts go on after it."""
_SHORT_SKILLS = ("greeting", "greeting", "thanks", "goodbye", "identity")
_SHORT_OF = (8, 40, 400)
"""A common one of so many, or one of the three shortest."""
_COMMON = frozenset(
    "hello|hi|hey|hello there|hi there|hello parley|hi parley|hey parley|good morning|good evening|"
    "good afternoon|bye|goodbye|thanks|thank you|who are you".split("|")
)


@cache
def _endings() -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]], frozenset[str]]:
    """How often two or three words end a turn, how often they are said, and whole turns."""
    rng = random.Random("endings")
    ends: Counter[tuple[str, ...]] = Counter()
    seen: Counter[tuple[str, ...]] = Counter()
    whole = set()
    for _ in range(_TEXTS):
        turns = sample_conversation(rng, "train").turns
        # Gibberish ends anywhere.
        texts = [turn.user for turn in turns if turn.reply != NOT_UNDERSTOOD]
        for text in [*texts, training_sentences(rng)]:
            words = _padded(text)
            for last in range(2, len(words)):
                for length in (2, 3):
                    seen[words[last + 1 - length : last + 1]] += 1
            for length in (2, 3):
                ends[words[-length:]] += 1
            whole.add(text)
    return ends, seen, frozenset(whole)


def _padded(text: str) -> tuple[str, ...]:
    return ("", "", *text.split())


def is_unfinished(text: str) -> bool:
    """Whether hardly anybody who has said ``text`` stops there; False where that is not known."""
    ends, seen, whole = _endings()
    words = _padded(text)
    if text in whole or words[-1] in _ANSWERS or _GREETING.issuperset(text.split()):
        return False
    pair, three = words[-2:], words[-3:]
    return (
        seen[pair] >= _LEAST_SEEN
        and ends[pair] <= _MOST_ENDINGS * seen[pair]
        and (seen[three] < _LEAST_SEEN or ends[three] <= _MOST_ENDINGS * seen[three])
    )


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


def sample_short(rng: random.Random) -> Turn:
    """A turn of few words that is over: what is most often taken for the start of another."""
    skill = rng.choice(_SHORT_SKILLS)
    turns = [sample_turn(rng, skill, "train") for _ in range(rng.choice(_SHORT_OF))]
    common = [turn for turn in turns if turn.user in _COMMON]
    return rng.choice(common or sorted(turns, key=lambda turn: len(turn.user))[:3])
