"""What a recording of a call says: when the question ended, and when the answer began.

Both ends are found in the same way, by loudness alone, on one recording of both directions. So the
figure holds all that lies between the two: the microphone's frame, the codec, the network, the
endpoint, the model, the voice, and the listener's own buffer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from web.latency.card import RATE_HZ

AUDIBLE = 10 ** (-40 / 20)
"""-40 dBFS: what is quieter is not heard."""

STAGES = ("endpoint_ms", "first_token_ms", "first_audio_ms", "heard_ms")
"""Of the server's own clock, in their order; see `voice.session_events.LatencyMeasured`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to ask.

    Attributes:
        text: what it says.
        samples: float32 mono 16 kHz [samples].
        answers: words one of which a right answer names; letters are a word that is spelt.
    """

    text: str
    samples: np.ndarray = field(repr=False)
    answers: Sequence[str]

    def is_answered_by(self, reply: str) -> bool:
        """Whether the reply names a right answer, as words of their own, and spells no more."""
        said = f" {normalized(reply)} "
        return any(re.search(_named(normalized(each)), said) for each in self.answers)


def _named(answer: str) -> str:
    """A pattern that finds an answer among words with spaces around them."""
    is_spelt = all(len(word) == 1 for word in answer.split()) and " " in answer
    return rf"(?<! \w) {answer} (?!\w )" if is_spelt else f" {answer} "


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one question.

    Attributes:
        question: its text.
        reply: what was answered, by the transcript.
        is_right: whether that is a right answer.
        latency_ms: from the last audible sample of the question to the first of the answer, on the
            recording; None: no answer was heard.
        cut_in: whether the answer began before the question ended.
        stages: the server's own clock, by `STAGES`, ms after the last voiced sample.
    """

    question: str
    reply: str
    is_right: bool
    latency_ms: float | None
    cut_in: bool = False
    stages: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Many answers as figures; ms. None where there is nothing to measure."""

    asked: int
    heard: int
    right: int
    cut_in: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    stages: dict[str, tuple[float, float] | None]
    """Median and 95th percentile of each of `STAGES`."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def waited_ms(recording: np.ndarray, asked: int, length: int) -> float | None:
    """How long the answer to one question took.

    Args:
        recording: float32 [samples, 2], said and heard.
        asked: the sample at which the question begins.
        length: of the question, samples.

    Returns:
        From its last audible sample to the first audible one of the answer, ms; negative if the
        answer began first, None if nothing was heard before the end of the recording.

    Raises:
        ValueError: the question itself cannot be heard.
    """
    said = np.flatnonzero(np.abs(recording[asked : asked + length, 0]) > AUDIBLE)
    if not len(said):
        raise ValueError("a question is too quiet to be heard: record it at more than -40 dBFS")
    heard = np.flatnonzero(np.abs(recording[asked:, 1]) > AUDIBLE)
    if not len(heard):
        return None
    return float(heard[0] - said[-1]) * 1000 / RATE_HZ


def summarize(answers: Sequence[Answer]) -> Summary:
    """The figures of a run. Answers that cut in are counted, but wait for nothing."""
    waits = [a.latency_ms for a in answers if a.latency_ms is not None and not a.cut_in]

    def percentile(percent: float, values: Sequence[float]) -> float | None:
        return float(np.percentile(values, percent)) if values else None

    stages: dict[str, tuple[float, float] | None] = {}
    for name in STAGES:
        values = [ms for each in answers if (ms := each.stages.get(name)) is not None]
        stages[name] = (
            (float(np.percentile(values, 50)), float(np.percentile(values, 95))) if values else None
        )
    return Summary(
        asked=len(answers),
        heard=sum(each.latency_ms is not None for each in answers),
        right=sum(each.is_right for each in answers),
        cut_in=sum(each.cut_in for each in answers),
        p50_ms=percentile(50, waits),
        p95_ms=percentile(95, waits),
        p99_ms=percentile(99, waits),
        stages=stages,
    )


def normalized(text: str) -> str:
    """Lower case words and numbers with single spaces between them."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))
