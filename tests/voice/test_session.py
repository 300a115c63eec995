"""Whole turns on the clock of the samples, with a random model and a voice of countable words."""

import numpy as np
import pytest

from streaming.turn_settings import TurnSettings
from tests.voice.talk import (
    FAST,
    SHORT,
    SIX_WORDS,
    WORD,
    Call,
    CountingVoice,
    assistant_said,
    close,
    told_whole,
    user,
)
from voice import session_events as events
from voice.engine import Engine
from voice.playback import FADE_SAMPLES
from voice.session_settings import SessionSettings


def test_spoken_turn_is_answered(call, script, assistant):
    script.replies = [SIX_WORDS]
    call.ask()
    call.silence(1500)
    order = [
        "InputSpeechStarted",
        "InputSpeechStopped",
        "InputCommitted",
        "ResponseCreated",
        "OutputItemAdded",
        "ContentPartAdded",
        "OutputTextDone",
        "OutputItemDone",
        "ResponseDone",
        "PlaybackBegan",
        "LatencyMeasured",
        "PlaybackEnded",
    ]
    assert [name for name in call.names() if name in order] == order
    assert call.of(events.ResponseDone)[0].response.status == "completed"
    assert "".join(e.delta for e in call.of(events.OutputTextDelta)) == SIX_WORDS
    sound = call.sound[call.sound != 0]
    assert len(sound) == 6 * WORD
    call.check_ladder()
    close(call.logits(), told_whole(assistant, [user(), assistant_said(SIX_WORDS)], call.turns()))


def test_history_of_two_turns_equals_a_fresh_state_told_them(call, script, assistant):
    script.replies = ["Yes.", "No."]
    for _ in range(2):
        call.ask()
        call.silence(1000)
    messages = [user(), assistant_said("Yes."), user(), assistant_said("No.")]
    call.check_ladder()
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_reply_is_ready_at_the_endpoint(call, script):
    script.replies = [SIX_WORDS]
    call.speak(1000)
    call.silence(480)
    assert call.of(events.ResponseCreated) == []
    call.silence(100)
    measured = call.of(events.LatencyMeasured)[0]
    assert measured.first_token_ms == measured.first_audio_ms == 64
    assert measured.heard_ms - measured.endpoint_ms <= 32


@pytest.mark.parametrize(("modality", "opened"), [("audio", 1), ("text", 0)])
def test_voice_is_started_when_the_user_begins_to_speak(assistant, modality, opened):
    voices = []

    def open_voice(settings):
        voices.append(CountingVoice(settings))
        return voices[-1]

    engine = Engine(assistant, open_voice=open_voice)
    call = Call(engine, settings=SessionSettings(reply=SHORT, stream=FAST, modality=modality))
    call.silence(500)
    assert voices == []
    call.speak(500)
    assert len(voices) == opened
    call.silence(600)
    call.ask()
    assert len(voices) == opened
    engine.close()


def test_events_tell_where_on_the_clock_of_the_sound_they_are(call, script):
    script.replies = [SIX_WORDS]
    call.silence(320)
    call.speak(1000)
    call.silence(600)
    assert call.of(events.FloorChanged)[0].audio_ms == 360  # the frame with the first voiced window
    assert abs(call.of(events.LatencyMeasured)[0].speech_end_ms - 1320) < 32


class Judge:
    """Is always equally sure."""

    def __init__(self, probability):
        self.given = probability

    def probability(self, memory):
        memory.tell("used up")
        return self.given


@pytest.mark.parametrize(("probability", "endpoint_ms"), [(0.9, 192), (None, 512), (0.1, 4000)])
def test_turn_ends_as_soon_as_it_sounds_finished(
    engine, script, assistant, probability, endpoint_ms
):
    call = Call(engine, judge=Judge(probability))
    script.replies = ["Yes."]
    call.speak(1000)
    call.silence(4500)
    assert call.of(events.LatencyMeasured)[0].endpoint_ms == endpoint_ms
    call.check_ladder()
    close(call.logits(), told_whole(assistant, [user(), assistant_said("Yes.")], call.turns()))


