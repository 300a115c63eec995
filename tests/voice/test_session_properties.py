"""What holds of sessions whatever happens when: nothing of a dropped draft, all of what was heard,
and no session in another's way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.turn_settings import TurnSettings
from tests.voice.talk import (
    FAST,
    FRAME,
    WORD,
    Call,
    CountingVoice,
    Scripted,
    assistant_said,
    close,
    told_whole,
    user,
)
from voice import session_events as events
from voice.decoding import ReplySettings
from voice.engine import Engine
from voice.session_settings import SessionSettings
from voice.tools import Tool

REPLY = "One two three, four five. Six seven eight nine. Ten."
ANSWER_MS = 1900
"""From when the test sees it begin until it is over: then there is nothing left to cancel."""
TOOL_CALL = "<tool_call>\n<function=count>\n</function>\n</tool_call>"


def reply_settings(thinking):
    return ReplySettings(max_new_tokens=80, thinking=thinking)


@settings(max_examples=10)
@given(
    pauses=st.lists(st.integers(128, 440), min_size=1, max_size=3),
    said=st.integers(200, 700),
    thinking=st.booleans(),
    playback=st.sampled_from(("pulled", "pushed")),
)
def test_dropped_draft_leaves_no_trace(assistant, pauses, said, thinking, playback):
    """As if nothing had ever been decoded ahead."""
    runs = []
    tool = Tool(name="count", description="Counts.", run=lambda: runs.append(1))
    calls = []
    for speculate in (True, False):
        turns = TurnSettings(speculate=speculate)
        how = SessionSettings(reply=reply_settings(thinking), stream=FAST, turns=turns)
        engine = Engine(assistant, open_voice=CountingVoice)
        call = Call(engine, settings=how, tools=[tool], playback=playback, seed=1)
        calls.append(call)
        with pytest.MonkeyPatch.context() as patch:
            script = Scripted(assistant, patch)
            script.replies = [f"I wonder.</think>Wait. {TOOL_CALL}" if thinking else TOOL_CALL] * 3
            call.speak(900)
            for pause in pauses:
                call.silence(pause)
                call.speak(said)
            assert (len(script.replies) < 3) is speculate
        engine.tools.shutdown()
    drafted, plain = calls
    assert runs == []
    assert not drafted.sound.any()
    assert {type(each) for each in drafted.events} <= {
        events.InputSpeechStarted,
        events.FloorChanged,
    }
    assert [e for e in drafted.events if not isinstance(e, events.FloorChanged)] == [
        e for e in plain.events if not isinstance(e, events.FloorChanged)
    ]
    assert drafted.session._core.items.last_id is None
    assert len(drafted.conversation._past.entries) == 1
    for call in calls:
        call.session._core.order(call.session._core.model.pause(None))
    close(drafted.logits(), plain.logits())
    heard = np.concatenate(drafted.heard)[: drafted.session._core.turns.now]
    start = drafted.of(events.InputSpeechStarted)[0].audio_start_ms * 16
    prompt, model, state = assistant.prompt, assistant.model, assistant.model.new_state()
    opening = prompt.session_opening("", [tool.function]) + "".join(map(str, prompt.turn_opening()))
    model.prefill(state, tokens=prompt.encode(opening))
    fresh = model.prefill(state, embeddings=assistant.embed_audio(heard[start:]))
    close(drafted.logits(), fresh)


@settings(max_examples=12)
@given(wait_ms=st.integers(0, ANSWER_MS), thinking=st.booleans(), by_voice=st.booleans())
def test_interruption_leaves_exactly_the_words_that_were_heard(
    assistant, wait_ms, thinking, by_voice
):
    """The voice speaks word `n` at the level `n`/1000, so the sound tells what was heard."""
    how = SessionSettings(reply=reply_settings(thinking), stream=FAST)
    call = Call(Engine(assistant, open_voice=CountingVoice), settings=how)
    with pytest.MonkeyPatch.context() as patch:
        script = Scripted(assistant, patch)
        script.replies = [f"{'Hm.</think>' * thinking}{REPLY}", "</think>" * thinking]
        call.ask(700)
        while not call.of(events.PlaybackBegan):
            call.silence(20)
        call.silence(wait_ms)
        if by_voice:
            call.speak(700)
            call.silence(600)
        elif wait_ms < ANSWER_MS:
            call.session.cancel_response()
            call.silence(60)
        else:
            with pytest.raises(events.SessionError, match="no active response"):
                call.session.cancel_response()
    words = REPLY.split()
    played = [(call.sound == np.float32(n / 1000)).sum() for n in range(1, len(words) + 1)]
    # The first sample of the fade is as loud as those before it, and does not count.
    possible = {
        " ".join(words[: sum(2 * (count - fade) >= WORD for count in played)]) for fade in (0, 1)
    }
    told = [each.heard for each in call.of(events.ItemTruncated)] or [REPLY]
    assert len(told) == 1
    (heard,) = told
    assert heard in possible
    messages = [user(), *([assistant_said(heard)] if heard else [])]
    if by_voice:
        messages += [user(), assistant_said("")]
    call.check_ladder()
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def talk_of(seed):
    """A question, an interruption of its answer, and silence; each session's differ."""
    rng = np.random.default_rng(seed)
    lengths = (700 + 40 * seed, 620 + 30 * seed, 600, 1100)
    sounds = [rng.uniform(-0.2, 0.2, ms * 16) * (n % 2 == 0) for n, ms in enumerate(lengths)]
    return np.concatenate(sounds).astype(np.float32)


def words(call):
    """All that was written down, said, and heard."""
    return (
        [each.transcript for each in call.of(events.InputTranscriptDone)],
        [each.text for each in call.of(events.OutputTextDone)],
        [each.heard for each in call.of(events.ItemTruncated)],
    )


@pytest.mark.parametrize("count", [2, 5, 8])
def test_sessions_at_once_come_to_what_each_comes_to_alone(assistant, script, count):
    """The units of their work take turns; the interruptions come at the same samples."""
    talks = [talk_of(seed) for seed in range(count)]
    # Each session is known to the script by the length of its replies.
    lengths = [60 + seed for seed in range(count)]
    script.always = {length: f"{REPLY} This is {length}." for length in lengths}
    how = [
        SessionSettings(reply=ReplySettings(max_new_tokens=length), stream=FAST)
        for length in lengths
    ]
    alone = [Call(Engine(assistant, open_voice=CountingVoice), settings=each) for each in how]
    for call, talk in zip(alone, talks, strict=True):
        call.send(talk)
    engine = Engine(assistant, open_voice=CountingVoice)
    together = [Call(engine, settings=each) for each in how]
    for start in range(0, max(map(len, talks)), FRAME):
        frames = [talk[start : start + FRAME] for talk in talks]
        for call, frame in zip(together, frames, strict=True):
            call.session.hear(frame)
        engine.run()
        for call, frame in zip(together, frames, strict=True):
            call.played.append(call.session.playback.read(len(frame) * 3 // 2))
        engine.run()
    for one, other in zip(alone, together, strict=True):
        transcripts, replies, cut = words(one)
        assert len(transcripts) == len(replies) == 2
        assert cut
        assert words(other) == (transcripts, replies, cut)
        assert np.array_equal(one.sound, other.sound)
        assert torch.equal(one.logits(), other.logits())
