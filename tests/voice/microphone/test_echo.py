"""What the session may hear: pure, frame by frame."""

import numpy as np
import pytest

from tests.speech import speak
from tests.voice.microphone.room import Echo, frames_of
from voice.microphone.alarm import rms
from voice.microphone.canceller import WebRtcCanceller, is_installed
from voice.microphone.echo import SILENCE, TAIL_MS, EchoPath
from voice.microphone.frames import HEARD_SAMPLES
from voice.tts.synthesizer import open_synthesizer

SOUND = np.full(HEARD_SAMPLES, 0.1, np.float32)
VOICE = np.full(HEARD_SAMPLES, 0.2, np.float32)


class Recorded:
    """A canceller that notes what it is given."""

    delay_ms = 0

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []

    def played(self, frame: np.ndarray) -> None:
        self.calls.append(("played", float(frame[0])))

    def heard(self, frame: np.ndarray) -> np.ndarray:
        self.calls.append(("heard", float(frame[0])))
        return frame / 2

    def of(self, kind: str) -> list[float]:
        return [round(value, 6) for name, value in self.calls if name == kind]


def numbered(number: int) -> np.ndarray:
    return np.full(HEARD_SAMPLES, number / 1000, np.float32)


def test_half_duplex_mutes_while_it_sounds_and_for_delay_and_tail():
    path = EchoPath("half-duplex", delay_ms=100)
    path.played(SILENCE)
    assert path.heard(VOICE) is VOICE
    for _ in range(5):
        path.played(SOUND)
        assert not path.heard(VOICE).any()
        assert path.is_muted
    muted = 0
    while not path.heard(VOICE).any():
        path.played(SILENCE)
        muted += 1
    assert muted == (100 + TAIL_MS) // 10 - 1
    assert not path.is_muted


def test_without_anything_against_echo_the_microphone_passes():
    path = EchoPath("off")
    for _ in range(10):
        path.played(SOUND)
        assert path.heard(VOICE) is VOICE


def test_canceller_gets_one_played_frame_before_each_of_the_microphone():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    for number in (1, 2):
        path.played(numbered(number))
    for number in (4, 5, 6):
        assert np.array_equal(path.heard(numbered(number)), numbered(number) / 2)
    assert [name for name, _ in canceller.calls] == ["played", "heard"] * 3
    assert canceller.of("played") == [0.001, 0.002, 0.0]


def test_what_was_played_before_the_microphone_was_there_is_left_out():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    for number in range(1, 101):
        path.played(numbered(number))
    path.heard(SILENCE)
    assert canceller.of("played") == [0.099]


def test_delay_as_it_is_measured_moves_canceller_and_mute():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller, delay_ms=250)  # 100 ms are taken out
    assert canceller.delay_ms == 150
    path.set_delay(320)
    assert canceller.delay_ms == 220


def test_loudspeaker_whose_clock_is_faster_is_caught_up_with():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    played = 0
    for number in range(4000):
        for _ in range(2 if number % 100 == 0 else 1):  # 1 % too fast
            played += 1
            path.played(numbered(played))
        path.heard(SILENCE)
    assert canceller.of("played") == [n / 1000 for n in range(1, len(canceller.of("played")) + 1)]
    assert played - len(canceller.of("played")) <= 6


def test_loudspeaker_whose_clock_is_slower_leaves_silence():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    for number in range(1, 1000):
        if number % 100:
            path.played(SOUND)
        path.heard(SILENCE)
    assert canceller.of("played").count(0.0) == 9


def test_burst_of_playback_waits_within_bounds():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    path.heard(SILENCE)
    for number in range(1, 1001):
        path.played(numbered(number))
    path.heard(SILENCE)
    assert canceller.of("played") == [0.0, 0.801]


def test_long_delay_is_taken_out_before_the_canceller():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller, delay_ms=650)
    for number in range(1, 1001):
        path.played(numbered(number))
        path.heard(SILENCE)
    assert canceller.of("played")[:52] == [0.0] * 50 + [0.001, 0.002]
    assert len(canceller.of("played")) == 1000


def test_alarm_makes_it_half_duplex():
    path = EchoPath("off")
    path.raise_alarm()
    assert path.has_alarm
    path.played(SOUND)
    assert not path.heard(VOICE).any()


def test_mode_and_canceller_go_together():
    with pytest.raises(AssertionError):
        EchoPath("cancelled")
    with pytest.raises(AssertionError):
        EchoPath("off", Recorded())


@pytest.mark.skipif(not is_installed(), reason="livekit is not installed")
@pytest.mark.parametrize(("delay_ms", "declared_ms"), [(50, 50), (200, 0), (400, 400), (800, 700)])
def test_webrtc_takes_the_echo_out_and_leaves_the_user(delay_ms, declared_ms):
    with open_synthesizer() as synthesizer:
        text = "The capital of France is Paris. One, two, three, four, five, six."
        played = speak(text, synthesizer, after_s=2.0).samples
        said = speak("what is two plus three", synthesizer, voice="en-us+f3").samples
    path = EchoPath("cancelled", WebRtcCanceller(), delay_ms=declared_ms)
    echo = Echo(delay_ms, 0.7, decay_samples=200)
    user = np.zeros_like(played)
    user[-len(said) :] = said
    heard, raw = [], []
    for out, voice in zip(frames_of(played), frames_of(user), strict=True):
        path.played(out)
        raw.append(echo.feed(out) + voice)
        heard.append(path.heard(raw[-1]))
    alone = slice(200, len(heard) - len(said) // HEARD_SAMPLES - 1)
    assert rms(np.concatenate(heard[alone])) < 0.03 * rms(np.concatenate(raw[alone]))
    kept = rms(np.concatenate(heard)[-len(said) :]) / rms(said)
    assert 0.5 < kept < 1.2
    assert not path.has_alarm
