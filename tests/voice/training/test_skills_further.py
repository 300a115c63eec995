"""The skills beyond the first ones: split by phrasing, always right, always sayable."""

from __future__ import annotations

import random
import re

import pytest

from tests.voice.training.texts import SPLITS, check_turns, intents, trained_and_held_out
from voice.training.skills import (
    FURTHER_SKILLS,
    Split,
    Turn,
    choices,
    counting,
    is_right,
    keeping,
    manners,
    measures,
    relations,
    sample_further,
    sample_further_drill,
)
from voice.training.skills.tables import countries

INTENTS = intents(choices, counting, keeping, manners, measures, relations)


def _turns(split: Split, conversations: int = 4000) -> list[Turn]:
    rng = random.Random(f"further {split}")
    return [t for _ in range(conversations) for t in sample_further(rng, split).turns]


@pytest.mark.parametrize("intent", INTENTS)
def test_intent_has_many_phrasings_and_as_many_held_out_by_hand(intent: str) -> None:
    assert len(INTENTS[intent].train) >= 60
    assert len(INTENTS[intent].heldout) >= 10


@pytest.mark.parametrize("intent", INTENTS)
def test_intent_is_never_trained_in_held_out_phrasings(intent: str) -> None:
    assert not trained_and_held_out(INTENTS[intent])


@pytest.mark.parametrize("split", SPLITS)
def test_further_turns_are_sayable_right_and_short(split: Split) -> None:
    turns = _turns(split)
    assert {turn.skill for turn in turns} == set(FURTHER_SKILLS)
    check_turns(turns, longest=35)


def test_further_questions_never_have_two_answers() -> None:
    seen: dict[str, Turn] = {}
    of_memory = ("favorites", "shopping_list")
    for turn in _turns("train", 20_000):
        if turn.skill not in of_memory:
            first = seen.setdefault(turn.user, turn)
            assert is_right(turn, first.reply), (turn, first)


def test_further_drill_practises_one_skill_in_phrasings_for_training() -> None:
    rng = random.Random(7)
    drills = [sample_further_drill(rng).turns for _ in range(500)]
    assert all(len({turn.skill for turn in turns}) == 1 for turns in drills)
    asked = {turn.user for turns in drills for turn in turns}
    assert not asked & {turn.user for turn in _turns("heldout")}
    check_turns([turn for turns in drills for turn in turns], longest=35)


@pytest.mark.parametrize("split", SPLITS)
def test_favorite_and_list_are_what_was_told(split: Split) -> None:
    rng = random.Random(1)
    for _ in range(2000):
        turns = sample_further(rng, split).turns
        *before, last = turns
        if last.skill == "favorites":
            told = dict(
                re.fullmatch(
                    r"I will remember that your favorite (\w+) is (.+)\.", t.reply
                ).groups()
                for t in before
                if t.skill == "favorites"
            )
            asked = re.fullmatch(r"Your favorite (\w+) is (.+)\.", last.reply)
            assert last.reply == keeping.NOT_TOLD or told[asked[1]] == asked[2]
        elif last.skill == "shopping_list":
            goods = [
                re.fullmatch(r"I put (.+) on your shopping list\.", t.reply)[1]
                for t in before
                if t.skill == "shopping_list"
            ]
            listed = re.split(r", | and ", re.split(r" (?:is|are) on ", last.reply.lower())[0])
            assert last.reply == keeping.EMPTY_LIST if not goods else listed == goods


def test_every_country_is_on_a_continent() -> None:
    assert set(relations.continents()) == {country.name for country in countries()}


def test_letter_of_a_choice_is_that_of_the_right_option() -> None:
    rng = random.Random(2)
    for _ in range(500):
        turn = choices.sample_choice(rng, "train")
        letter = turn.reply.removeprefix("The answer is ").removesuffix(".").lower()
        assert letter in "abc"
        if asked := re.search(r"day comes after (\w+)", turn.user):
            days = [day.lower() for day in choices.DAYS]
            right = days[(days.index(asked[1]) + 1) % 7]
            # Said loosely, the first option may lack its letter.
            first = min(
                (day for day in days if day in turn.user.split(asked[0])[1]),
                key=turn.user.split(asked[0])[1].index,
            )
            assert f" {letter} {right}" in turn.user or (letter, first) == ("a", right)


def test_word_rhymes_with_its_group_and_means_what_its_synonyms_mean() -> None:
    assert relations.rhymes()["cat"][0] == "hat"
    assert "cat" not in relations.rhymes()["cat"]
    assert "large" in relations.synonyms()["big"]
    assert "big" in relations.synonyms()["large"]
