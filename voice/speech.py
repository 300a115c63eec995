"""A session's voice on the speech thread: sentences in, sound at the playback's rate out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voice.memory import Work
from voice.playback import SAMPLE_RATE_HZ
from voice.resampling import Resampler
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
        resampler = Resampler(self._voice.sample_rate, SAMPLE_RATE_HZ)
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
