"""Our own engine in process: any number of sessions decode in one batch.

A question is heard whole, or streamed in frames of 20 ms the way live audio comes. Both end in the
exact encoding of the clip, so they differ by rounding; a run of each shows by how much in points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Any

from torch.nn import Module

from omni_core.cache import ContextFull, DecoderState
from omni_core.sampling import Sampler, SamplingConfig
from omni_core.weights import checkpoint_directory
from voice.ask import FRAME_SAMPLES
from voice.assistant import Assistant
from voice.conversation import Conversation
from voice.loading import BUILTIN
from voice.reply import END_OF_THOUGHT, ReasoningSplitter, TokenText
from voice.voicebench.engine import Failure, Outcome, Question, Reply
from voice.voicebench.settings import RunSettings

_HASHED_BYTES = 64 << 20
"""Larger files count with their size and name only."""


class LocalEngine:
    """Answers with a loaded checkpoint.

    Args:
        assistant: the checkpoint.
        settings: of the run.
        directory: where the checkpoint was read from, for its identity.
        clock: seconds.
    """

    def __init__(
        self,
        assistant: Assistant,
        settings: RunSettings,
        directory: Path | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._assistant = assistant
        self._settings = settings
        self._directory = directory
        self._clock = clock

    def identity(self) -> dict[str, Any]:
        """The checkpoint's files, device and dtype."""
        return {
            "engine": "in process",
            **checkpoint_identity(self._assistant.model, self._directory),
        }

    def answer(self, questions: Iterable[Question], concurrency: int) -> Iterator[Outcome]:
        """See `Engine`. Questions are taken in one by one, and decoded together."""
        waiting = iter(questions)
        active: list[_Session] = []
        while True:
            while len(active) < concurrency and (question := next(waiting, None)) is not None:
                try:
                    active.append(self._open(question))
                except ContextFull as error:
                    yield question, Failure(f"the question does not fit: {error}", permanent=True)
            if not active:
                return
            running = [session for session in active if session.choose()]
            for session in active:
                if session not in running:
                    yield session.question, session.reply()
            active = running
            if active:
                states = [session.state for session in active]
                self._assistant.model.step(states, [session.token for session in active])

    def _open(self, question: Question) -> _Session:
        """A session that has taken in its question and is about to reply."""
        start = self._clock()
        if question.samples is not None and self._settings.hearing == "streamed":
            state, start = self._stream(question)
        else:
            state = self._take_in_whole(question)
        return _Session(question, state, self._assistant, self._settings, start, self._clock)

    def _take_in_whole(self, question: Question) -> DecoderState:
        content: Any = question.text
        if question.samples is not None:
            text = [{"type": "text", "text": question.text}] if question.text else []
            content = [{"type": "audio"}, *text]
        messages = [{"role": "user", "content": content}]
        if question.system:
            messages.insert(0, {"role": "system", "content": question.system})
        pieces = self._assistant.prompt.pieces(messages, thinking=self._settings.thinking)
        audios = [] if question.samples is None else [question.samples]
        state = self._assistant.model.new_state()
        embeddings = self._assistant.embed_prompt(pieces, audios=audios)
        self._assistant.model.prefill(state, embeddings=embeddings)
        return state

    def _stream(self, question: Question) -> tuple[DecoderState, float]:
        """Also tells when the question was over: nobody waits before that."""
        assert question.samples is not None
        conversation = Conversation(self._assistant, system=question.system)
        for first in range(0, len(question.samples), FRAME_SAMPLES):
            conversation.listen(question.samples[first : first + FRAME_SAMPLES])
        start = self._clock()
        conversation.end_speech()
        prompt = self._assistant.prompt
        text = prompt.turn_closing(question.text) + prompt.reply_opening(self._settings.thinking)
        self._assistant.model.prefill(conversation.state, tokens=prompt.encode(text))
        return conversation.state, start


class _Session:
    """One reply that is being decoded."""

    def __init__(
        self,
        question: Question,
        state: DecoderState,
        assistant: Assistant,
        settings: RunSettings,
        start: float,
        clock: Callable[[], float],
    ) -> None:
        self.question, self.state, self.token = question, state, -1
        self._clock, self._start = clock, start
        self._first_token: float | None = None
        self._first_content: float | None = None
        self._prompt_tokens = len(state)
        self._count = 0
        self._limit = settings.max_new_tokens
        self._budget = settings.reasoning_budget if settings.thinking else 0
        self._stops = frozenset(assistant.stop_token_ids)
        self._finish = ""
        config = SamplingConfig(
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            forbidden=assistant.prompt.media_token_ids,
            stop=assistant.stop_token_ids,
            min_new_tokens=assistant.min_reply_tokens,
            seed=question.seed,
        )
        self._sampler = Sampler(config, assistant.model.config.vocab_size, assistant.model.device)
        self._text = TokenText(assistant.tokenizer)
        self._splitter = ReasoningSplitter(settings.thinking)
        self._closing = assistant.prompt.encode(END_OF_THOUGHT)
        self._forced: list[int] = []
        self._thinks = settings.thinking
        self._reasoning: list[str] = []
        self._content: list[str] = []

    def choose(self) -> bool:
        """Chooses the next token; whether the model has to take it in for one more."""
        assert self.state.logits is not None
        if self._thinks and self._budget and self._count == self._budget:
            self._forced = list(self._closing)
        token = (
            self._forced.pop(0) if self._forced else int(self._sampler.choose(self.state.logits))
        )
        self._first_token = self._first_token or self._clock() - self._start
        if token in self._stops:
            self._finish = "stop"
            return False
        self.token = token
        self._count += 1
        self._take(*self._splitter.feed(self._text.feed(token)))
        if self._count == self._limit:
            self._finish = "length"
            return False
        try:
            self.state.require_room(1)
        except ContextFull:
            self._finish = "context"
            return False
        return True

    def reply(self) -> Reply:
        """The whole of it."""
        for part in (self._splitter.feed(self._text.flush()), self._splitter.flush()):
            self._take(*part)
        return Reply(
            text="".join(self._content).strip(),
            reasoning="".join(self._reasoning).strip(),
            first_token_s=self._first_token,
            ttft_s=self._first_content,
            latency_s=self._clock() - self._start,
            prompt_tokens=self._prompt_tokens,
            output_tokens=self._count,
            finish=self._finish,
        )

    def _take(self, reasoning: str, content: str) -> None:
        self._reasoning.append(reasoning)
        self._content.append(content)
        if content:
            self._thinks = False
            self._first_content = self._first_content or self._clock() - self._start


def directory_of(model: str) -> Path:
    """Where the checkpoint is that `voice.load` reads under a name."""
    if model == BUILTIN:
        return Path(str(files("voice").joinpath("builtin")))
    return checkpoint_directory(model)


def checkpoint_identity(model: Module, directory: Path | None) -> dict[str, Any]:
    """A checkpoint's files, device and dtype, as a manifest has them."""
    weight = next(model.parameters())
    return {
        "checkpoint": _digest(directory) if directory else "",
        "device": weight.device.type,
        "dtype": str(weight.dtype).removeprefix("torch."),
    }


def _digest(directory: Path) -> str:
    """Of a checkpoint's files: content of the small ones, names and sizes of the large."""
    digest = hashlib.sha256()
    for file in sorted(each for each in directory.iterdir() if each.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        if size <= _HASHED_BYTES:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
