"""What the session may hear: pure, frame by frame."""

import numpy as np
import pytest

from tests.speech import speak
from tests.voice.microphone.room import Echo, frames_of
from voice.microphone.alarm import rms
from voice.microphone.canceller import WebRtcCanceller, is_installed
from voice.microphone.echo import MAX_HELD_FRAMES, SILENCE, TAIL_MS, EchoPath
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

    def reset(self) -> None:
        self.calls.append(("reset", 0.0))

    def of(self, kind: str) -> list[float]:
        return [round(value, 6) for name, value in self.calls if name == kind]


def hear(path: EchoPath, frame: np.ndarray) -> np.ndarray:
    """What comes of a frame that need not wait."""
    (passed,) = path.heard(frame)
    return passed


def numbered(number: int) -> np.ndarray:
    return np.full(HEARD_SAMPLES, number / 1000, np.float32)


def test_half_duplex_mutes_while_it_sounds_and_for_delay_and_tail():
    path = EchoPath("half-duplex", delay_ms=100)
    path.played(SILENCE)
    assert hear(path, VOICE) is VOICE
    for _ in range(5):
        path.played(SOUND)
        assert not hear(path, VOICE).any()
        assert path.is_muted
    muted = 0
    while not hear(path, VOICE).any():
        path.played(SILENCE)
        muted += 1
    assert muted == (100 + TAIL_MS) // 10 - 1
    assert not path.is_muted


def test_without_anything_against_echo_the_microphone_passes():
    path = EchoPath("off")
    for _ in range(10):
        path.played(SOUND)
        assert hear(path, VOICE) is VOICE


def test_canceller_gets_one_played_frame_before_each_of_the_microphone():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    for number in (1, 2):
        path.played(numbered(number))
    for number in (4, 5):
        assert np.array_equal(hear(path, numbered(number)), numbered(number) / 2)
    assert path.heard(numbered(6)) == []
    path.played(numbered(3))
    assert np.array_equal(hear(path, numbered(7)), numbered(6) / 2)
    assert [name for name, _ in canceller.calls] == ["played", "heard"] * 3
    assert canceller.of("played") == [0.001, 0.002, 0.003]


def test_microphone_waits_for_the_loudspeaker_and_loses_nothing():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    heard: list[np.ndarray] = []
    for number in range(1, 401):
        heard += path.heard(numbered(number))
        if number % 5 == 0:  # its frames come in fives, after those of the microphone
            for played in range(number - 4, number + 1):
                path.played(numbered(played))
    assert [round(float(frame[0] * 2000)) for frame in heard] == list(range(1, 396))
    assert canceller.of("played") == canceller.of("heard")


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
    assert canceller.delay_ms == 150
    path.played(SOUND)  # from now on the canceller learns
    path.set_delay(390)
    assert canceller.delay_ms == 220


@pytest.mark.parametrize("played_per_1000", [999, 1001])
def test_clock_that_runs_away_is_followed_in_silence_and_the_canceller_begins_anew(played_per_1000):
    canceller = Recorded()
    path = EchoPath("cancelled", canceller, delay_ms=100)
    due = passed = 0
    for number in range(100 * 330):
        due += played_per_1000
        while due >= 1000:
            due -= 1000
            path.played(SILENCE if number % 1100 >= 1000 else SOUND)  # ten seconds, and one without
        passed += len(path.heard(SILENCE))
    kinds = [kind for kind, _ in canceller.calls]
    resets = [index for index, kind in enumerate(kinds) if kind == "reset"]
    assert 2 <= len(resets) <= 8
    for index in resets:
        assert not any(value for _, value in canceller.calls[index - 80 : index])
    assert passed > 100 * 330 - 10


def test_loudspeaker_that_ceases_does_not_stop_the_microphone():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    for _ in range(10):
        path.played(SOUND)
        path.heard(SILENCE)
    heard: list[np.ndarray] = []
    for number in range(1, 101):
        heard += path.heard(numbered(number))
    found = [round(float(frame[0] * 2000)) for frame in heard]
    assert found == sorted(found)
    assert len([each for each in found if each]) >= 100 - MAX_HELD_FRAMES


@pytest.mark.parametrize("burst", [1, 4, 7])
def test_bursts_find_room_before_the_first_sound(burst):
    canceller = Recorded()
    path = EchoPath("cancelled", canceller, delay_ms=150)
    passed = []
    for number in range(400):
        passed.append(len(path.heard(SILENCE)))
        if number % burst == burst - 1:
            for _ in range(burst):
                path.played(SILENCE)
    assert passed[200:] == [1] * 200
    assert "reset" not in dict(canceller.calls)


def test_canceller_begins_anew_where_a_device_lost_sound():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    path.start_anew()
    path.played(SOUND)
    assert canceller.calls == []
    path.start_anew()
    assert canceller.calls == [("reset", 0.0)]


def test_burst_of_playback_waits_within_bounds():
    canceller = Recorded()
    path = EchoPath("cancelled", canceller)
    path.played(SILENCE)
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
    assert not hear(path, VOICE).any()


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
        heard += path.heard(raw[-1])
    alone = slice(200, len(heard) - len(said) // HEARD_SAMPLES - 1)
    assert rms(np.concatenate(heard[alone])) < 0.03 * rms(np.concatenate(raw[alone]))
    kept = rms(np.concatenate(heard)[-len(said) :]) / rms(said)
    assert 0.5 < kept < 1.2
    assert not path.has_alarm
