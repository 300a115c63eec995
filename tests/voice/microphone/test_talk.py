"""The loop between devices and session, with devices that the test moves."""

import asyncio
import io

import numpy as np
import pytest
from rich.console import Console

from tests.voice.microphone.test_streams import LOUDSPEAKER, MICROPHONE
from voice import session_events as events
from voice.errors import DeviceUnavailable, EngineDied
from voice.microphone import talk as module
from voice.microphone.screen import Screen
from voice.microphone.talk import Devices, Parroting, Talk
from voice.playback import Playback
from voice.session_events import ResponseInfo, SessionEnded
from voice.session_settings import SessionSettings


class Session:
    """Hears, and plays silence."""

    def __init__(self, settings, emit, is_pushed) -> None:
        assert not is_pushed
        self.emit = emit
        self.playback = Playback(lambda moment, reply: None)
        self.heard: list[np.ndarray] = []
        self.is_closed = False

    def hear(self, samples: np.ndarray) -> None:
        self.heard.append(samples)

    def close(self) -> None:
        self.is_closed = True


class Stream:
    """A device that has no clock."""

    latency_ms = 50
    gaps = dropped_frames = missing_frames = 0

    def __init__(self, device, wake, latency_ms) -> None:
        self.device, self.wake = device, wake
        self.failure: BaseException | None = None
        self.frames: list[np.ndarray] = []
        self.put_frames = 0
        self.is_open = False

    def start(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def take(self):
        frames, self.frames = self.frames, []
        return frames

    def take_played(self):
        return []

    @property
    def waiting_frames(self) -> int:
        return self.put_frames

    def put(self, frame) -> None:
        self.put_frames += 1


def talking(monkeypatch, act, **options):
    """Talks while `act` does something with the conversation; returns it and what was shown."""
    monkeypatch.setattr(module, "MicrophoneStream", Stream)
    monkeypatch.setattr(module, "LoudspeakerStream", Stream)
    out = io.StringIO()

    async def body():
        with Screen(Console(file=out, width=200)) as screen:
            talk = Talk(Session, SessionSettings(), Devices(MICROPHONE, LOUDSPEAKER), "off", screen)
            running = asyncio.ensure_future(talk.run())
            await asyncio.sleep(0)
            act(talk)
            talk._wake()
            try:
                async with asyncio.timeout(10):
                    await running
            finally:
                assert talk._session.is_closed
                assert not talk._microphone.is_open
                assert not talk._loudspeaker.is_open
            return talk

    return asyncio.run(body()), out


def test_frames_go_to_the_session_and_stopping_closes_everything(monkeypatch):
    frame = np.full(160, 0.1, np.float32)
    heard = []

    def act(talk):
        talk._microphone.frames = [frame, frame]
        talk._session.hear = lambda samples: (heard.append(samples), talk.stop())

    talk, _ = talking(monkeypatch, act)
    assert len(heard) == 2
    assert talk._loudspeaker.put_frames == 7


def test_device_that_fails_ends_the_conversation_with_its_error(monkeypatch):
    def act(talk):
        talk._loudspeaker.failure = DeviceUnavailable("the loudspeaker has stopped")

    with pytest.raises(DeviceUnavailable, match="has stopped"):
        talking(monkeypatch, act)


def test_session_that_dies_ends_the_conversation_with_its_error(monkeypatch):
    def act(talk):
        talk._session.emit(SessionEnded(error=EngineDied("the model thread died")))

    with pytest.raises(EngineDied, match="model thread"):
        talking(monkeypatch, act)


def test_microphone_that_gives_no_sign_has_gone(monkeypatch):
    monkeypatch.setattr(module, "STALLED_S", 0.01)
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    with pytest.raises(DeviceUnavailable, match="has given no sound"):
        talking(monkeypatch, lambda talk: None)


def test_alarm_is_told_once(monkeypatch):
    def act(talk):
        talk._path.raise_alarm()
        talk._microphone.frames = [np.zeros(160, np.float32)]
        talk._loop.call_later(0.05, talk._wake)
        talk._loop.call_later(0.1, talk.stop)

    talk, out = talking(monkeypatch, act)
    assert out.getvalue().count("The assistant hears itself") == 1
    assert talk._path.mode == "half-duplex"


def reply(response: str, text: str) -> list[events.SessionEvent]:
    return [
        events.ResponseCreated(response=ResponseInfo(id=response, status="in_progress")),
        events.OutputTextDelta(
            response_id=response, item_id="a", output_index=0, delta=text, is_transcript=True
        ),
        events.PlaybackBegan(response_id=response),
    ]


def turn(item: str, transcript: str) -> list[events.SessionEvent]:
    return [
        events.InputSpeechStarted(item_id=item, audio_start_ms=0),
        events.InputTranscriptDone(item_id=item, transcript=transcript, seconds=1.0),
    ]


PARIS = "The capital of France is Paris."


@pytest.mark.parametrize(
    ("ended_ms", "now_ms", "words", "is_alarm"),
    [
        (None, 5000, "the capital of france", True),
        (1000, 2000, "the capital of france", True),
        (1000, 5000, "the capital of france", False),  # somebody repeats it
        (None, 5000, "what is two plus three", False),
    ],
)
def test_words_of_a_reply_under_it_are_its_echo(ended_ms, now_ms, words, is_alarm):
    parroting = Parroting()
    assert not any(parroting.on(event, 500) for event in reply("r", PARIS))
    if ended_ms is not None:
        parroting.on(events.PlaybackCleared(response_id="r"), ended_ms)
    assert any(parroting.on(event, now_ms) for event in turn("u", words)) == is_alarm


def test_words_before_any_reply_are_the_user_s():
    parroting = Parroting()
    assert not any(parroting.on(event, 0) for event in turn("u", "the capital of france"))
