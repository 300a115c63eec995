"""The live product path: each question is spoken into a Realtime session, over a WebSocket.

What answers is what users get: the server, its turn-taking, its model and its voice. A question has
a session of its own; what a session tells of it is `voice.voicebench.live_answer`'s affair.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, Literal

import aiohttp
import numpy as np

from voice.audio_file import SAMPLE_RATE_HZ
from voice.voicebench.engine import EngineUnusable, Failure, Outcome, Question, Reply
from voice.voicebench.live_answer import HEARD_ALL, NO_END, LiveAnswer, LiveFailure
from voice.voicebench.live_speech import Pace, Pacer, end_of_voice_s, wire_frames
from voice.voicebench.retries import attempts
from voice.voicebench.settings import RunSettings
from voice.voicebench.threads import in_threads

_UNUSABLE = (400, 401, 403, 404)
_SETTLED_S = 0.2
"""Silence after a clip by which a last word has begun a turn or never will."""
_LONGEST_SILENCE_S = 15.0
"""A session waits for up to 8 s on a turn that sounds unfinished."""
_MOST_OUTPUT_TOKENS = 4096
"""More cannot be asked for in the Realtime API."""
_EFFORTS = (("low", 256), ("medium", 1024), ("high", 4096))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """How questions are spoken.

    Attributes:
        turns: ``server``: the server hears when a question is over. ``manual``: it is told.
        pace: ``fast``: as quickly as the server takes it. ``real``: 20 ms every 20 ms.
        spoken: whether the answers are spoken, or written alone.
    """

    turns: Literal["server", "manual"] = "server"
    pace: Pace = "fast"
    spoken: bool = True


@dataclass(frozen=True, slots=True)
class LiveServer:
    """Where the sessions are.

    Attributes:
        url: of the server, such as http://127.0.0.1:8080.
        identity: what answers there, as a manifest has it.
        api_key: sent along, if any.
    """

    url: str
    identity: dict[str, Any]
    api_key: str | None = field(default=None, repr=False)


class _NoSession(Exception):
    """The server could not be reached, or has no room."""


class LiveEngine:
    """Answers through Realtime sessions.

    Args:
        server: where they are.
        settings: of the run.
        live: how questions are spoken.
        retries: how often a question is asked again whose session broke off.
        timeout_s: for one question, over its own length.
        clock: seconds.
        sleep: waits that many seconds before an attempt.
    """

    def __init__(
        self,
        server: LiveServer,
        settings: RunSettings,
        live: LiveSettings,
        *,
        retries: int = 5,
        timeout_s: float = 600.0,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server, self._settings, self._live = server, settings, live
        self._retries, self._timeout_s = retries, timeout_s
        self._clock, self._sleep = clock, sleep
        self._address = realtime_address(server.url)

    def identity(self) -> dict[str, Any]:
        """The server, and how questions are spoken."""
        return {"engine": "live", **self._server.identity, **asdict(self._live)}

    def answer(self, questions: Iterable[Question], concurrency: int) -> Iterator[Outcome]:
        """See `Engine`."""
        yield from in_threads(self._ask, questions, concurrency)

    def _ask(self, question: Question) -> Reply | Failure:
        failure: Exception | None = None
        for _ in attempts(self._retries, sleep=self._sleep):
            try:
                return asyncio.run(self._converse(question))
            except LiveFailure as error:
                failure = error
                if error.is_permanent:
                    return Failure(str(error), permanent=True)
            except (_NoSession, aiohttp.ClientError, OSError, TimeoutError) as error:
                failure = error
        reason = f"after {self._retries + 1} attempts ({failure or type(failure).__name__})"
        if isinstance(failure, _NoSession):
            raise EngineUnusable(
                f"{self._address} opens no session {reason}; is parley serve running there, with "
                "--max-sessions for --concurrency?"
            ) from failure
        return Failure(f"no answer {reason}", permanent=False)

    async def _converse(self, question: Question) -> Reply:
        is_typed = question.samples is None
        answer = LiveAnswer(
            by_hand=is_typed or self._live.turns == "manual", transcribes=question.transcribes
        )
        length_s = 0.0 if question.samples is None else len(question.samples) / SAMPLE_RATE_HZ
        async with asyncio.timeout(self._timeout_s + length_s), self._connected() as socket:
            await self._until(socket, "session.created")
            await socket.send_json({"type": "session.update", "session": self._session(question)})
            await self._until(socket, "session.updated")
            asking = asyncio.create_task(
                self._type(socket, question, answer)
                if question.samples is None
                else self._say(socket, question.samples, answer)
            )
            reading = asyncio.create_task(self._read(socket, answer))
            try:
                done, _ = await asyncio.wait((asking, reading), return_when=asyncio.FIRST_COMPLETED)
                if asking in done:
                    asking.result()
                await reading
            finally:
                asking.cancel()
                reading.cancel()
                await asyncio.gather(asking, reading, return_exceptions=True)
        return answer.reply()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        key = self._server.api_key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(headers=headers) as http:
            try:
                socket = await http.ws_connect(self._address, max_msg_size=0)
            except aiohttp.WSServerHandshakeError as error:
                if error.status in _UNUSABLE:
                    raise EngineUnusable(
                        f"{self._address} opens no session ({error.status} {error.message}): check "
                        "the address and the key"
                    ) from error
                raise _NoSession(f"{error.status} {error.message}") from error
            except (aiohttp.ClientError, OSError) as error:
                raise _NoSession(str(error)) from error
            async with socket:
                yield socket

    async def _until(self, socket: aiohttp.ClientWebSocketResponse, kind: str) -> None:
        """Reads up to an event without which nothing can be asked."""
        async for message in socket:
            event = message.json()
            if event["type"] == kind:
                return
            if event["type"] == "error":
                raise EngineUnusable(f"{self._address} refuses the session: {event['error']}")
        raise LiveFailure(f"the connection ended before {kind}", is_permanent=False)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, answer: LiveAnswer) -> None:
        async for message in socket:
            answer.take(message.json(), self._clock())
            if answer.is_over:
                return
        raise LiveFailure("the connection ended before the answer", is_permanent=False)

    # --- What is asked ----------------------------------------------------------------------------

    def _session(self, question: Question) -> dict[str, Any]:
        """The configuration of a question's session."""
        settings = self._settings
        detection: dict[str, Any] | None = None
        if self._live.turns == "server":
            detection = {
                "type": "semantic_vad",
                "create_response": not question.transcribes,
            }
        tokens = settings.max_new_tokens
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio" if self._live.spoken else "text"],
            "max_output_tokens": tokens if tokens <= _MOST_OUTPUT_TOKENS else "inf",
            "reasoning": {"effort": self._effort()},
            "audio": {
                "input": {
                    "turn_detection": detection,
                    "transcription": {} if question.transcribes else None,
                }
            },
        }
        if question.system:
            session["instructions"] = question.system
        return session

    def _effort(self) -> str:
        """The least that allows as much reasoning as the settings do."""
        budget = self._settings.reasoning_budget
        if not self._settings.thinking:
            return "none"
        return next((name for name, most in _EFFORTS if 0 < budget <= most), "xhigh")

    async def _type(
        self, socket: aiohttp.ClientWebSocketResponse, question: Question, answer: LiveAnswer
    ) -> None:
        content = [{"type": "input_text", "text": question.text}]
        item = {"type": "message", "role": "user", "content": content}
        await socket.send_json({"type": "conversation.item.create", "item": item})
        answer.ended_at = self._clock()
        await socket.send_json({"type": "response.create"})

    async def _say(
        self, socket: aiohttp.ClientWebSocketResponse, samples: np.ndarray, answer: LiveAnswer
    ) -> None:
        """Speaks the question; then tells that it is over, or is silent until the server hears."""
        pacer = Pacer(self._live.pace, self._clock, asyncio.sleep)
        voice_end_s = end_of_voice_s(samples)

        async def send(sound: np.ndarray, start_s: float) -> None:
            for frame in wire_frames(sound, self._live.pace, start_s):
                await pacer.wait(frame.end_s)
                await socket.send_json({"type": "input_audio_buffer.append", "audio": frame.audio})
                if answer.ended_at is None and frame.end_s >= voice_end_s:
                    answer.ended_at = self._clock()

        await send(samples, 0.0)
        if self._live.turns == "manual":
            answer.ended_at = self._clock()
            await socket.send_json({"type": "input_audio_buffer.commit"})
            if not answer.transcribes:
                await socket.send_json({"type": "response.create"})
            return
        length_s = len(samples) / SAMPLE_RATE_HZ
        silences = (_SETTLED_S, HEARD_ALL), (_LONGEST_SILENCE_S, NO_END)
        for silence_s, mark in silences:
            await send(np.zeros(round(silence_s * SAMPLE_RATE_HZ), np.float32), length_s)
            length_s += silence_s
            await socket.send_json(
                {"type": "conversation.item.retrieve", "event_id": mark, "item_id": mark}
            )


