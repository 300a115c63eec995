"""Questions about drawn pictures: split by phrasing, answered by the picture, never ambiguous."""

from __future__ import annotations

import random

import pytest

from tests.voice.training.texts import SPLITS, check_turns, intents, trained_and_held_out
from voice.training.skills import (
    COLORS,
    SIGHT_SKILLS,
    Conversation,
    Split,
    sample_sight,
    sight,
)
from voice.training.skills.sight import BLIND, DIGITS, MOST_THINGS, PLURALS, SHAPES

INTENTS = intents(sight)


def _conversations(split: Split, count: int = 4000) -> list[Conversation]:
    rng = random.Random(f"sight {split}")
    return [sample_sight(rng, split) for _ in range(count)]


@pytest.mark.parametrize("intent", INTENTS)
def test_intent_has_many_phrasings_and_as_many_held_out_by_hand(intent: str) -> None:
    assert len(INTENTS[intent].train) >= 300
    assert len(INTENTS[intent].heldout) >= 10


@pytest.mark.parametrize("intent", INTENTS)
def test_intent_is_never_trained_in_held_out_phrasings(intent: str) -> None:
    assert not trained_and_held_out(INTENTS[intent])


@pytest.mark.parametrize("split", SPLITS)
def test_turns_about_pictures_are_sayable_right_and_short(split: Split) -> None:
    turns = [turn for each in _conversations(split) for turn in each.turns]
    assert {turn.skill for turn in turns} == SIGHT_SKILLS
    check_turns(turns, longest=12)


def test_nouns_have_the_article_that_is_said() -> None:
    said = "".join(turn.reply for each in _conversations("train") for turn in each.turns)
    assert "a one" in said
    assert "an eight" in said
    assert "an orange" in said
    assert "an one" not in said


def test_picture_comes_with_the_first_turn_or_is_missed() -> None:
    shown, missed = 0, 0
    for conversation in _conversations("train"):
        first, *others = conversation.turns
        assert not any(turn.shown for turn in others)
        if first.shown:
            shown += 1
            assert len(first.shown) <= MOST_THINGS
            assert all(turn.reply != BLIND for turn in conversation.turns)
        else:
            missed += 1
            assert [turn.reply for turn in conversation.turns] == [BLIND]
    assert 0.05 < missed / (shown + missed) < 0.2


def test_answers_are_what_the_picture_shows() -> None:
    for conversation in _conversations("heldout"):
        things = conversation.turns[0].shown
        for turn in conversation.turns if things else ():
            words = set(turn.reply.lower().strip(".").split())
            kinds, colors = ({t.kind for t in things}, {t.color for t in things})
            match turn.skill:
                case "color":
                    assert len(words & set(COLORS) & colors) == 1
                case "shape":
                    assert len(words & set(SHAPES) & kinds) == 1
                case "digit":
                    assert words & set(DIGITS) & kinds
                case "count_seen":
                    named = {kind for kind in kinds if PLURALS[kind] in turn.user.split()}
                    count = sum(thing.kind in (named or kinds) for thing in things)
                    assert turn.reply == f"I see {DIGITS[count]}."


@pytest.mark.parametrize("split", SPLITS)
def test_question_about_one_of_two_things_names_which(split: Split) -> None:
    for conversation in _conversations(split):
        things = conversation.turns[0].shown
        if len(things) != 2:
            continue
        for turn in conversation.turns:
            named = set(turn.user.split())
            if turn.skill == "color":
                assert named & ({t.kind for t in things} | {"number"}), turn
            if turn.skill == "shape" and len({t.kind for t in things} & set(SHAPES)) == 2:
                assert named & {t.color for t in things}, turn
