"""Anything in any order: the session stays whole, and its state is what its history says."""

from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.turn_settings import TurnSettings
from tests.voice.talk import FAST, Call, CountingVoice, Scripted
from voice import session_events as events
from voice.decoding import ReplySettings
from voice.engine import Engine
from voice.memory import Memory
from voice.session_events import Content, Item, SessionError
from voice.session_settings import SessionSettings
from voice.tools import Tool

CALL = "<tool_call>\n<function=look>\n</function>\n</tool_call>\n"
REPLIES = (
    "Yes.",
    "One two three four five six.",
    "One two three. Four five six. Seven.",
    f"Let me look. {CALL}",
    CALL,
    "",
)
TURNS = (
    TurnSettings(),
    TurnSettings(interrupt_response=False),
    TurnSettings(create_response=False),
    TurnSettings.from_turn_detection(None),
)


def typed(text):
    return Item(role="user", content=(Content(kind="input_text", text=text),))


def configure(call, turns):
    call.session.configure(SessionSettings(reply=SETTINGS.reply, stream=FAST, turns=turns))


def last(call, kind):
    found = call.of(kind)
    return found[-1] if found else None


def truncate(call, ms):
    if (done := last(call, events.OutputTextDone)) is not None:
        call.session.truncate(done.item_id, ms)


def delete(call, back):
    added = [event.item.id for event in call.of(events.ItemAdded) if event.item.kind == "message"]
    if len(added) >= back:
        call.session.delete_item(added[-back])


def interrupt(call, ms):
    call.ask(700)
    call.silence(ms)
    call.speak(700)


ACTIONS = st.one_of(
    st.tuples(st.just(Call.ask), st.sampled_from((300, 900))),
    st.tuples(st.just(interrupt), st.sampled_from((40, 300, 700))),
    st.tuples(st.just(Call.speak), st.sampled_from((60, 240, 400, 900))),
    st.tuples(st.just(Call.silence), st.sampled_from((60, 140, 320, 540, 1200))),
    st.tuples(st.just(lambda call, text: call.session.add_item(typed(text))), st.just("hello")),
    st.tuples(st.just(lambda call, _: call.session.create_response()), st.none()),
    st.tuples(st.just(lambda call, _: call.session.cancel_response()), st.none()),
    st.tuples(st.just(lambda call, _: call.session.commit()), st.none()),
    st.tuples(st.just(lambda call, _: call.session.clear()), st.none()),
    st.tuples(st.just(truncate), st.integers(0, 900)),
    st.tuples(st.just(delete), st.integers(1, 3)),
    st.tuples(st.just(configure), st.sampled_from(TURNS)),
)
SETTINGS = SessionSettings(reply=ReplySettings(max_new_tokens=60), stream=FAST)


@settings(max_examples=30)
@given(
    actions=st.lists(ACTIONS, min_size=4, max_size=12),
    playback=st.sampled_from(("pulled", "pushed")),
    replies=st.lists(st.sampled_from(REPLIES), min_size=8, max_size=8),
)
def test_any_order_of_things_leaves_a_true_history(assistant, actions, playback, replies):
    engine = Engine(assistant, open_voice=CountingVoice)
    tool = Tool(name="look", description="Looks.", run=lambda: "three")
    call = Call(engine, settings=SETTINGS, playback=playback, tools=[tool])
    with pytest.MonkeyPatch.context() as patch:
        Scripted(assistant, patch).replies = list(replies)
        for act, value in actions:
            with suppress(SessionError):
                act(call, value)
        configure(call, TURNS[0])
        call.silence(5000)
        call.session.clear()
        call.engine.run()
    engine.tools.shutdown()
    assert not call.of(events.SessionEnded)
    call.check_ladder()
    if call.session._responder.response is None:
        retold = Memory(assistant)
        for entry in call.conversation._past.entries:
            retold.tell(*entry.parts)
        retold.settle()
        actual = call.logits()
        if retold.state.logits is None:
            assert actual is None
        else:
            torch.testing.assert_close(actual, retold.state.logits, rtol=1e-3, atol=1e-3)
