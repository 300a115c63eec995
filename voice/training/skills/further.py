"""What the model talks about beyond the first skills: which skills, how often, in what turns."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate

from voice.training.skills.choices import sample_choice, sample_one_word
from voice.training.skills.counting import (
    sample_compare,
    sample_count,
    sample_divide,
    sample_double,
    sample_parity,
)
from voice.training.skills.keeping import (
    MOST_ON_LIST,
    ask_favourite,
    put_on_list,
    read_list,
    sample_favourite,
    sample_goods,
    tell_favourite,
)
from voice.training.skills.manners import (
    sample_harmful,
    sample_how_it_works,
    sample_joke,
    sample_story,
)
from voice.training.skills.measures import sample_calendar, sample_convert
from voice.training.skills.relations import (
    sample_common_sense,
    sample_continent,
    sample_rhyme,
    sample_synonym,
)
from voice.training.skills.turns import Conversation, Split, Turn, drill

_SAMPLERS: dict[str, tuple[Callable[[random.Random, Split], Turn], float]] = {
    "divide": (sample_divide, 6),
    "compare": (sample_compare, 7),
    "parity": (sample_parity, 4),
    "double": (sample_double, 5),
    "count": (sample_count, 6),
    "calendar": (sample_calendar, 8),
    "convert": (sample_convert, 7),
    "synonym": (sample_synonym, 7),
    "rhyme": (sample_rhyme, 5),
    "continent": (sample_continent, 8),
    "common_sense": (sample_common_sense, 8),
    "one_word": (sample_one_word, 6),
    "choice": (sample_choice, 6),
    "joke": (sample_joke, 2),
    "story": (sample_story, 4),
    "how_it_works": (sample_how_it_works, 2),
    "harmful": (sample_harmful, 5),
}
"""skill → how to draw a turn, and how often."""

FURTHER_SKILLS: tuple[str, ...] = (*_SAMPLERS, "favorites", "shopping_list")
_WEIGHTS = tuple(accumulate(weight for _, weight in _SAMPLERS.values()))
_MEMORY_SHARE = 0.2
"""Part of the conversations in which something is told and asked for."""
_NUM_TURNS = (1, 1, 1, 2, 3)

_DRILLED = {
    "divide": 3,
    "compare": 4,
    "double": 2,
    "synonym": 1,
    "rhyme": 2,
    "continent": 1,
    "common_sense": 4,
    "one_word": 3,
    "choice": 4,
}
"""skill → how often it is drilled: those that weigh two things, and those with many facts."""


def sample_further_turn(rng: random.Random, split: Split) -> Turn:
    """A turn that needs no other."""
    sample = rng.choices(tuple(_SAMPLERS.values()), cum_weights=_WEIGHTS)[0][0]
    return sample(rng, split)


def sample_further(rng: random.Random, split: Split) -> Conversation:
    """A few turns; replies fit what was said before."""
    if rng.random() < _MEMORY_SHARE:
        keep = _sample_favourites if rng.random() < 0.5 else _sample_list
        return Conversation(tuple(keep(rng, split)))
    count = rng.choice(_NUM_TURNS)
    return Conversation(tuple(sample_further_turn(rng, split) for _ in range(count)))


def sample_further_drill(rng: random.Random) -> Conversation:
    """A few turns of one further skill, from the phrasings for training."""
    skill = rng.choices(tuple(_DRILLED), tuple(_DRILLED.values()))[0]
    return drill(rng, _SAMPLERS[skill][0])


def _sample_favourites(rng: random.Random, split: Split) -> list[Turn]:
    """Favourites are told, perhaps with another turn between, and one of any kind is asked for."""
    told = dict(sample_favourite(rng) for _ in range(rng.choice((1, 1, 2))))
    turns = [tell_favourite(rng, split, kind, favourite) for kind, favourite in told.items()]
    if rng.random() < 0.4:
        turns.append(sample_further_turn(rng, split))
    kind = rng.choice(tuple(told)) if rng.random() < 0.85 else sample_favourite(rng)[0]
    return [*turns, ask_favourite(rng, split, kind, told.get(kind))]


def _sample_list(rng: random.Random, split: Split) -> list[Turn]:
    """Things are put on a list, perhaps with another turn between, and it is read out."""
    goods = sample_goods(rng, rng.choice((*range(MOST_ON_LIST + 1), 1, 2)))
    turns = [put_on_list(rng, split, thing) for thing in goods]
    if rng.random() < 0.3:
        turns.append(sample_further_turn(rng, split))
    return [*turns, read_list(rng, split, goods)]
