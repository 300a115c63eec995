"""Voices that are never trained on, for evaluation."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from voice.audio_file import read_audio
from voice.training.speech import HELDOUT_ACCENT, SpeechMaker, sample_speaker

Speak = Callable[[str], np.ndarray]
"""Words → float32 mono 16 kHz."""


def espeak_speakers(rng: random.Random) -> Iterator[tuple[str, Speak]]:
    """espeak's speakers with variants, and now and then an accent, that were never trained on."""
    maker = SpeechMaker()
    while True:
        speaker = sample_speaker(rng, heldout=True)
        accent, _, variant = speaker.voice.partition("+")
        name = f"espeak {HELDOUT_ACCENT}" if accent == HELDOUT_ACCENT else f"espeak +{variant}"

        def speak(text: str, speaker=speaker) -> np.ndarray:  # type: ignore[no-untyped-def]
            return maker.speak(text, speaker).samples

        yield name, speak


ENGINE_VOICES = {
    "flite awb": ("flite", "-voice", "awb", "-t", "{text}", "-o", "{file}"),
    "festival slt hts": (
        "text2wave", "-eval", "(voice_cmu_us_slt_arctic_hts)", "-o", "{file}", "{text_file}",
    ),
}  # fmt: skip
"""Held-out engines, asked where installed (Debian: flite, festival, festvox-us-slt-hts)."""


def installed_engines() -> list[str]:
    """Those of ``ENGINE_VOICES`` whose program is on the path."""
    return [name for name, command in ENGINE_VOICES.items() if shutil.which(command[0])]


def engine_speakers(voice: str) -> Iterator[tuple[str, Speak]]:
    """One of ``ENGINE_VOICES``, over and over."""

    def speak(text: str) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            file, text_file = Path(folder, "speech.wav"), Path(folder, "text")
            text_file.write_text(text)
            filled = [
                part.format(text=text, file=file, text_file=text_file)
                for part in ENGINE_VOICES[voice]
            ]
            subprocess.run(filled, check=True, capture_output=True)
            return read_audio(file).samples

    while True:
        yield voice, speak
