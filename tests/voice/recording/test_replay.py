"""A replay equals its recording in every decision and token, and says where one does not."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from streaming.turn_settings import TurnSettings
from tests.voice.recording.conftest import SETTINGS, talk_on_threads
from tests.voice.talk import SIX_WORDS
from voice.decoding import ReplySettings
from voice.session_events import Content, Item
from voice.session_settings import ResponseSettings
from voice.tools import Tool
from voice.tts.synthesizer import VoiceSettings

MANUAL = replace(SETTINGS, turns=TurnSettings.from_turn_detection(None))
SILENCE = np.zeros(16_000, np.float32)


def message(*parts: Content) -> Item:
    return Item(role="user", content=parts)


def answered(call, question):
    call.send(question)
    call.silence(3000)


def interrupted(call, question):
    call.send(question)
    call.silence(900)
    call.send(question)
    call.silence(2000)


def paused(call, question):
    call.send(question)
    call.silence(150)
    call.send(question)
    call.silence(1000)


def withdrawn(call, question):
    call.send(question)
    call.session.hear(np.zeros(9000, np.float32))
    call.session.hear(question)
    call.silence(2000)


def by_hand(call, question):
    call.session.configure(MANUAL)
    call.send(question[:-77])
    call.session.commit()
    call.session.create_response(ResponseSettings(metadata={"a": "b"}))
    call.silence(100)
    call.session.cancel_response()
    call.session.clear()
    call.send(question)


def edited(call, question):
    picture = Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3))
    seen = Content(kind="input_image", image=picture)
    said = Content(kind="input_audio", audio=question)
    first = call.session.add_item(message(Content(kind="input_text", text="hello"), seen))
    call.session.add_item(message(said))
    call.session.create_response()
    call.silence(400)
    call.session.delete_item(first.id)
    answered(call, question)


def refused(call, question):
    from contextlib import suppress

    from voice.session_events import SessionError

    for wish in (call.session.cancel_response, lambda: call.session.delete_item("none")):
        with suppress(SessionError):
            wish()
    answered(call, question)


def reconfigured(call, question):
    call.send(question[:16_000])
    call.session.configure(replace(SETTINGS, instructions="Be short.", transcribe=False))
    call.send(question[16_000:])
    call.silence(2000)


def by_chance(call, question):
    warm = ReplySettings(max_new_tokens=12, temperature=1.5)
    call.session.configure(replace(SETTINGS, reply=warm, voice=VoiceSettings(speed=1.2)))
    answered(call, question)
    answered(call, question)


def truncated(call, question):
    from voice.session_events import OutputTextDone

    answered(call, question)
    (done, *_) = call.of(OutputTextDone)
    call.session.truncate(done.item_id, 300)
    answered(call, question)


TALKS = (
    answered,
    interrupted,
    paused,
    withdrawn,
    by_hand,
    edited,
    refused,
    reconfigured,
    by_chance,
    truncated,
)


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.__name__)
def test_replay_equals_the_recording(recorded, replay, question, talk):
    call = recorded()
    talk(call, question)
    recording = call.end()
    outcome = replay(recording)
    assert outcome.difference is None
    assert outcome.compared["SessionEnded"] == 1
    assert outcome.compared["reports"] > 10
    assert outcome.tokens > 0
    assert outcome.seconds == len(recording.sound("heard.wav", 16_000)) / 16_000


def test_pushed_session_replays(recorded, replay, question):
    call = recorded(playback="pushed")
    answered(call, question)
    outcome = replay(call.end())
    assert outcome.difference is None
    assert outcome.compared["OutputAudioDelta"] > 0


def test_session_on_threads_replays_whatever_their_timing_was(
    assistant, tmp_path, replay, question
):
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        sounds = [question, SILENCE, question, SILENCE[:5000], question, SILENCE, SILENCE]
        outcome = replay(talk_on_threads(assistant, folder, sounds))
        assert outcome.difference is None
        assert outcome.compared["SessionEnded"] == 1


def test_tool_is_not_run_again_but_its_result_comes(recorded, replay, question, script):
    ran = []

    def look(remind) -> str:
        ran.append(1)
        remind(0.0, "It is time.")
        return "three"

    tool = Tool(name="look", description="Looks.", run=look, reminds=True)
    script.replies = ["<tool_call>\n<function=look>\n</function>\n</tool_call>\n", SIX_WORDS]
    call = recorded(tools=[tool])
    call.send(question)
    for _ in range(50):
        call.silence(100)
    recording = call.end()
    assert ran == [1]
    script.replies = ["<tool_call>\n<function=look>\n</function>\n</tool_call>\n", SIX_WORDS]
    outcome = replay(recording)
    assert outcome.difference is None
    assert outcome.compared["ToolStarted"] == outcome.compared["ToolEnded"] == 1
    assert ran == [1]
    sources = [event.get("source") for event in recording.events()]
    assert {"tool-1", "remind", "timer-2"} <= set(sources)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"silence_ms": 300, "short_silence_ms": 300}, "EndpointReached"),
        ({"first_pause_ms": 160}, "SpeechPaused"),
        ({"speculate": False}, "ReplyDrafted"),
        ({"threshold": 0.999}, "SpeechStarted"),
    ],
)
def test_altered_threshold_changes_a_decision_that_is_named(
    recorded, replay, question, setting, name
):
    call = recorded()
    answered(call, question)

    def change(settings):
        return replace(settings, turns=replace(settings.turns, **setting))

    difference = replay(call.end(), change).difference
    assert difference is not None
    assert name in str(difference)


def test_altered_length_of_replies_shows_in_the_tokens(recorded, replay, question):
    call = recorded()
    answered(call, question)

    def change(settings):
        return replace(settings, reply=replace(settings.reply, max_new_tokens=3))

    difference = replay(call.end(), change).difference
    assert difference.name == "reply-1"
    assert "tokens" in str(difference)


def test_altered_probability_of_the_end_of_a_turn_is_named(recorded, replay, question):
    class Sure:
        def probability(self, memory) -> float:
            return 0.75

    call = recorded(judge=Sure())
    answered(call, question)
    recording = call.end()
    told = [event for event in recording.events() if event.get("is") == "TurnEndProbability"]
    assert [each["probability"] for each in told] == [0.75]
    difference = replay(recording).difference  # the tiny model declares no signal
    assert difference.name == "pause-1"
    assert difference.recorded == {"probability": 0.75}
    assert difference.replayed is None


def test_recording_that_was_cut_off_replays_up_to_there(recorded, replay, question):
    call = recorded()
    call.send(question)
    call.recorder._flush()
    lines = call.recorder.folder / "events.jsonl"
    whole = lines.read_bytes()
    lines.write_bytes(whole[:-9])
    from voice.recording.files import Recording

    outcome = replay(Recording(call.recorder.folder))
    assert outcome.difference is None
    assert outcome.compared["SpeechStarted"] == 1
    call.session.close()