def test_short_answer_that_sounds_unfinished_does_not_hang(engine, script):
    call = Call(engine, judge=Judge(0.0))
    script.replies = ["Yes."]
    call.speak(300)
    call.silence(1000)
    assert call.of(events.LatencyMeasured)[0].endpoint_ms == 640


def test_turn_during_a_reply_that_nothing_interrupts_comes_after_it(engine, script, assistant):
    turns = TurnSettings(interrupt_response=False)
    settings = SessionSettings(reply=SHORT, stream=FAST, turns=turns)
    call = Call(engine, settings=settings)
    script.replies = [SIX_WORDS]
    call.ask()
    call.speak(600)
    call.silence(2500)
    assert len(call.of(events.PlaybackEnded)) == 1
    messages = [user(), assistant_said(SIX_WORDS), user()]
    call.check_ladder()
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_speech_before_the_reply_is_heard_voids_it(assistant, script, engine):
    settings = SessionSettings(reply=SHORT, stream=FAST, turns=TurnSettings(withdraw_ms=0))
    call = Call(engine, settings=settings)
    call.session.playback.read = lambda count: np.zeros(count, np.float32)  # nothing is heard
    script.replies = ["Yes.", "No."]
    call.ask()
    call.speak(700)
    del call.session.playback.read
    call.silence(1500)
    messages = [user(), user(), assistant_said("No.")]
    call.check_ladder()
    close(call.logits(), told_whole(assistant, messages, call.turns()))


def test_stop_takes_the_floor_however_short(engine, script, monkeypatch):
    call = Call(engine)
    monkeypatch.setattr(call.conversation, "transcribing", lambda steps: iter(["stop"]))
    script.replies = [SIX_WORDS, ""]
    call.ask()
    call.speak(256)
    call.silence(160)
    assert call.of(events.PlaybackCleared)


def test_interruption_fades_out_within_20_ms_of_the_decision(call, script):
    script.replies = [SIX_WORDS, ""]
    call.ask()
    call.silence(100)
    before = len(call.sound)
    call.speak(640)
    held = call.session.playback.position
    after = call.sound[before:]
    last = np.flatnonzero(after)[-1]
    assert last <= 240 * 24 + FADE_SAMPLES + 480
    assert np.abs(np.diff(after[last - FADE_SAMPLES : last + 1])).max() < 1e-3
    assert held < 6 * WORD


def test_interjection_that_arrives_in_one_piece_is_judged_like_one_in_frames(engine, script):
    floors = []
    for size in (512, 512 * 50):
        script.replies = [SIX_WORDS]
        call = Call(engine)
        call.ask()
        call.silence(60)
        told = len(call.events)
        arrived = np.zeros(512 * 50, np.float32)
        arrived[:4096] = 0.2  # a cough, and more than a second that a stalled network held back
        for start in range(0, len(arrived), size):
            call.session.hear(arrived[start : start + size])
        engine.run()
        floors.append([each for each in call.events[told:] if type(each) is events.FloorChanged])
        call.session.close()
    assert ("interjected", "held") in [(each.user, each.assistant) for each in floors[0]]
    assert floors[0] == floors[1]


def test_false_interruption_resumes_from_the_same_sample(engine, script):
    plain, coughed = (Call(engine) for _ in range(2))
    for call in (plain, coughed):
        script.replies = [SIX_WORDS]
        call.ask()
        call.silence(60)
        if call is coughed:
            call.speak(256)
        call.silence(2500)
    assert coughed.of(events.PlaybackCleared) == []
    words = np.concatenate([plain.sound[plain.sound != 0]])
    sound = coughed.sound
    held = np.flatnonzero(np.diff((sound == 0).astype(int)))  # edges of silence
    first, second = sound[: held[1] + 1], sound[held[2] + 1 :]
    played = first[first != 0][: -FADE_SAMPLES + 1]
    rest = second[second != 0]
    assert len(played) + len(rest) == pytest.approx(len(words), abs=2)
    assert np.array_equal(rest[FADE_SAMPLES:], words[-len(rest) + FADE_SAMPLES :])


