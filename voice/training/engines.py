"""Other speech engines than espeak-ng, asked where their programs are installed.

espeak's voices are rules; these were made from recordings of people, whom an encoder that hears
espeak alone does not understand. Debian packages: ``flite``, ``festival`` with ``festvox-*``; from
non-free ``rhvoice``, ``rhvoice-english`` (LGPL-2.1+) and ``libttspico-utils`` (whose voices come
without their sources). They report no phonemes here.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from voice.audio_file import read_audio
from voice.training.speech import Utterance, guess_word_starts

RATES = 0.85, 1.2
PITCHES = 0.8, 1.25
"""Of those engines that can change it."""
SHIFTS = 0.82, 1.17
"""Of formants and pitch together, by resampling: a longer or a shorter vocal tract."""


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """A voice of an engine, and how to ask for it.

    Attributes:
        command: the program and its arguments. ``{text}``, ``{text_file}`` and ``{file}`` stand for
            what is to be said and for where the sound goes, ``{rate}`` and ``{pitch}`` for percents
            of the voice's own, ``{slowness}`` for the inverse of the rate.
        share: how often it is drawn; those that take long to start are drawn less.
    """

    command: tuple[str, ...]
    share: float = 1.0

    def is_installed(self) -> bool:
        """Whether program and voice are on this machine; the first time, it is asked for a word."""
        return _speaks(self)

    def speak(self, text: str, rate: float = 1.0, pitch: float = 1.0) -> np.ndarray:
        """Speaks plain words: float32 mono, 16 kHz.

        Raises:
            RuntimeError: if the engine fails, with what it said.
        """
        with tempfile.TemporaryDirectory() as folder:
            file, text_file = Path(folder, "speech.wav"), Path(folder, "text")
            text_file.write_text(text)
            places: dict[str, object] = {"text": text, "file": file, "text_file": text_file}
            places |= {"rate": round(100 * rate), "pitch": round(100 * pitch)}
            places["slowness"] = round(1 / rate, 2)
            command = [part.format_map(places) for part in self.command]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode or not file.exists():
                raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
            return read_audio(file).samples


@cache
def _speaks(voice: EngineVoice) -> bool:
    if shutil.which(voice.command[0]) is None:
        return False
    try:
        voice.speak("hello")
    except RuntimeError:
        return False  # an engine without this voice
    return True


def _flite(voice: str) -> tuple[str, ...]:
    slow = ("--setf", "duration_stretch={slowness}")
    return ("flite", "-voice", voice, *slow, "-t", "{text}", "-o", "{file}")


def _festival(voice: str) -> tuple[str, ...]:
    slow = "(Parameter.set 'Duration_Stretch {slowness})"
    choose = f"(begin (voice_{voice}) {slow})"
    return ("text2wave", "-eval", choose, "-o", "{file}", "{text_file}")


def _rhvoice(voice: str) -> tuple[str, ...]:
    changed = ("-r", "{rate}", "-t", "{pitch}")
    return ("RHVoice-test", "-p", voice, *changed, "-i", "{text_file}", "-o", "{file}")


def _pico(language: str) -> tuple[str, ...]:
    said = "<speed level='{rate}'><pitch level='{pitch}'>{text}</pitch></speed>"
    return ("pico2wave", "-l", language, "-w", "{file}", said)


VOICES = {
    "flite kal16": EngineVoice(_flite("kal16")),
    "flite rms": EngineVoice(_flite("rms")),
    "festival ked": EngineVoice(_festival("ked_diphone"), share=0.3),
    "rhvoice bdl": EngineVoice(_rhvoice("bdl")),
    "rhvoice clb": EngineVoice(_rhvoice("clb")),
    "pico en-US": EngineVoice(_pico("en-US"), share=1.5),
    "pico en-GB": EngineVoice(_pico("en-GB"), share=1.5),
}
"""Voices that are trained on.

RHVoice's ``slt`` and ``alan`` are the speakers of held-out voices; its ``lyubov`` and
``evgeniy-eng`` may not be built on (CC BY-NC-ND).
"""

HELDOUT_VOICES = {
    "flite awb": EngineVoice(_flite("awb")),
    "festival slt hts": EngineVoice(_festival("cmu_us_slt_arctic_hts")),
}
"""Voices that are never trained on, as espeak's accent `speech.HELDOUT_ACCENT` is."""


def installed(voices: Mapping[str, EngineVoice]) -> dict[str, EngineVoice]:
    """Those that speak on this machine."""
    return {name: voice for name, voice in voices.items() if voice.is_installed()}


def speak_with_engine(text: str, rng: random.Random) -> Utterance:
    """Speaks ``text`` with a random one of `VOICES`, as far as installed, without labels."""
    voices = list(installed(VOICES).values())
    voice = rng.choices(voices, [voice.share for voice in voices])[0]
    samples = voice.speak(text, rng.uniform(*RATES), rng.uniform(*PITCHES))
    # Shorter in time is higher: the rate was chosen at random anyway.
    samples = resample_poly(samples, 100, round(100 * rng.uniform(*SHIFTS))).astype(np.float32)
    starts = guess_word_starts(text, len(samples))
    return Utterance(text, samples, np.zeros(0, np.int16), starts)
