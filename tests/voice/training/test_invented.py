"""Invented accents and speakers: espeak takes them, they sound, the held-out accent is not used."""

from pathlib import Path

import numpy as np
import pytest

from voice.training.invented import ACCENT, VARIANT, InventedVoices
from voice.training.speech import HELDOUT_ACCENT, SpeakerSettings, SpeechMaker, phoneme_class

TEXT = "please tell me what three plus seven is"


@pytest.fixture(scope="module")
def maker():
    pytest.importorskip("espeakng_loader")
    return SpeechMaker()


@pytest.fixture
def data():
    return Path(pytest.importorskip("espeakng_loader").get_data_path())


def written(folder):
    return [
        folder.joinpath(*place).read_text()
        for place in (("lang", "gmw", ACCENT), ("voices", "!v", VARIANT))
    ]


@pytest.mark.parametrize("voice", [ACCENT, f"en-us+{VARIANT}", f"{ACCENT}+{VARIANT}"])
@pytest.mark.parametrize("invention", range(6))
def test_invented_voice_speaks_with_labels(maker, voice, invention):
    utterance = maker.speak(TEXT, SpeakerSettings(voice, 175, 50, 50, 1.0, invention))
    assert 1.0 < len(utterance.samples) / 16_000 < 6.0
    assert np.abs(utterance.samples).max() > 0.02
    assert (utterance.phonemes > 0).mean() > 0.6


def test_every_sound_of_an_invented_accent_has_a_label(data, tmp_path):
    voices = InventedVoices(data, tmp_path)
    sounds = set()
    for seed in range(300):
        voices.invent(seed)
        lines = (tmp_path / "lang" / "gmw" / ACCENT).read_text().splitlines()
        sounds.update(line.split()[3] for line in lines if line.startswith("replace 00 "))
    assert {"R", "x", "e:"} <= sounds
    assert {sound for sound in sounds if not phoneme_class(sound)} == {"NULL"}


def test_every_invention_sounds_otherwise(maker):
    speakers = (SpeakerSettings(ACCENT, 175, 50, 50, 1.0, invention) for invention in range(8))
    said = [maker.speak(TEXT, speaker).phonemes.tolist() for speaker in speakers]
    assert len(set(map(tuple, said))) == len(said)


def test_invented_accents_never_start_from_the_heldout_one(data, tmp_path):
    voices = InventedVoices(data, tmp_path)
    languages = tmp_path / "lang" / "gmw"
    table = next(
        line
        for line in (languages / "en-GB-scotland").read_text().splitlines()
        if line.startswith("phonemes")
    )
    assert HELDOUT_ACCENT.lower() == "en-gb-scotland"
    for seed in range(200):
        voices.invent(seed)
        assert table not in (languages / ACCENT).read_text()


def test_inventions_repeat_with_their_seed(data, tmp_path):
    found = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        voices = InventedVoices(data, tmp_path / folder)
        for seed in (5, 6):
            voices.invent(seed)
            found.append(written(tmp_path / folder))
    assert found[0] == found[2] != found[1] == found[3]
