"""Voices that are never trained on, for evaluation."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np

from voice.training.engines import HELDOUT_VOICES
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


def engine_speakers(voice: str) -> Iterator[tuple[str, Speak]]:
    """One of ``HELDOUT_VOICES``, over and over."""
    while True:
        yield voice, HELDOUT_VOICES[voice].speak