def realtime_address(url: str) -> str:
    """The address of `GET /v1/realtime` of a server, whichever way it was named.

    Raises:
        ValueError: this is no address.
    """
    scheme, separator, rest = url.rstrip("/").partition("://")
    if not separator or scheme not in ("http", "https", "ws", "wss"):
        raise ValueError(f"--live {url} is no address: give one such as http://127.0.0.1:8080")
    if not rest.endswith("/realtime"):
        rest += "/realtime" if rest.endswith("/v1") else "/v1/realtime"
    return f"{scheme.replace('ws', 'http')}://{rest}"


def named_server(url: str, api_key: str | None) -> LiveServer:
    """A server that runs already; how it samples is its own affair.

    Raises:
        EngineUnusable: nobody is there, or it lets nobody in.
        ValueError: this is no address.
    """
    models = f"{realtime_address(url).removesuffix('/realtime')}/models"
    served = asyncio.run(_served_model(models, api_key))
    its_own = dict.fromkeys(("temperature", "top_k", "top_p", "seed"), "the server's")
    return LiveServer(url, {"url": url, "served_model": served, **its_own}, api_key)


async def _served_model(address: str, api_key: str | None) -> str:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        async with (
            aiohttp.ClientSession(headers=headers, raise_for_status=True) as http,
            http.get(address) as response,
        ):
            return str((await response.json())["data"][0]["id"])
    except (aiohttp.ClientError, OSError, ValueError, LookupError, TypeError) as error:
        raise EngineUnusable(
            f"{address} does not tell which model is served ({error}): start parley serve, and "
            "check the address and the key"
        ) from error
