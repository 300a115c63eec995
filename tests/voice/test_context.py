"""A full context: the oldest turns go, never an error in mid-sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.voice.talk import (
    FAST,
    Call,
    CountingVoice,
    HeldExecutor,
    Scripted,
    assistant_said,
    close,
    told_whole,
    user,
)
from tests.voice.tiny import write_tiny
from voice import load, summary
from voice import session_events as events
from voice.conversation import Conversation
from voice.decoding import ReplySettings
from voice.engine import Engine
from voice.memory import finish
from voice.session_events import Content, Item
from voice.session_settings import SessionSettings
from voice.tools import Tool

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


SUMMARISING = replace(SETTINGS, reply=ReplySettings(max_new_tokens=28), context="summarise")
SUMMARY = "The user is Anna."
SUMMARY_TOKENS = LIMIT // 8


@pytest.fixture(autouse=True, scope="module")
def short_request():
    """One that fits into so small a context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "REQUEST", "Sum up.")
        yield


def open_summarising(assistant, script):
    script.always = {SUMMARY_TOKENS: SUMMARY}
    return Call(Engine(assistant, open_voice=CountingVoice), settings=SUMMARISING)


def exchange(call, script):
    """A turn of 0.8 s, and its answer, heard."""
    script.replies = ["Yes."]
    call.ask(800)
    call.silence(700)


def close_to_history(call, assistant, text=SUMMARY):
    """The state is that of a fresh one told the summary, if there is one, and the turns kept."""
    dropped = {each for event in call.of(events.HistoryTrimmed) for each in event.item_ids}
    pairs = zip(call.turns(), call.of(events.InputCommitted), strict=True)
    kept = [sound for sound, event in pairs if event.item_id not in dropped]
    messages = [{"role": "system", "content": "Be brief."}]
    if dropped:
        told = f"Summary of the conversation so far, of which the beginning is left out:\n{text}"
        messages.append({"role": "system", "content": told})
    for _ in kept:
        messages += [user(), assistant_said("Yes.")]
    close(call.logits(), told_whole(assistant, messages, kept))
    assert not call.of(events.ErrorOccurred)
    assert not any(item_id in call.session._core.items for item_id in dropped)


def test_summary_takes_the_place_of_the_oldest_turns(assistant, script):
    call = open_summarising(assistant, script)
    while not call.of(events.HistoryTrimmed):
        exchange(call, script)
        close_to_history(call, assistant)
    (trimmed,) = call.of(events.HistoryTrimmed)
    assert trimmed.summary == SUMMARY
    assert 0 < len(trimmed.item_ids) < 2 * len(call.of(events.InputCommitted))
    exchange(call, script)
    close_to_history(call, assistant)


def test_later_summary_takes_the_place_of_the_earlier(assistant, script):
    call = open_summarising(assistant, script)
    while len(call.of(events.HistoryTrimmed)) < 2:
        exchange(call, script)
        if call.of(events.HistoryTrimmed):
            script.always = {SUMMARY_TOKENS: "Anna and Rome."}
    close_to_history(call, assistant, "Anna and Rome.")


@hypothesis_settings(max_examples=10)
@given(waits=st.lists(st.integers(0, 12), min_size=5, max_size=5), early=st.booleans())
def test_summary_that_is_written_while_talk_goes_on_disturbs_nothing(assistant, waits, early):
    """Between any two things that happen, so many units of the summary are done."""
    with pytest.MonkeyPatch.context() as patch:
        script = Scripted(assistant, patch)
        call = open_summarising(assistant, script)
        held = hold_leisure(call, patch)
        while not held or next(held[-1], "over") == "over":
            held.clear()
            exchange(call, script)
        script.replies = ["Yes."] * 2
        for wait, (act, ms) in zip(
            waits,
            (
                (call.speak, 400),
                (call.speak, 400),
                (call.silence, 300),  # a draft
                (call.silence, 340),  # the reply is being heard
                (call.silence, 700),
            ),
            strict=True,
        ):
            for _ in range(wait):
                next(held[0], None)
            act(ms)
        for work in held:
            finish(work)
        call.engine.run()
        close_to_history(call, assistant)
        exchange(call, script)
        close_to_history(call, assistant)


def hold_leisure(call, patch):
    """What would be done at leisure is done by the test."""
    held = []
    lane = call.session._core.lane
    submit = lane.submit

    def hold(work, *, background=False, at_leisure=False):
        if at_leisure:
            held.append(work)
        else:
            submit(work, background=background)

    patch.setattr(lane, "submit", hold)
    return held


def test_turns_are_dropped_where_no_summary_was_written_in_time(assistant, script, monkeypatch):
    call = open_summarising(assistant, script)
    hold_leisure(call, monkeypatch)
    while not call.of(events.HistoryTrimmed):
        exchange(call, script)
    assert call.of(events.HistoryTrimmed)[0].summary == ""
    assert not call.of(events.ErrorOccurred)


def test_summary_outlives_turns_that_are_dropped_after_it(assistant, script, monkeypatch):
    call = open_summarising(assistant, script)
    while not call.of(events.HistoryTrimmed):
        exchange(call, script)
    hold_leisure(call, monkeypatch)
    while len(call.of(events.HistoryTrimmed)) < 2:
        exchange(call, script)
    close_to_history(call, assistant)


def test_summary_is_void_when_the_past_has_changed(assistant, script, monkeypatch):
    call = open_summarising(assistant, script)
    held = hold_leisure(call, monkeypatch)
    while not held or next(held[-1], "over") == "over":
        held.clear()
        exchange(call, script)
    first = call.of(events.ItemAdded)[0].item.id
    call.session.delete_item(first)
    call.engine.run()
    finish(held[0])
    call.engine.run()
    assert call.of(events.HistoryTrimmed) == []
    kept = call.turns()[1:]
    messages = [{"role": "system", "content": "Be brief."}, assistant_said("Yes.")]
    for _ in kept:
        messages += [user(), assistant_said("Yes.")]
    close(call.logits(), told_whole(assistant, messages, kept))


def test_overlong_result_of_a_call_is_cut_and_never_lost(tmp_path, monkeypatch):
    assistant = load(write_tiny(tmp_path, max_position_embeddings=1600))
    script = Scripted(assistant, monkeypatch)
    tool = Tool(name="look", description="Looks.", run=lambda: "three " * 1000)
    call = Call(
        Engine(assistant, open_voice=CountingVoice, tool_executor=HeldExecutor()),
        settings=replace(SETTINGS, reply=ReplySettings(max_new_tokens=60)),
        tools=[tool],
    )
    script.replies = ["<tool_call>\n<function=look>\n</function>\n</tool_call>\n", "Three."]
    call.ask(300)
    call.engine.tools.release()
    call.silence(1500)
    assert call.of(events.OutputTextDone)[-1].text == "Three."
    assert not call.of(events.ErrorOccurred)
    parts = [part for entry in call.conversation._past.entries[1:] for part in entry.parts]
    told = "".join(part for part in parts if isinstance(part, str))
    assert "three three three" in told
    assert "[the rest is left out]" in told
    assert len(assistant.prompt.encode(told)) < 1600 // 3


def test_instructions_beyond_the_context_are_reported(assistant, script):
    settings = replace(SETTINGS, instructions="Be brief. " * 200)
    call = Call(Engine(assistant, open_voice=CountingVoice), settings=settings)
    call.ask(800)
    assert {each.code for each in call.of(events.ErrorOccurred)} == {"context_full"}
    assert not call.of(events.SessionEnded)
    call.session.configure(SETTINGS)
    exchange(call, script)
    assert call.of(events.OutputTextDone)[-1].text == "Yes."
