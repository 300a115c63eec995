"""A session's voice on the speech thread: sentences in, sound at the playback's rate out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from voice.memory import Work
from voice.playback import SAMPLE_RATE_HZ
from voice.resampling import Resampler
from voice.tts.synthesizer import (
    SpeechBlock,
    SynthesisError,
    Synthesizer,
    VoiceSettings,
    WordTiming,
)


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


SILENT = 1e-3
"""Below this, samples are not heard."""
LONGEST_LEAD_S = 0.1
"""Of silence that is left out before a reply; whoever begins later means it."""

OnSound = Callable[[np.ndarray, list[SpokenWord]], None]


class Speaker:
    """Speaks for one session; the engine starts when it is prepared, or with the first sentence.

    Args:
        open_voice: makes the synthesiser.
    """

    def __init__(self, open_voice: Callable[[VoiceSettings], Synthesizer]) -> None:
        self._open_voice = open_voice
        self._voice: Synthesizer | None = None
        self._is_closed = False

    def prepare(self, settings: VoiceSettings) -> Work[None]:
        """Starts the engine before there is anything to say; where it cannot, `speak` tells."""
        with suppress(SynthesisError):
            self._open(settings)
        yield

    def speak(
        self,
        text: str,
        settings: VoiceSettings,
        cancelled: threading.Event,
        on_sound: OnSound,
        on_end: Callable[[], None],
        *,
        at_once: bool = False,
    ) -> Work[None]:
        """Speaks a sentence, a block with each step.

        Args:
            text: the sentence.
            settings: how.
            cancelled: ends it within a block; `on_end` is not called then.
            on_sound: called with each stretch of sound, and the words that begin in it.
            on_end: called after the last.
            at_once: leaves out the silence before the first sound (espeak-ng's "Paris" begins
                after 49 ms): somebody is waiting.

        Raises:
            SynthesisError: the engine cannot speak.
        """
        if cancelled.is_set():
            return
        voice = self._open(settings)
        if voice is None:
            return
        rate = voice.sample_rate
        resampler = Resampler(rate, SAMPLE_RATE_HZ)
        blocks = voice.speak(text, settings=settings, cancelled=cancelled)
        if at_once:
            blocks = _without_lead(blocks, round(LONGEST_LEAD_S * rate))
        for block in blocks:
            words = [
                SpokenWord(resampler.scale(w.start_sample), resampler.scale(w.end_sample), w.end)
                for w in block.words
            ]
            on_sound(resampler.feed(block.samples), words)
            yield
        if not cancelled.is_set():
            on_sound(resampler.flush(), [])
            on_end()

    def _open(self, settings: VoiceSettings) -> Synthesizer | None:
        if self._voice is None and not self._is_closed:
            self._voice = self._open_voice(settings)
            if self._is_closed:  # meanwhile, by the event loop
                self._voice.close()
        return None if self._is_closed else self._voice

    def close(self) -> None:
        """Ends the engine; a sentence under way ends with an error. Any thread may call it."""
        self._is_closed = True
        if self._voice is not None:
            self._voice.close()


def _without_lead(blocks: Iterator[SpeechBlock], longest: int) -> Iterator[SpeechBlock]:
    """Speech from its first audible sample on, or after `longest` samples of silence."""
    lead = 0
    waiting: list[WordTiming] = []
    for block in blocks:
        rest = block.samples[: longest - lead]
        (audible,) = np.nonzero(np.abs(rest) >= SILENT)
        lead += int(audible[0]) if len(audible) else len(rest)
        waiting += block.words
        if len(audible) or lead == longest:
            break
    else:
        return
    first = max(block.start_sample, lead)
    yield replace(
        block,
        samples=block.samples[first - block.start_sample :],
        start_sample=first - lead,
        words=tuple(_earlier(word, lead) for word in waiting),
    )
    for block in blocks:
        yield replace(
            block,
            start_sample=block.start_sample - lead,
            words=tuple(_earlier(word, lead) for word in block.words),
        )


def _earlier(word: WordTiming, samples: int) -> WordTiming:
    return replace(
        word,
        start_sample=max(0, word.start_sample - samples),
        end_sample=max(0, word.end_sample - samples),
    )
