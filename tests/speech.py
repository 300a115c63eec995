"""Synthesised speech whose word starts are known, and noise of a known level."""

import io
from dataclasses import dataclass, field

import numpy as np

from voice.audio_file import SAMPLE_RATE_HZ, read_audio, write_wav
from voice.tts.synthesizer import Synthesizer, VoiceSettings

SPEECH_LEVEL = 10 ** (-26 / 20)
"""RMS of speech, of full scale."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An utterance between two silences.

    Attributes:
        samples: float32 mono 16 kHz [samples].
        word_starts: the sample at which each word begins.
        end: one past the last sample of speech.
    """

    samples: np.ndarray = field(repr=False)
    word_starts: tuple[int, ...]
    end: int


def speak(
    text: str,
    synthesizer: Synthesizer,
    *,
    voice: str = "",
    before_s: float = 1.0,
    after_s: float = 1.0,
) -> Recording:
    """`text` at −26 dB, between digital silences."""
    blocks = list(synthesizer.speak(text, settings=VoiceSettings(voice=voice)))
    file = io.BytesIO()
    write_wav(file, np.concatenate([block.samples for block in blocks]), synthesizer.sample_rate)
    speech = read_audio(file.getvalue()).samples
    # The engine's own silence at either end is not speech.
    loud = np.flatnonzero(np.abs(speech) > 0.02 * np.abs(speech).max())
    scale = SAMPLE_RATE_HZ / synthesizer.sample_rate
    words = [round(word.start_sample * scale) for block in blocks for word in block.words]
    before, after = round(before_s * SAMPLE_RATE_HZ), round(after_s * SAMPLE_RATE_HZ)
    speech = speech * (SPEECH_LEVEL / np.sqrt(np.mean(speech**2)))
    return Recording(
        samples=np.pad(speech, (before, after)).astype(np.float32),
        word_starts=tuple(before + max(word, int(loud[0])) for word in words),
        end=before + int(loud[-1]) + 1,
    )


def pink_noise(count: int, *, snr_db: float, seed: int) -> np.ndarray:
    """Noise of equal energy per octave from 40 Hz on, so far below `SPEECH_LEVEL`."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ), 40)
    noise = np.fft.irfft(spectrum / np.sqrt(hertz), count)
    noise *= SPEECH_LEVEL * 10 ** (-snr_db / 20) / np.sqrt(np.mean(noise**2))
    return noise.astype(np.float32)
