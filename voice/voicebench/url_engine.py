"""Any OpenAI-compatible server: chat completions with `input_audio`, streamed."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import soundfile

from voice.audio_file import SAMPLE_RATE_HZ
from voice.reply import END_OF_THOUGHT
from voice.voicebench.engine import EngineUnusable, Failure, Outcome, Question, Reply
from voice.voicebench.extras import request_errors, require
from voice.voicebench.retries import attempts
from voice.voicebench.settings import RunSettings
from voice.voicebench.threads import in_threads

_UNUSABLE = (401, 403, 404)
_BUSY = (408, 409, 429)
_NO_END = ("", "error", "abort")
"""Reasons to finish of an answer that did not: none at all, and what servers call a failure."""


class _BrokenOff(Exception):
    """A stream ended before the answer did."""


class UrlEngine:
    """Asks a server.

    Args:
        url: of the API, such as http://127.0.0.1:8000/v1.
        served_name: what the server calls the model.
        settings: of the run.
        api_key: sent along; any text for servers that want none.
        extra_body: merged into each request.
        retries: how often a request is sent again that met a busy server or no answer at all, or
            whose answer broke off.
        timeout_s: for one request.
        clock: seconds.
        sleep: waits that many seconds before asking again for an answer that broke off.
    """

    def __init__(
        self,
        url: str,
        served_name: str,
        settings: RunSettings,
        *,
        api_key: str = "none",
        extra_body: Mapping[str, Any] | None = None,
        retries: int = 5,
        timeout_s: float = 600.0,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._openai = require("openai", "asking a server")
        self._errors = request_errors()
        self._breaks: tuple[type[Exception], ...] = (_BrokenOff, *self._errors)
        self._client = self._openai.OpenAI(
            base_url=url, api_key=api_key, max_retries=retries, timeout=timeout_s
        )
        self._url, self._served_name, self._settings = url, served_name, settings
        self._extra_body = dict(extra_body or {})
        self._retries = retries
        self._clock, self._sleep = clock, sleep

    def identity(self) -> dict[str, Any]:
        """Address, name and extra body."""
        return {
            "engine": "url",
            "url": self._url,
            "served_name": self._served_name,
            "extra_body": self._extra_body,
        }

    def answer(self, questions: Iterable[Question], concurrency: int) -> Iterator[Outcome]:
        """See `Engine`."""
        yield from in_threads(self._ask, questions, concurrency)

    def _ask(self, question: Question) -> Reply | Failure:
        openai, reason = self._openai, ""
        for _ in attempts(self._retries, sleep=self._sleep):
            start = self._clock()
            try:
                stream = self._client.chat.completions.create(**self._body(question))
            except openai.APIStatusError as error:
                if error.status_code in _UNUSABLE:
                    raise EngineUnusable(
                        f"{self._url} refuses to answer as {self._served_name} ({error}): check "
                        "the address, --served-name and the key"
                    ) from error
                permanent = error.status_code < 500 and error.status_code not in _BUSY
                return Failure(str(error), permanent)
            except self._errors as error:
                return Failure(f"{type(error).__name__}: {error}", permanent=False)
            try:
                return self._read(stream, start)
            except self._breaks as error:
                reason = str(error) or type(error).__name__
        count = self._retries + 1
        return Failure(f"the answer broke off {count} times, at last: {reason}", permanent=False)

    def _read(self, stream: Iterable[Any], start: float) -> Reply:
        """The whole answer.

        Raises:
            _BrokenOff: it ends before its end; of that, nothing may be scored.
        """
        first_token = first_content = None
        reasoning, content, finish, usage = "", "", "", None
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                delta = choice.delta
                thought = getattr(delta, "reasoning", None) or getattr(
                    delta, "reasoning_content", None
                )
                reasoning += thought or ""
                content += delta.content or ""
                if (thought or delta.content) and first_token is None:
                    first_token = self._clock() - start
                if delta.content and first_content is None:
                    first_content = self._clock() - start
                finish = choice.finish_reason or finish
        if finish in _NO_END:
            raise _BrokenOff(f"the stream ended with finish_reason {finish or None!r}")
        inline, tag, said = content.rpartition(END_OF_THOUGHT)
        return Reply(
            text=said.strip(),
            reasoning=(reasoning + inline.replace("<think>", "")).strip(),
            first_token_s=first_token,
            ttft_s=first_content if not tag else None,
            latency_s=self._clock() - start,
            prompt_tokens=usage.prompt_tokens if usage else None,
            output_tokens=usage.completion_tokens if usage else None,
            finish=finish,
        )

    def _body(self, question: Question) -> dict[str, Any]:
        settings = self._settings
        content: Any = question.text
        if question.samples is not None:
            sound = base64.b64encode(_wav(question.samples)).decode()
            audio = {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}
            text = [{"type": "text", "text": question.text}] if question.text else []
            content = [audio, *text]
        messages = [{"role": "user", "content": content}]
        if question.system:
            messages.insert(0, {"role": "system", "content": question.system})
        extra: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": settings.thinking}}
        if settings.top_k:
            extra["top_k"] = settings.top_k
        return {
            "model": self._served_name,
            "messages": messages,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_new_tokens,
            "seed": question.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": extra | self._extra_body,
        }


def _wav(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
