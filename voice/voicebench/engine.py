"""What answers the questions of a run: our own engine in process, a server, or anything else.

An engine is handed questions and yields outcomes, in any order, as they are done; it pulls the next
question when it has room for one. So batching, threads and connections are its own affair, and a
run needs to know nothing about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from voice.errors import VoiceError


class EngineUnusable(VoiceError):
    """The engine cannot answer anything: wrong address, no permission, no such model."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an engine is asked.

    Attributes:
        index: the row's place, by which the outcome is found again.
        samples: float32 mono 16 kHz [samples]; None for a question in text.
        text: the question in text, or what is typed along with the audio; may be empty.
        system: what the model is told before; may be empty.
        seed: of this question's draws.
        transcribes: whether what is said is wanted; ``text`` then asks a chat model for it.
    """

    index: int
    samples: np.ndarray | None = field(repr=False)
    text: str
    system: str
    seed: int
    transcribes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an engine answered.

    Attributes:
        text: what is said, without reasoning.
        reasoning: what was thought before.
        first_token_s: from the end of the question (whole clips: from its arrival) to the first
            token of any kind; None if there was none.
        ttft_s: the same to the first token of what is said.
        latency_s: the same to the end of the reply.
        prompt_tokens, output_tokens: as the engine counts them; None if it does not tell.
        finish: "stop", "length" or "context", or what a server calls it.
        first_audio_s: as ``ttft_s``, to the first sound of a spoken answer.
        endpoint_s: the same to where a server heard that the question was over.
        turns: for how many turns a server took the question.
    """

    text: str
    reasoning: str = ""
    first_token_s: float | None
    ttft_s: float | None
    latency_s: float
    prompt_tokens: int | None
    output_tokens: int | None
    finish: str
    first_audio_s: float | None = None
    endpoint_s: float | None = None
    turns: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that got no answer.

    Attributes:
        message: why.
        permanent: asking again would fail again; else a later run asks again.
    """

    message: str
    permanent: bool


Outcome = tuple[Question, Reply | Failure]


class Engine(Protocol):
    """Answers questions."""

    def identity(self) -> dict[str, Any]:
        """What answers, for the manifest; equal only if answers may be mixed."""

    def answer(self, questions: Iterable[Question], concurrency: int) -> Iterator[Outcome]:
        """Answers all questions, at most ``concurrency`` at a time.

        Raises:
            EngineUnusable: nothing can be answered.
        """
