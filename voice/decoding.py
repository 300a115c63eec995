"""From a memory to the text of a reply, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from omni_core.cache import ContextFull
from voice.assistant import Assistant
from voice.memory import Mark, Memory
from voice.reply import END_OF_THOUGHT, ReasoningSplitter, ReplyText, TokenText

_CLOSING = f"\n{END_OF_THOUGHT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings:
    """How replies are made.

    Attributes:
        thinking: whether the model reasons before it answers; reasoning is never spoken.
        thinking_budget: the most tokens of reasoning, after which it has to answer; None: no limit
            but that of the whole reply.
        max_new_tokens: the most tokens of one reply, reasoning included.
        temperature, top_p, repetition_penalty, seed: see ``OmniDecoder.generate``.
    """

    thinking: bool = False
    thinking_budget: int | None = None
    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={self.max_new_tokens} must be at least 1")
        if self.thinking_budget is not None and self.thinking_budget < 0:
            raise ValueError(f"thinking_budget={self.thinking_budget} must not be negative")


class Reply:
    """One reply of the model while it is decoded, on a memory of its own.

    Attributes:
        memory: holds the history, and the reply as far as it came.
        start: the end of what is answered: to go back to when not all of the reply was heard.
        base: the memory that the reply was forked from, to go back to when it is void; None once
            there is no way back.
        is_plain: whether the history can keep its tokens as they are: it began neither with
            reasoning nor with instructions of its own.
        content: what it says so far, calls included.
        tokens: generated so far.
        reasoning_tokens: how many of them are reasoning.
        audio_positions: embeddings in the history that it answers.
        cached_positions: of that history, what had been taken in before its last item.
        is_finished: whether the model has ended it; false after a limit.

    Args:
        may_be_empty: whether it may end at once though that means, with this checkpoint, that the
            turn it answers is not over (`Assistant.min_reply_tokens`).
    """

    def __init__(
        self,
        assistant: Assistant,
        memory: Memory,
        settings: ReplySettings,
        base: Memory | None = None,
        preface: str = "",
        script: str = "",
        may_be_empty: bool = False,
    ) -> None:
        memory.settle()
        self.memory, self.base = memory, base
        self.start: Mark = memory.mark()
        self.is_plain = not settings.thinking and not preface
        self.content = ""
        self.tokens: list[int] = []
        self.reasoning_tokens = self.audio_positions = self.cached_positions = 0
        self.is_finished = False
        self._assistant, self._settings, self._script = assistant, settings, script
        self._min_tokens = 0 if may_be_empty else assistant.min_reply_tokens
        memory.tell(preface + assistant.prompt.reply_opening(settings.thinking))
        memory.settle()

    def decode(self) -> Iterator[ReplyText]:
        """Decodes a token with each step; steps that complete no text yield empty ones.

        The reply never outgrows the context: it ends, unfinished, where that is full.
        """
        settings, prompt = self._settings, self._assistant.prompt
        text = TokenText(self._assistant.tokenizer)
        splitter = ReasoningSplitter(settings.thinking)
        state = self.memory.state
        if self._script:
            self.tokens += prompt.encode(self._script)
            self._assistant.model.prefill(state, tokens=self.tokens)
            self.is_finished = True
            yield self._said(ReplyText("", self._script))
            return
        with suppress(ContextFull):
            for token in self._generate():
                self.tokens.append(token)
                part = splitter.feed(text.feed(token))
                if splitter.reasons:
                    self.reasoning_tokens += 1
                yield self._said(part)
                if splitter.reasons and self.reasoning_tokens == settings.thinking_budget:
                    forced = prompt.encode(_CLOSING)
                    self._assistant.model.prefill(state, tokens=forced)
                    yield self._said(splitter.feed(text.flush() + _CLOSING))
        for part in (splitter.feed(text.flush()), splitter.flush()):
            yield self._said(part)

    def _generate(self) -> Iterator[int]:
        settings = self._settings
        stop = yield from self._assistant.model.generate(
            self.memory.state,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
            seed=settings.seed,
            stop=self._assistant.stop_token_ids,
            min_new_tokens=self._min_tokens,
            forbidden=self._assistant.prompt.media_token_ids,
        )
        self.is_finished = stop is not None

    def _said(self, part: ReplyText) -> ReplyText:
        self.content += part.content
        return part
