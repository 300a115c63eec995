"""Judges of who has the floor leave the conversation alone."""

import pytest
import torch

from tests.voice.tiny import write_tiny
from voice import load
from voice.conversation import Conversation
from voice.turn_end import AnswerProbability, floor_probability


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize(
    ("words", "probability"),
    [
        ("Stop!", 1.0),
        ("hold on a second", 1.0),
        ("Mm-hm.", 0.0),
        ("yeah", 0.0),
        ("", None),
        ("what about rome", None),
        ("stopwatch", None),
    ],
)
def test_words_say_whether_they_want_the_floor(words, probability):
    assert floor_probability(words) == probability


def test_probability_is_that_of_another_beginning_than_the_refusal(assistant):
    conversation = Conversation(assistant)
    conversation.type_turn("hello")
    memory = conversation._memory.fork()
    before = conversation.state.logits.clone()
    probability = AnswerProbability(assistant, margin=0.0).probability(memory)
    refusal = assistant.prompt.encode("I'm sorry, I did not understand that.")[0]
    assert memory.state.logits is not None
    assert probability == pytest.approx(1 - float(memory.state.logits.softmax(0)[refusal]))
    assert torch.equal(conversation.state.logits, before)


def test_judge_that_is_not_sure_has_no_opinion(assistant):
    conversation = Conversation(assistant)
    conversation.type_turn("hello")
    judge = AnswerProbability(assistant, margin=0.5)
    assert judge.probability(conversation._memory.fork()) is None
