"""Conversations: which skills come how often, and how turns follow each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate

from voice.training.skills.arithmetic import sample_add, sample_multiply, sample_subtract
from voice.training.skills.checks import normalized
from voice.training.skills.further import sample_further
from voice.training.skills.knowledge import (
    FOLLOW_UP,
    FOLLOWED_UP,
    sample_capital,
    sample_next_day,
    sample_opposite,
)
from voice.training.skills.memory import (
    ask_name,
    correct_name,
    sample_name,
    sample_name_turn,
    tell_name,
)
from voice.training.skills.talk import (
    sample_goodbye,
    sample_greeting,
    sample_identity,
    sample_thanks,
)
from voice.training.skills.tools import (
    sample_functions,
    sample_missing_tool_turn,
    sample_tool_turn,
)
from voice.training.skills.turns import DRILL_TURNS, Conversation, Split, Turn, drill
from voice.training.skills.unknown import sample_not_understood
from voice.training.skills.wording import sample_repeat, sample_spell

_SAMPLERS: dict[str, tuple[Callable[[random.Random, Split], Turn], float]] = {
    "greeting": (sample_greeting, 5),
    "identity": (sample_identity, 5),
    "thanks": (sample_thanks, 3),
    "goodbye": (sample_goodbye, 3),
    "add": (sample_add, 10),
    "subtract": (sample_subtract, 10),
    "multiply": (sample_multiply, 10),
    "capital": (sample_capital, 14),
    "repeat": (sample_repeat, 12),
    "spell": (sample_spell, 10),
    "opposite": (sample_opposite, 9),
    "next_day": (sample_next_day, 7),
    "name_memory": (sample_name_turn, 4),
    "not_understood": (sample_not_understood, 7),
}
"""skill → how to draw a turn, and how often."""

SKILLS: tuple[str, ...] = tuple(_SAMPLERS)
_WEIGHTS = tuple(accumulate(weight for _, weight in _SAMPLERS.values()))
_DISTRACTORS = tuple(skill for skill in SKILLS if skill != "name_memory")
_NUM_TURNS = (1, 1, 1, 1, 1, 1, 2, 2, 3, 4)
_MEMORY_SHARE = 0.12
"""Part of the conversations in which a name is told and asked for."""

_CORRECTED_SHARE = 0.15
"""Part of these in which the name is corrected first."""

_LONG_MEMORY_SHARE = 0.35
"""Part of these, in training, that go on for longer before the name is asked for."""

_FURTHER_SHARE = 0.3
"""Part of the questions that are about further skills."""

_FOLLOW_UP_SHARE = 0.4
"""Part of the turns after a question of `FOLLOWED_UP` that ask it of something else."""

_DRILLED = {
    "add": 1,
    "subtract": 2,
    "multiply": 1,
    "capital": 5,
    "opposite": 4,
    "next_day": 2,
    "repeat": 6,
    "spell": 4,
    "name_memory": 6,
    "not_understood": 5,
    "identity": 2,
    "greeting": 1,
    "goodbye": 1,
}
"""skill → how often it is drilled: those with many facts, those that copy what was heard, and those
that are asked for in the most various ways."""


def sample_turn(rng: random.Random, skill: str, split: Split) -> Turn:
    """A turn of one skill that can be answered without the turns before it.

    Raises:
        ValueError: for a skill that is not in `SKILLS`.
    """
    if skill not in _SAMPLERS:
        raise ValueError(f"unknown skill {skill!r}: choose one of {', '.join(SKILLS)}")
    return _SAMPLERS[skill][0](rng, split)


def sample_memory(rng: random.Random, split: Split, num_turns: int | None = None) -> Conversation:
    """A name is told, perhaps corrected; other turns follow, then it is asked for.

    There are ``num_turns`` turns, by default up to four, in training at times up to ten.
    """
    name = sample_name(rng)
    turns = [tell_name(rng, split, name)]
    if rng.random() < _CORRECTED_SHARE:
        name = sample_name(rng)
        turns.append(correct_name(rng, split, name))
    num_others = rng.choice((0, 1, 1, 3 - len(turns)))
    if num_turns is None and split == "train" and rng.random() < _LONG_MEMORY_SHARE:
        num_turns = rng.randint(5, 10)
    if num_turns is not None:
        num_others = num_turns - len(turns) - 1
    turns += [sample_turn(rng, rng.choice(_DISTRACTORS), split) for _ in range(num_others)]
    return Conversation((*turns, ask_name(rng, split, name)))


def sample_conversation(rng: random.Random, split: Split) -> Conversation:
    """Mostly one turn, up to four, or more around a name; replies fit what was said before."""
    if rng.random() < _MEMORY_SHARE:
        return sample_memory(rng, split)
    skills = rng.choices(SKILLS, cum_weights=_WEIGHTS, k=rng.choice(_NUM_TURNS))
    turns: list[Turn] = []
    for skill in skills:
        # A name is told once at most, and only first: what follows must not depend on it.
        is_free = skill != "name_memory" or not turns
        follow_up = FOLLOWED_UP.get(turns[-1].skill) if turns else None
        if follow_up and rng.random() < _FOLLOW_UP_SHARE:
            turns.append(follow_up(rng, split, FOLLOW_UP))
        else:
            turns.append(sample_turn(rng, skill if is_free else rng.choice(_DISTRACTORS), split))
    return Conversation(tuple(turns))


def sample_question(rng: random.Random) -> str:
    """What is said in any turn of a conversation, from the phrasings for training."""
    return _any_turn(rng).user


def sample_own_words(rng: random.Random) -> str:
    """What the assistant says in any turn of a conversation, as it is spoken: words alone."""
    while True:
        turn = _any_turn(rng)
        words = normalized(turn.reply)
        if words and turn.skill not in ("spell", "story") and turn.reply.isascii():
            return words


def _any_turn(rng: random.Random) -> Turn:
    sample = sample_further if rng.random() < _FURTHER_SHARE else sample_conversation
    return rng.choice(sample(rng, "train").turns)


def sample_drill(rng: random.Random) -> Conversation:
    """A few turns of one skill, from the phrasings for training."""
    skill = rng.choices(tuple(_DRILLED), tuple(_DRILLED.values()))[0]
    if skill == "name_memory":
        names = [sample_name(rng) for _ in range(DRILL_TURNS - 1)]
        told = [tell_name(rng, "train", name) for name in names]
        return Conversation((*told, ask_name(rng, "train", names[-1])))
    return drill(rng, _SAMPLERS[skill][0])


def sample_tool_conversation(rng: random.Random, split: Split) -> Conversation:
    """Turns with functions at hand: most need one of them, some one that is not offered, some none.

    There are one or two, in training up to four; and there, what is not offered is asked for more.
    """
    functions = sample_functions(rng)
    missing = 0.12 if split == "heldout" else 0.2
    turns = []
    for _ in range(rng.choice((1, 1, 2) if split == "heldout" else (1, 2, 3, 4))):
        kind = rng.random()
        turn = sample_missing_tool_turn(rng, split, functions) if kind < missing else None
        if kind > 0.8:
            # A sum is calculated by the function where there is one.
            sums = ("add", "subtract", "multiply")
            offered = {function.name for function in functions}
            skills = [s for s in _DISTRACTORS if "calculate" not in offered or s not in sums]
            skills = [s for s in skills if s != "not_understood"]  # it may ask for a function
            turn = sample_turn(rng, rng.choice(skills), split)
        turns.append(turn or sample_tool_turn(rng, split, rng.choice(functions)))
    return Conversation(tuple(turns), functions=functions)