def test_backchannel_lets_the_reply_go_on(call, script):
    script.replies = [SIX_WORDS]
    call.ask()
    call.speak(224)
    call.silence(2500)
    assert call.of(events.PlaybackEnded)
    assert len(call.of(events.InputCommitted)) == 1


def test_user_who_goes_on_takes_the_endpoint_back(engine, script, assistant):
    call = Call(engine)
    call.session.playback.read = lambda count: np.zeros(count, np.float32)  # nothing is heard
    script.replies = ["Yes.", "No."]
    call.speak(900)
    call.silence(560)
    assert len(call.of(events.ResponseCreated)) == 1
    call.speak(400)
    del call.session.playback.read
    assert len(call.of(events.ItemDeleted)) == 1
    begun = call.of(events.InputSpeechStarted)
    assert begun[0].audio_start_ms == begun[1].audio_start_ms
    call.silence(1500)
    heard = np.concatenate(call.heard)
    start = call.of(events.InputSpeechStarted)[0].audio_start_ms * 16
    end = call.of(events.InputSpeechStopped)[-1].audio_end_ms * 16
    messages = [user(), assistant_said("No.")]
    call.check_ladder()
    close(call.logits(), told_whole(assistant, messages, [heard[start:end]]))


@pytest.mark.parametrize("count", [2, 4])
def test_sessions_at_once_get_what_they_get_alone(assistant, count):
    def results(calls):
        for call in calls:
            transcripts = [e.transcript for e in call.of(events.InputTranscriptDone)]
            yield transcripts, [e.text for e in call.of(events.OutputTextDone)]

    alone = []
    for seed in range(count):
        call = Call(Engine(assistant, open_voice=CountingVoice), noise_seed=seed)
        call.ask(700)
        call.silence(500)
        alone += results([call])
    engine = Engine(assistant, open_voice=CountingVoice)
    calls = [Call(engine, noise_seed=seed) for seed in range(count)]
    rng = [np.random.default_rng(seed).uniform(-0.2, 0.2, 700 * 16) for seed in range(count)]
    sounds = [np.concatenate((each, np.zeros(1100 * 16))).astype(np.float32) for each in rng]
    for start in range(0, len(sounds[0]), 320):
        for call, sound in zip(calls, sounds, strict=True):
            call.session.hear(sound[start : start + 320])
            engine.step()  # the others' work is always half done
    for _ in range(100):
        engine.step()
    engine.run()
    assert list(results(calls)) == alone
    assert all(transcripts for transcripts, _ in alone)


def test_reasoning_is_never_spoken_nor_kept(engine, script, assistant):
    settings = SessionSettings(reply=type(SHORT)(thinking=True, max_new_tokens=40), stream=FAST)
    call = Call(engine, settings=settings)
    script.replies = ["I should say yes.</think>Yes."]
    call.ask()
    call.silence(600)
    assert call.of(events.OutputTextDone)[0].text == "Yes."
    call.check_ladder()
    close(call.logits(), told_whole(assistant, [user(), assistant_said("Yes.")], call.turns()))


def test_text_only_session_makes_no_sound(engine, script):
    settings = SessionSettings(modality="text", reply=SHORT, stream=FAST)
    call = Call(engine, settings=settings)
    script.replies = ["Yes."]
    call.ask()
    assert call.of(events.OutputTextDone)[0].is_transcript is False
    assert not call.sound.any()
    assert call.of(events.FloorChanged)[-1].assistant == "idle"


def test_failed_voice_fails_the_response_alone(assistant, script):
    def no_voice(settings):
        from voice.tts.synthesizer import EngineUnavailable

        raise EngineUnavailable("install espeakng-loader")

    call = Call(Engine(assistant, open_voice=no_voice))
    script.replies = ["Yes."]
    call.ask()
    call.silence(100)
    done = call.of(events.ResponseDone)[0].response
    assert (done.status, done.error[0]) == ("failed", "speech_failed")
    call.ask()
    assert len(call.of(events.InputCommitted)) == 2
