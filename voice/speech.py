"""A session's voice on the speech thread: sentences in, sound at the playback's rate out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np

from voice.memory import Work
from voice.playback import SAMPLE_RATE_HZ
from voice.tts.synthesizer import Synthesizer, VoiceSettings


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and where its sound is, in samples at `SAMPLE_RATE_HZ` from the sentence's start."""

    start_sample: int
    end_sample: int
    end: int
    """One past its last character in the sentence."""

    def was_heard(self, position: int) -> bool:
        """Whether at least half of it is before the sample `position`."""
        return 2 * position >= self.start_sample + self.end_sample


class Resampler:
    """Brings the sound of one sentence to `SAMPLE_RATE_HZ`; libswresample's, through PyAV."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """The next float32 [samples]; what comes out of them so far."""
        if self._rate_hz == SAMPLE_RATE_HZ or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono"
        )
        frame.sample_rate = self._rate_hz
        return self._join(self._resampler.resample(frame))

    def flush(self) -> np.ndarray:
        """What is left at the end of the sentence."""
        if self._rate_hz == SAMPLE_RATE_HZ:
            return np.zeros(0, np.float32)
        return self._join(self._resampler.resample(None))

    def scale(self, sample: int) -> int:
        """Where a sample of the input is in the output."""
        return sample * SAMPLE_RATE_HZ // self._rate_hz

    @staticmethod
    def _join(frames: list[av.AudioFrame]) -> np.ndarray:
        pieces = [frame.to_ndarray()[0] for frame in frames]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


OnSound = Callable[[np.ndarray, list[SpokenWord]], None]


class Speaker:
    """Speaks for one session; the engine starts with the first sentence.

    Args:
        open_voice: makes the synthesiser.
    """

    def __init__(self, open_voice: Callable[[VoiceSettings], Synthesizer]) -> None:
        self._open_voice = open_voice
        self._voice: Synthesizer | None = None
        self._is_closed = False

    def speak(
        self,
        text: str,
        settings: VoiceSettings,
        cancelled: threading.Event,
        on_sound: OnSound,
        on_end: Callable[[], None],
    ) -> Work[None]:
        """Speaks a sentence, a block with each step.

        Args:
            text: the sentence.
            settings: how.
            cancelled: ends it within a block; `on_end` is not called then.
            on_sound: called with each stretch of sound, and the words that begin in it.
            on_end: called after the last.

        Raises:
            SynthesisError: the engine cannot speak.
        """
        if cancelled.is_set():
            return
        if self._voice is None:
            self._voice = self._open_voice(settings)
            if self._is_closed:  # meanwhile, by the event loop
                self._voice.close()
                return
        resampler = Resampler(self._voice.sample_rate)
        for block in self._voice.speak(text, settings=settings, cancelled=cancelled):
            words = [
                SpokenWord(resampler.scale(w.start_sample), resampler.scale(w.end_sample), w.end)
                for w in block.words
            ]
            on_sound(resampler.feed(block.samples), words)
            yield
        if not cancelled.is_set():
            on_sound(resampler.flush(), [])
            on_end()

    def close(self) -> None:
        """Ends the engine; a sentence under way ends with an error. Any thread may call it."""
        self._is_closed = True
        if self._voice is not None:
            self._voice.close()
