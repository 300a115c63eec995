"""Other engines' voices: asked by command, never those that are held out."""

import random
import sys

import numpy as np
import pytest

from voice.training import engines
from voice.training.engines import HELDOUT_VOICES, VOICES, EngineVoice

WRITE_TONE = """
import sys, numpy, soundfile
text, rate, file = open(sys.argv[1]).read(), float(sys.argv[2]), sys.argv[3]
tone = numpy.sin(numpy.arange(int(2400 * len(text) / (rate / 100))) / 10)
soundfile.write(file, tone / 2, 24000)
"""
TONE = EngineVoice((sys.executable, "-c", WRITE_TONE, "{text_file}", "{rate}", "{file}"))
BROKEN = EngineVoice((sys.executable, "-c", "raise SystemExit('no such voice')"))


@pytest.fixture
def only_tone(monkeypatch):
    monkeypatch.setattr(engines, "VOICES", {"tone": TONE, "broken": BROKEN})


def test_engine_voice_speaks_at_16_khz_and_at_the_rate():
    assert len(TONE.speak("hello")) == pytest.approx(8000, abs=200)
    assert len(TONE.speak("hello", rate=2.0)) == pytest.approx(4000, abs=200)


def test_engine_that_fails_is_an_error_with_its_words():
    with pytest.raises(RuntimeError, match="no such voice"):
        BROKEN.speak("hello")


def test_program_that_is_missing_is_not_installed():
    assert not EngineVoice(("no-such-program-here", "{text}")).is_installed()


@pytest.mark.usefixtures("only_tone")
def test_voice_that_cannot_speak_is_left_out():
    assert engines.installed(engines.VOICES) == {"tone": TONE}


@pytest.mark.usefixtures("only_tone")
def test_utterance_of_an_engine_has_words_in_order_and_no_phonemes():
    spoken = engines.speak_with_engine("a longer one", random.Random(0))
    assert spoken.text == "a longer one"
    assert spoken.samples.dtype == np.float32
    assert len(spoken.phonemes) == 0
    assert spoken.word_starts[0] == 0
    assert (np.diff(spoken.word_starts) > 0).all()
    assert spoken.word_starts[-1] < len(spoken.samples)


def test_no_held_out_speaker_is_trained_on():
    # RHVoice's alan and slt are the same people as flite's awb and festival's slt.
    commands = [" ".join(voice.command) for voice in VOICES.values()]
    assert not [c for c in commands for held_out in ("awb", "slt", "alan") if held_out in c]
    assert not VOICES.keys() & HELDOUT_VOICES.keys()


@pytest.mark.parametrize("name", VOICES.keys() | HELDOUT_VOICES.keys())
def test_installed_voice_speaks(name):
    voice = (VOICES | HELDOUT_VOICES)[name]
    if not voice.is_installed():
        pytest.skip(f"{voice.command[0]} or this voice of it is not installed")
    samples = voice.speak("good morning")
    assert 4000 < len(samples) < 64_000
    assert np.abs(samples).max() > 0.02
