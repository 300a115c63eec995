"""What is an echo of the assistant, and what is somebody else."""

import numpy as np
import pytest

from tests.speech import speak
from tests.voice.microphone.room import Echo, frames_of
from voice.microphone.alarm import EchoAlarm, likeness, parrots
from voice.tts.synthesizer import open_synthesizer

COUNTING = "The capital of France is Paris. One, two, three, four, five, six, seven, eight."
OTHER = "I want to know what comes after monday, and what the opposite of hot is, please."


@pytest.fixture(scope="module")
def spoken():
    with open_synthesizer() as synthesizer:
        return {
            (text, voice): speak(text, synthesizer, voice=voice, before_s=0, after_s=0).samples
            for text, voice in ((COUNTING, ""), (OTHER, ""), (OTHER, "en-us+f3"))
        }


def raised_after_s(played: np.ndarray, heard: np.ndarray) -> float | None:
    alarm = EchoAlarm()
    pairs = zip(frames_of(played), frames_of(heard), strict=False)
    for number, (one, other) in enumerate(pairs):
        if alarm.feed(one, other):
            return number / 100
    return None


def echo_of(played: np.ndarray, delay_ms: int, gain: float, **room: float) -> np.ndarray:
    echo = Echo(delay_ms, gain, **room)
    return np.concatenate([echo.feed(frame) for frame in frames_of(played)])


def test_likeness_finds_the_delay_of_an_echo(spoken):
    played = spoken[COUNTING, ""][:22_400]
    delay, alike = likeness(played, 0.1 * played[16_000 - 1234 : 22_400 - 1234])
    assert delay == 1234
    assert alike > 0.99


@pytest.mark.parametrize(
    ("delay_ms", "gain", "decay_samples"),
    [(0, 1.0, 0), (100, 0.3, 0), (300, 0.5, 100), (900, 0.5, 0), (100, 1.0, 300)],
)
def test_echo_raises_the_alarm(spoken, delay_ms, gain, decay_samples):
    played = spoken[COUNTING, ""]
    heard = echo_of(played, delay_ms, gain, decay_samples=decay_samples)
    after_s = raised_after_s(played, heard)
    assert after_s is not None
    assert after_s < 4.5


@pytest.mark.parametrize("voice", ["", "en-us+f3"])
def test_somebody_who_talks_over_the_assistant_raises_none(spoken, voice):
    for later in (0, 4_000, 11_000):
        assert raised_after_s(spoken[COUNTING, ""], np.roll(spoken[OTHER, voice], later)) is None


def test_noise_and_silence_raise_none(spoken):
    played = spoken[COUNTING, ""]
    noise = np.random.default_rng(0).normal(0, 0.05, len(played)).astype(np.float32)
    assert raised_after_s(played, noise) is None
    assert raised_after_s(played, np.zeros_like(played)) is None
    assert raised_after_s(np.zeros_like(played), played) is None


def test_echo_too_soft_to_be_speech_raises_none(spoken):
    played = spoken[COUNTING, ""]
    assert raised_after_s(played, 0.01 * played) is None


@pytest.mark.parametrize(
    ("heard", "is_parroted"),
    [
        ("the capital of france is paris", True),
        ("capital of fran is Paris", True),
        ("what is the capital of spain", False),
        ("no stop that please", False),
        ("of france", False),  # too little to tell
        ("", False),
    ],
)
def test_words_of_the_assistant_are_told_from_an_answer(heard, is_parroted):
    assert parrots(heard, "The capital of France is Paris.") == is_parroted
