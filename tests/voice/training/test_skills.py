"""The generated conversations: split by phrasing, always right, always sayable."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from tests.voice.training.texts import SAID, SPLITS, WRITTEN, trained_and_held_out
from voice.training.skills import (
    SKILLS,
    Conversation,
    Split,
    Turn,
    arithmetic,
    is_right,
    knowledge,
    memory,
    sample_conversation,
    sample_drill,
    sample_memory,
    sample_own_words,
    sample_turn,
    talk,
    training_sentences,
    unknown,
    wording,
)
from voice.training.skills.lexicon import lexicon
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.tables import countries, opposites


def _intents(skill: str) -> list[Phrasings]:
    if skill in talk.INTENTS:
        return list(dict.fromkeys(intent.phrasings for intent in talk.INTENTS[skill]))
    return {
        "add": [arithmetic.ADD],
        "subtract": [arithmetic.SUBTRACT],
        "multiply": [arithmetic.MULTIPLY],
        "capital": [knowledge.CAPITAL, knowledge.FOLLOW_UP],
        "opposite": [knowledge.OPPOSITE],
        "next_day": [
            *(knowledge.DAY_AFTER, knowledge.DAY_BEFORE),
            *(knowledge.MONTH_AFTER, knowledge.MONTH_BEFORE),
        ],
        "repeat": [wording.REPEAT],
        "spell": [wording.SPELL],
        "name_memory": [memory.TELL, memory.CORRECT, memory.ASK],
        "not_understood": [unknown.OUT_OF_SCOPE],
    }[skill]


def _samples(skill: str, split: Split, count: int = 400) -> list[Turn]:
    rng = random.Random(f"{skill} {split}")
    return [sample_turn(rng, skill, split) for _ in range(count)]


def test_conversations_repeat_with_the_same_seed() -> None:
    def draw(seed: int) -> list[Conversation]:
        rng = random.Random(seed)
        return [sample_conversation(rng, "train") for _ in range(50)]

    assert draw(1) == draw(1) != draw(2)


@pytest.mark.parametrize("skill", SKILLS)
def test_skill_has_many_phrasings_and_enough_held_out(skill: str) -> None:
    train = sum(len(intent.train) for intent in _intents(skill))
    heldout = sum(len(intent.heldout) for intent in _intents(skill))
    assert train >= 60
    assert heldout >= 9


@pytest.mark.parametrize("skill", SKILLS)
def test_skill_phrasings_of_training_are_never_held_out(skill: str) -> None:
    for intent in _intents(skill):
        assert not trained_and_held_out(intent)
    train = {turn.user for turn in _samples(skill, "train", 2000)}
    assert not train & {turn.user for turn in _samples(skill, "heldout", 2000)}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("skill", SKILLS)
def test_turn_is_sayable_right_and_short(skill: str, split: Split) -> None:
    for turn in _samples(skill, split):
        assert turn.skill == skill
        assert SAID.fullmatch(turn.user), turn
        assert WRITTEN.fullmatch(turn.reply), turn
        assert len(turn.reply.split()) <= 25
        for right in (turn.reply, *turn.accept, turn.reply.upper(), turn.reply.replace(",", "")):
            assert is_right(turn, right), (turn, right)


@pytest.mark.parametrize("skill", SKILLS)
def test_reply_to_another_question_is_wrong(skill: str) -> None:
    turns = _samples(skill, "train", 100)
    # Not "repeat": a free sentence may happen to hold the right word.
    others = [other for other in SKILLS if other not in (skill, "repeat")]
    strangers = {t.reply for other in others for t in _samples(other, "train", 20)}
    for turn in turns:
        assert not is_right(turn, "")
        own = {t.reply for t in turns} - {turn.reply, *turn.accept}
        assert not any(is_right(turn, reply) for reply in own), turn
        # One sum may have the result of another; so may "hot" and "warm" have one opposite.
        unlike = {reply for reply in strangers if reply.split()[-1] != turn.reply.split()[-1]}
        assert not any(is_right(turn, reply) for reply in unlike - set(turn.accept)), turn


@pytest.mark.parametrize(
    ("turn", "right", "wrong"),
    [
        (
            Turn("what is three plus four", "The answer is seven.", "add"),
            ["seven", "7", "Three plus four is seven.", "3 + 4 = 7"],
            [
                "The answer is eight.",
                "seven or eight",
                "seventeen",
                "seventy",
                "minus seven",
                "Seven minus three.",
            ],
        ),
        (
            Turn("forty plus two", "The answer is forty two.", "add"),
            ["Forty-two!", "42", "It is 42."],
            ["forty", "two", "twenty four", "forty, two hundred"],
        ),
        (
            Turn("the capital of france", "The capital of France is Paris.", "capital"),
            ["Paris", "It is paris.", "Paris, the capital of France."],
            ["The capital of France is Rome.", "Paris or Rome", "The capital of Italy is Paris."],
        ),
        (
            Turn(
                "the capital of bolivia", "The capital of Bolivia is Sucre.", "capital", ("La Paz",)
            ),
            ["Sucre", "The capital of Bolivia is La Paz."],
            ["The capital of Bolivia is Lima."],
        ),
        (
            Turn("repeat don't go home", "Don't go home.", "repeat"),
            ["don't go home", "DON'T GO HOME!"],
            ["Do not go home.", "Go home.", "Don't go home now."],
        ),
        (
            Turn("how do you spell cat", "C, A, T.", "spell"),
            ["c a t", "C-A-T"],
            ["cat", "C, A, P.", "C, A, T, S."],
        ),
        (
            Turn("the opposite of hot", "The opposite of hot is cold.", "opposite"),
            ["cold", "It is cold."],
            ["The opposite of hot is hot.", "The opposite of cold is hot.", "warm"],
        ),
        (
            Turn("what day is after monday", "The day after Monday is Tuesday.", "next_day"),
            ["tuesday", "It is Tuesday."],
            ["The day after Monday is Monday.", "Wednesday", "Tuesday or Wednesday"],
        ),
        (
            Turn("what is my name", "Your name is Anna.", "name_memory"),
            ["anna", "You are Anna."],
            ["Your name is Mary.", "You have not told me your name yet."],
        ),
    ],
    ids=lambda value: value.skill if isinstance(value, Turn) else "",
)
def test_is_right_judges_the_answer_and_not_its_form(
    turn: Turn, right: list[str], wrong: list[str]
) -> None:
    assert [reply for reply in right if not is_right(turn, reply)] == []
    assert [reply for reply in wrong if is_right(turn, reply)] == []


def test_either_apology_is_right_for_what_cannot_be_answered() -> None:
    turn = _samples("not_understood", "train", 1)[0]
    assert is_right(turn, unknown.NOT_KNOWN)
    assert is_right(turn, unknown.NOT_UNDERSTOOD)
    assert not is_right(turn, "The answer is seven.")


@pytest.mark.parametrize("split", SPLITS)
def test_memory_asks_for_the_name_that_was_told(split: Split) -> None:
    rng = random.Random(3)
    for _ in range(300):
        *before, last = sample_memory(rng, split).turns
        told = [turn for turn in before if turn.skill == "name_memory"]
        name = re.fullmatch(r"(Sorry\. )?Nice to meet you, (\w+)\.", told[-1].reply)
        assert name
        assert name[2].lower() in told[-1].user.split()
        assert last.reply == f"Your name is {name[2]}."
        assert before[: len(told)] == told
        assert len(told) <= 2
        assert len(before) <= (9 if split == "train" else 3)


def test_drill_of_names_asks_for_the_last_one_told() -> None:
    rng = random.Random(6)
    drills = [sample_drill(rng).turns for _ in range(300)]
    of_names = [turns for turns in drills if turns[0].skill == "name_memory"]
    assert of_names
    for *told, last in of_names:
        name = told[-1].reply.removeprefix("Nice to meet you, ").removesuffix(".")
        assert len(told) > 1
        assert name.lower() in told[-1].user.split()
        assert last.reply == f"Your name is {name}."


def test_own_words_are_words_alone() -> None:
    rng = random.Random(5)
    said = {sample_own_words(rng) for _ in range(500)}
    assert all(re.fullmatch(r"[a-z']+( [a-z']+)*", text) for text in said)
    assert any(text.startswith("the answer is") for text in said)


def test_follow_up_asks_for_the_same_kind_of_fact() -> None:
    rng = random.Random(8)
    pairs = [
        pair
        for _ in range(20_000)
        for pair in pairwise(sample_conversation(rng, "train").turns)
        if pair[1].user.startswith("and that of ")
    ]
    assert {first.skill for first, _ in pairs} == {"capital", "opposite"}
    assert all(first.skill == second.skill for first, second in pairs)
    assert all(is_right(second, second.reply) for _, second in pairs)


@pytest.mark.parametrize(("split", "longest"), [("train", 10), ("heldout", 4)])
def test_conversation_never_contradicts_what_was_told(split: Split, longest: int) -> None:
    rng = random.Random(4)
    lengths = []
    for _ in range(5000):
        turns = sample_conversation(rng, split).turns
        lengths.append(len(turns))
        told = [i for i, t in enumerate(turns) if t.skill == "name_memory" and "meet" in t.reply]
        unknown_name = [i for i, turn in enumerate(turns) if turn.reply == memory.NAME_NOT_TOLD]
        assert told in ([], [0], [0, 1])
        assert not (told and unknown_name)
    assert set(lengths) == set(range(1, longest + 1))
    assert 0.45 < lengths.count(1) / len(lengths) < 0.7


def test_the_same_question_never_has_two_answers() -> None:
    rng = random.Random(5)
    seen: dict[str, Turn] = {}
    for skill in SKILLS:
        for _ in range(3000):
            turn = sample_turn(rng, skill, "train")
            first = seen.setdefault(turn.user, turn)
            assert is_right(turn, first.reply), (turn, first)


def test_tables_are_large_enough() -> None:
    assert len(countries()) >= 190
    assert sum(country.is_well_known for country in countries()) >= 60
    assert len(opposites()) >= 400
    asked = {turn.reply for turn in _samples("capital", "train", 5000)}
    assert len(asked) >= 190


def test_unknown_skill_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="choose one of greeting"):
        sample_turn(random.Random(0), "juggling", "train")


def test_training_sentences_are_sayable_and_cover_the_lexicon() -> None:
    rng = random.Random(6)
    words: set[str] = set()
    for _ in range(40_000):
        text = training_sentences(rng)
        assert SAID.fullmatch(text), text
        assert 3 <= len(text.split()) <= 12
        words.update(text.split())
    assert len(words & set(lexicon().words)) > 0.9 * len(lexicon().words)


@pytest.mark.parametrize("num_turns", [3, 10])
def test_memory_lasts_as_many_turns_as_asked_for(num_turns: int) -> None:
    rng = random.Random(4)
    for _ in range(30):
        turns = sample_memory(rng, "heldout", num_turns).turns
        assert len(turns) == num_turns
        assert turns[-1].skill == "name_memory"
