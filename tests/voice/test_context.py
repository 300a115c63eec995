"""A full context: the oldest turns go, never an error in mid-sentence."""

import numpy as np
import pytest
import torch

from tests.voice.talk import FAST, Call, CountingVoice, assistant_said, close, told_whole, user
from tests.voice.tiny import write_tiny
from voice import load
from voice import session_events as events
from voice.conversation import Conversation
from voice.decoding import ReplySettings
from voice.engine import Engine
from voice.memory import finish
from voice.session_events import Content, Item
from voice.session_settings import SessionSettings

LIMIT = 240
SETTINGS = SessionSettings(
    instructions="Be brief.", reply=ReplySettings(max_new_tokens=30), stream=FAST
)


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    directory = write_tiny(tmp_path_factory.mktemp("tiny"), max_position_embeddings=LIMIT)
    return load(directory)


def test_oldest_turns_are_dropped_and_the_rest_is_as_if_told_alone(assistant, script):
    call = Call(Engine(assistant, open_voice=CountingVoice), settings=SETTINGS)
    for _ in range(8):
        script.replies = ["Yes."]
        call.ask(800)
        call.silence(700)
    assert call.of(events.HistoryTrimmed)
    assert not call.of(events.ErrorOccurred)
    assert len(call.of(events.PlaybackEnded)) == 8
    dropped = {each for event in call.of(events.HistoryTrimmed) for each in event.item_ids}
    kept = [
        sound
        for sound, event in zip(call.turns(), call.of(events.InputCommitted), strict=True)
        if event.item_id not in dropped
    ]
    messages = [{"role": "system", "content": "Be brief."}]
    for _ in kept:
        messages += [user(), assistant_said("Yes.")]
    assert 0 < len(kept) < 8
    close(call.logits(), told_whole(assistant, messages, kept))


def test_reply_ends_where_the_context_does(assistant):
    conversation = Conversation(assistant, settings=ReplySettings(max_new_tokens=10_000))
    conversation.type_turn("hello")
    said = list(conversation.reply())
    assert said
    assert len(conversation.state) <= LIMIT
    finish(conversation.make_room())
    conversation.type_turn("go on")


def test_turn_that_is_longer_than_the_context_is_given_up(assistant, script):
    call = Call(Engine(assistant, open_voice=CountingVoice), settings=SETTINGS)
    call.speak(22_000)
    call.silence(800)
    assert [each.code for each in call.of(events.ErrorOccurred)] == ["context_full"]
    script.replies = ["Yes."]
    call.ask(800)
    call.silence(700)
    assert call.of(events.OutputTextDone)[-1].text == "Yes."


def test_item_that_does_not_fit_is_reported_and_gone(assistant):
    call = Call(Engine(assistant, open_voice=CountingVoice), settings=SETTINGS)
    before = call.logits()
    sound = np.full(16_000 * 25, 0.1, np.float32)
    item = Item(role="user", content=(Content(kind="input_audio", audio=sound),))
    item = call.session.add_item(item)
    call.engine.run()
    assert call.of(events.ErrorOccurred)[0].code == "context_full"
    assert call.of(events.ItemDeleted)[0].item_id == item.id
    assert torch.equal(call.logits(), before)


def test_rebuilt_history_equals_the_one_it_replaces(assistant):
    conversation = Conversation(assistant, settings=ReplySettings(max_new_tokens=4))
    for text in ("hello", "go on"):
        conversation.type_turn(text)
        list(conversation.reply())
    before = conversation._past.memory.fork()
    finish(conversation._past.retell(0))
    after = conversation._past.memory.fork()
    before.settle()
    after.settle()
    close(after.state.logits, before.state.logits)
