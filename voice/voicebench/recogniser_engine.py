"""A Parakeet TDT recogniser, for the word error rate of speech recognition alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from streaming.captions import CaptionStream
from voice.ask import FRAME_SAMPLES
from voice.transcription import Recogniser
from voice.voicebench.engine import EngineUnusable, Outcome, Question, Reply
from voice.voicebench.local_engine import checkpoint_identity
from voice.voicebench.settings import RunSettings


class RecogniserEngine:
    """Writes down what clips say, each heard whole or in frames of 20 ms as live captions are.

    Args:
        recogniser: the checkpoint.
        settings: of the run; only how clips are heard matters.
        directory: where the checkpoint was read from.
        clock: seconds.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        settings: RunSettings,
        directory: Path,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._recogniser, self._settings = recogniser, settings
        self._directory, self._clock = directory, clock

    def identity(self) -> dict[str, Any]:
        """The checkpoint's files, device and dtype."""
        return {
            "engine": "recogniser",
            **checkpoint_identity(self._recogniser.model, self._directory),
        }

    def answer(self, questions: Iterable[Question], concurrency: int) -> Iterator[Outcome]:
        """See `Engine`. Clips are taken one by one, however many might be.

        Raises:
            EngineUnusable: a question wants another answer than what it says.
        """
        for question in questions:
            if question.samples is None or not question.transcribes:
                raise EngineUnusable(
                    f"{self._directory} is a recogniser, which answers no questions: --subset asr"
                )
            yield question, self._transcribe(question.samples)

    def _transcribe(self, samples: np.ndarray) -> Reply:
        if self._settings.hearing == "streamed":
            stream = CaptionStream(self._recogniser.model)
            for first in range(0, len(samples), FRAME_SAMPLES):
                stream.feed(samples[first : first + FRAME_SAMPLES])
            start = self._clock()
            tokens = stream.flush()
        else:
            start = self._clock()
            tokens = self._recogniser.model.transcribe(samples)
        text = self._recogniser.transcript(tokens).text
        seconds = self._clock() - start
        return Reply(
            text=text,
            first_token_s=seconds,  # all words come at once
            ttft_s=seconds,
            latency_s=seconds,
            prompt_tokens=None,
            output_tokens=len(tokens),
            finish="stop",
        )
