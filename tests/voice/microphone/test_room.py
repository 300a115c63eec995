"""Sessions of the built-in model in a room that echoes, on the clock of the frames."""

from pathlib import Path

import numpy as np
import pytest

import voice
from tests.voice.microphone.room import Echo, Room
from voice import session_events as events
from voice.audio_file import read_audio
from voice.engine import Engine
from voice.microphone.canceller import WebRtcCanceller, is_installed
from voice.microphone.echo import EchoPath

SAMPLES = Path(voice.__file__).with_name("samples")
needs_canceller = pytest.mark.skipif(not is_installed(), reason="livekit is not installed")


def question(name: str) -> np.ndarray:
    """A sample, up to the end of its speech."""
    samples = read_audio(SAMPLES / f"{name}.flac").samples
    return samples[: np.flatnonzero(np.abs(samples) > 0.02)[-1] + 1]


@pytest.fixture(scope="module")
def builtin():
    return voice.load("builtin")


@pytest.fixture
def engine(builtin):
    engine = Engine(builtin)
    yield engine
    engine.close()


def cancelled(delay_ms: int) -> EchoPath:
    return EchoPath("cancelled", WebRtcCanceller(), delay_ms=delay_ms)


@needs_canceller
@pytest.mark.parametrize(("delay_ms", "gain", "decay_samples"), [(40, 1.0, 0), (450, 0.7, 300)])
def test_echo_alone_interrupts_nothing_and_is_not_transcribed(
    engine, delay_ms, gain, decay_samples
):
    room = Room(engine, cancelled(delay_ms), Echo(delay_ms, gain, decay_samples=decay_samples))
    room.run(question("capital_of_france"))
    room.run_until(events.PlaybackEnded)
    room.run(np.zeros(32_000, np.float32))
    assert ["Paris" in answer for answer in room.answers()] == [True]
    assert len(room.transcripts()) == len(room.of(events.InputSpeechStarted)) == 1
    assert not room.of(events.PlaybackCleared)
    assert not [e for e in room.of(events.FloorChanged) if e.assistant == "held"]
    assert not room.path.has_alarm


@needs_canceller
def test_question_over_an_echo_takes_the_floor_and_is_answered(engine):
    room = Room(engine, cancelled(150), Echo(150, 0.7, decay_samples=300))
    room.run(question("capital_of_france"))
    room.run_until(events.PlaybackBegan)
    room.run(np.zeros(8_000, np.float32))
    room.run(question("opposite_of_hot"))
    room.run_until(events.PlaybackEnded)
    first, second = room.answers()
    assert "Paris" in first
    assert "cold" in second
    assert len(room.of(events.PlaybackCleared)) == 1
    (truncated,) = room.of(events.ItemTruncated)
    assert "Paris" not in truncated.heard
    assert len(room.transcripts()) == 2
    assert not room.path.has_alarm


def test_echo_that_nothing_is_done_about_raises_the_alarm_and_ends(engine):
    room = Room(engine, EchoPath("off"), Echo(150, 0.7, decay_samples=100))
    for _ in range(4):
        room.run(question("capital_of_france"))
        room.run(np.zeros(64_000, np.float32))
        if room.path.has_alarm:
            break
    assert room.path.has_alarm
    assert room.path.mode == "half-duplex"
    heard = len(room.of(events.InputSpeechStarted))
    cleared = len(room.of(events.PlaybackCleared))
    ended = len(room.of(events.PlaybackEnded))
    room.run(np.zeros(48_000, np.float32))
    room.run(question("two_plus_three"))
    room.run_until(events.PlaybackEnded, ended + 1)
    room.run(np.zeros(16_000, np.float32))
    assert "five" in room.answers()[-1]
    assert len(room.of(events.InputSpeechStarted)) == heard + 1
    assert len(room.of(events.PlaybackCleared)) == cleared


def test_half_duplex_hears_no_echo_and_no_user_until_it_is_silent(engine):
    room = Room(engine, EchoPath("half-duplex", delay_ms=150), Echo(150, 1.0, decay_samples=100))
    room.run(question("capital_of_france"))
    room.run_until(events.PlaybackBegan)
    room.run(question("opposite_of_hot")[:16_000])
    room.run_until(events.PlaybackEnded)
    room.run(np.zeros(8_000, np.float32))
    assert len(room.of(events.InputSpeechStarted)) == 1
    room.run(question("two_plus_three"))
    room.run_until(events.PlaybackEnded, 2)
    assert "five" in room.answers()[-1]
    assert not room.of(events.PlaybackCleared)
