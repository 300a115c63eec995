"""Questions on the wire: all of their sound, in time."""

import asyncio
import base64

import numpy as np
import pytest

from voice.audio_file import read_audio
from voice.resampling import Resampler
from voice.voicebench.live_speech import (
    FRAME_S,
    WIRE_RATE_HZ,
    Pace,
    Pacer,
    end_of_voice_s,
    wire_frames,
)

QUESTION = "voice/samples/capital_of_france.flac"


@pytest.fixture(scope="module")
def question() -> np.ndarray:
    return read_audio(QUESTION).samples


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_frames_hold_the_whole_clip(question: np.ndarray, pace: Pace) -> None:
    frames = list(wire_frames(question, pace, start_s=1.0))
    data = b"".join(base64.b64decode(frame.audio) for frame in frames)
    wire = np.frombuffer(data, "<i2").astype(np.float32) / 32768
    assert len(wire) == pytest.approx(len(question) * 1.5, abs=2)
    resampler = Resampler(WIRE_RATE_HZ, 16_000)
    heard = np.concatenate([resampler.feed(wire), resampler.flush()])
    error = heard[: len(question)] - question
    assert np.sqrt(np.mean(error**2)) < 0.05 * np.sqrt(np.mean(question**2))
    assert frames[-1].end_s == pytest.approx(1.0 + len(wire) / WIRE_RATE_HZ)
    lengths = np.diff([1.0, *(frame.end_s for frame in frames)])
    assert lengths[:-1] == pytest.approx(FRAME_S[pace])


def times(pace: Pace, seconds: float) -> list[float]:
    """When each frame goes, on a clock that only waiting moves."""
    now = 100.0

    async def sleep(delay: float) -> None:
        nonlocal now
        now += delay

    async def send() -> list[float]:
        pacer = Pacer(pace, lambda: now, sleep)
        sent = []
        for frame in wire_frames(np.zeros(round(16_000 * seconds), np.float32), pace):
            await pacer.wait(frame.end_s)
            sent.append(now - 100.0)
        return sent

    return asyncio.run(send())


def test_real_pace_is_a_frame_every_20_ms() -> None:
    sent = times("real", 2.0)
    assert sent == pytest.approx([0.02 * (number + 1) for number in range(100)])


def test_fast_pace_does_not_wait_but_for_a_session_that_drops_sound() -> None:
    assert times("fast", 50.0) == [0.0] * 500
    assert times("fast", 65.0)[-1] == pytest.approx(15.0)


def test_speech_ends_before_the_silence_after_it(question: np.ndarray) -> None:
    end_s = end_of_voice_s(question)
    assert 1.0 < end_s <= len(question) / 16_000
    longer = np.concatenate([question, np.zeros(32_000, np.float32)])
    assert end_of_voice_s(longer) == pytest.approx(end_s, abs=0.2)
    assert end_of_voice_s(np.zeros(16_001, np.float32)) == 16_001 / 16_000
