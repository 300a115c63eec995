"""Invented accents and speakers: espeak takes them, they sound, the held-out accent is not used."""

from pathlib import Path

import numpy as np
import pytest

from voice.training import invented
from voice.training.speech import HELDOUT_ACCENT, SpeakerSettings, SpeechMaker


@pytest.fixture(scope="module")
def maker():
    pytest.importorskip("espeakng_loader")
    return SpeechMaker()


@pytest.mark.parametrize("voice", [invented.ACCENTS[0], f"en-us+{invented.VARIANTS[-1]}"])
def test_invented_voice_speaks_with_labels(maker, voice):
    text = "please tell me what three plus seven is"
    utterance = maker.speak(text, SpeakerSettings(voice, 175, 50, 50, 1.0))
    assert 1.0 < len(utterance.samples) / 16_000 < 6.0
    assert np.abs(utterance.samples).max() > 0.02
    assert (utterance.phonemes > 0).mean() > 0.6


def test_invented_accents_never_start_from_the_heldout_one(tmp_path):
    loader = pytest.importorskip("espeakng_loader")
    data = Path(loader.get_data_path())
    invented.write_voices(data, tmp_path)
    languages = tmp_path / "lang" / "gmw"
    table = next(
        line
        for line in (languages / "en-GB-scotland").read_text().splitlines()
        if line.startswith("phonemes")
    )
    assert HELDOUT_ACCENT.lower() == "en-gb-scotland"
    for name in invented.ACCENTS:
        assert table not in (languages / name).read_text()


def test_invented_voices_are_the_same_each_time(tmp_path):
    loader = pytest.importorskip("espeakng_loader")
    data = Path(loader.get_data_path())
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        invented.write_voices(data, tmp_path / folder)
    for name in invented.VARIANTS[:5]:
        one, two = (tmp_path / f / "voices" / "!v" / name for f in ("one", "two"))
        assert one.read_text() == two.read_text()
