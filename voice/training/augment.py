"""What happens to speech between mouth and model: rooms, microphones, noise, gain, codecs."""

from __future__ import annotations

import random
from collections import deque

import av
import numpy as np
from scipy.signal import resample_poly

SAMPLE_RATE_HZ = 16_000
CLEAN_SHARE = 0.4
"""Of the recordings: they are but louder or softer."""

SWALLOWED_SHARE = 0.15
"""Of the recordings that are not clean: their first moments are nearly gone."""


def in_noise(samples: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """Speech in pink noise, float32; the signal-to-noise ratio is that of the whole clip."""
    white = np.random.default_rng(seed).standard_normal(len(samples))
    bins = np.maximum(np.arange(len(samples) // 2 + 1), 1)
    noise = np.fft.irfft(np.fft.rfft(white) / np.sqrt(bins), len(samples))
    scale = np.sqrt(np.mean(samples**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return np.clip(samples + scale * noise, -1, 1).astype(np.float32)


OPUS_RATES = (6_000, 8_000, 12_000, 16_000, 24_000)
"""Bits a second; browsers send speech at 24,000 or more, and less when the network is poor."""
_OPUS_FRAME = 320
_OPUS_DELAY = 104  # samples at 16 kHz that the codec adds: 312 at its own 48 kHz


def through_opus(samples: np.ndarray, bit_rate: int) -> np.ndarray:
    """What is left of 16 kHz speech after WebRTC's codec (RFC 6716), float32 of the same length."""
    encoder = av.AudioCodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE_HZ, "s16", "mono"
    encoder.bit_rate = bit_rate
    encoder.options = {"application": "voip", "compression_level": "2"}
    decoder = av.AudioCodecContext.create("opus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    missing = -len(samples) % _OPUS_FRAME + _OPUS_FRAME  # the delay pushes the end out
    pcm = (np.pad(samples, (0, missing)).clip(-1, 1) * 32767).astype(np.int16)
    decoded = []
    for start in range(0, len(pcm), _OPUS_FRAME):
        frame = av.AudioFrame.from_ndarray(pcm[None, start : start + _OPUS_FRAME], "s16", "mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        for packet in encoder.encode(frame):
            decoded += [each.to_ndarray()[0] for each in decoder.decode(packet)]
    heard = resample_poly(np.concatenate(decoded), 1, 3)
    return heard[_OPUS_DELAY:][: len(samples)].astype(np.float32)


class Augmenter:
    """Makes clean speech sound recorded; every choice comes from the generator it is given.

    All linear effects (room, band limit, spectral tilt) are one multiplication of the spectrum.
    Babble is mixed from the utterances that passed through before.
    """

    def __init__(self, rng: random.Random, strength: float = 1.0) -> None:
        """``strength`` 0 leaves the speech clean; up to 1, recordings vary from clean to poor."""
        self._rng = rng
        self._numpy = np.random.default_rng(rng.getrandbits(32))
        self._strength = strength
        self._voices: deque[np.ndarray] = deque(maxlen=24)

    def __call__(self, samples: np.ndarray) -> tuple[np.ndarray, int]:
        """The recorded version, float32 in [-1, 1], and the samples put before the speech."""
        rng = self._rng
        strength = self._strength * rng.uniform(0.1, 1.0)
        if strength and rng.random() < CLEAN_SHARE:
            strength = 0.0
        lead_s = rng.choice((0.0, rng.uniform(0, 0.35), rng.uniform(0.2, 0.8)))
        lead = int(lead_s * SAMPLE_RATE_HZ)
        trail = int(
            rng.choice((0.0, rng.uniform(0.05, 0.3), rng.uniform(0.2, 0.8))) * SAMPLE_RATE_HZ
        )
        padded = np.pad(samples, (lead, trail)).astype(np.float32)
        if rng.random() < 0.65 * strength:
            padded = self._filter(padded)
        level = 10 ** (rng.uniform(-32, -12) / 20)
        speech_level = np.sqrt(np.mean(samples**2)) + 1e-6
        padded = padded * (level / speech_level)
        if rng.random() < 0.8 * strength:
            padded = padded + self._noise(len(padded), level)
        if len(samples) > SAMPLE_RATE_HZ // 2:
            self._voices.append(samples / speech_level)
        if rng.random() < 0.05 * strength:  # an overdriven microphone
            limit = np.abs(padded).max() * rng.uniform(0.2, 0.6)
            padded = np.clip(padded, -limit, limit)
        # Nothing is drawn for clean speech: questions of an evaluation stay what they were.
        if strength:
            if rng.random() < SWALLOWED_SHARE:
                padded = self._swallow(padded, lead)
            if rng.random() < 0.2 * strength:
                padded = through_opus(padded, rng.choice(OPUS_RATES))
        return np.clip(padded, -1, 1).astype(np.float32), lead

    def _filter(self, samples: np.ndarray) -> np.ndarray:
        rng = self._rng
        size = len(samples) + SAMPLE_RATE_HZ // 2
        spectrum = np.fft.rfft(samples, size)
        hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
        if rng.random() < 0.5:
            spectrum *= np.fft.rfft(self._room(), size)
        if rng.random() < 0.6:  # a microphone's response: a tilt and two broad bumps, in dB
            octaves = np.log2(np.maximum(hz, 60) / 1000)
            gain_db = rng.uniform(-4, 4) * octaves / 2
            for _ in range(2):
                centre, width = rng.uniform(-3, 3), rng.uniform(0.4, 1.5)
                gain_db = gain_db + rng.uniform(-7, 7) * np.exp(
                    -(((octaves - centre) / width) ** 2)
                )
            spectrum *= 10 ** (gain_db / 20)
        if rng.random() < 0.2:  # a telephone or a poor codec
            low, high = rng.uniform(50, 350), rng.uniform(3300, 6500)
            spectrum *= 1 / (1 + (low / np.maximum(hz, 1)) ** 6) / (1 + (hz / high) ** 12)
        return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)

    def _swallow(self, samples: np.ndarray, start: int) -> np.ndarray:
        """An interruption whose beginning an echo canceller takes for echo."""
        rng = self._rng
        length = int(rng.uniform(0.06, 0.4) * SAMPLE_RATE_HZ)
        places = np.arange(0, length, SAMPLE_RATE_HZ // 25)
        gain_db = -rng.uniform(10, 35) + self._numpy.uniform(-8, 4, len(places))
        gain_db = np.append(gain_db, 0.0)  # it comes back over the last 40 ms
        at = np.arange(len(samples)) - start
        gain_db = np.interp(at, np.append(places, length), gain_db, left=0.0, right=0.0)
        return (samples * 10 ** (gain_db / 20)).astype(np.float32)

    def _room(self) -> np.ndarray:
        """A room's impulse response: the direct sound, then noise that decays over 0.1 to 0.6 s."""
        seconds = self._rng.uniform(0.08, 0.6)
        length = int(min(seconds, 0.45) * SAMPLE_RATE_HZ)
        decay = np.exp(-6.9 * np.arange(length) / (seconds * SAMPLE_RATE_HZ))
        tail = self._numpy.standard_normal(length) * decay
        tail[: int(self._rng.uniform(0.001, 0.012) * SAMPLE_RATE_HZ)] = 0
        tail *= self._rng.uniform(0.1, 0.9) / (np.sqrt(np.sum(tail**2)) + 1e-6)
        tail[0] = 1.0
        return tail

    def _noise(self, count: int, speech_level: float) -> np.ndarray:
        rng = self._rng
        if self._voices and rng.random() < 0.2:
            noise: np.ndarray = np.zeros(count, np.float32)
            for _ in range(rng.randint(2, 5)):
                noise += np.roll(np.resize(rng.choice(self._voices), count), rng.randrange(count))
            snr_db = rng.uniform(6, 30)
        elif rng.random() < 0.12:
            noise = self._music(count)
            snr_db = rng.uniform(6, 30)
        else:
            spectrum = np.fft.rfft(self._numpy.standard_normal(count))
            hz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ), 40)
            spectrum *= hz ** -rng.choice((0.0, 0.5, 0.5, 1.0, 1.5))
            if rng.random() < 0.25:  # mains hum and a fan
                for harmonic in range(1, 6):
                    index = int(rng.choice((50, 60)) * harmonic * count / SAMPLE_RATE_HZ)
                    spectrum[min(index, len(spectrum) - 1)] *= rng.uniform(3, 30)
            noise = np.fft.irfft(spectrum, count)
            if rng.random() < 0.3:  # it comes and goes
                times = np.arange(count) / SAMPLE_RATE_HZ
                noise = noise * (1 + 0.9 * np.sin(times * rng.uniform(1, 12) + rng.uniform(0, 6)))
            snr_db = rng.choice((rng.uniform(3, 20), rng.uniform(15, 45)))
        noise = noise / (np.sqrt(np.mean(noise**2)) + 1e-9)
        return (noise * speech_level * 10 ** (-snr_db / 20)).astype(np.float32)

    def _music(self, count: int) -> np.ndarray:
        """Chords of plucked or held notes, in equal temperament, one after the other."""
        rng = self._rng
        music = np.zeros(count)
        root, beat = rng.uniform(80, 300), int(rng.uniform(0.2, 0.9) * SAMPLE_RATE_HZ)
        decay_s, brightness = rng.choice((0.2, 0.6, 3.0)), rng.uniform(0.4, 0.8)
        for start in range(0, count, beat):
            times = np.arange(min(2 * beat, count - start)) / SAMPLE_RATE_HZ
            envelope = np.minimum(times / 0.01, 1) * np.exp(-times / decay_s)
            for semitones in rng.sample((0, 2, 3, 4, 5, 7, 9, 11, 12), 3):
                note = root * 2 ** (semitones / 12)
                for harmonic in range(1, 6):
                    tone = np.sin(2 * np.pi * harmonic * note * times)
                    music[start : start + len(times)] += envelope * brightness**harmonic * tone
        return music
