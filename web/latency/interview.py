"""One call in which questions are asked and answers awaited, as by a person with a headset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np

from web.latency.card import FRAME, RATE_HZ, SoundCard
from web.latency.measure import AUDIBLE, STAGES, Answer, Question, waited_ms
from web.media.aiortc_caller import AiortcCaller
from web.media.interface import MediaError
from web.realtime.config import LATENCY_EVENTS

QUIET_S = 0.8
"""Of both sides, before the next question."""
GIVE_UP_S = 15.0
"""After a question that nothing answers."""


class Interview:
    """Asks questions in one call.

    Args:
        address: of the server, such as `http://127.0.0.1:8080`.
        api_key: where the server asks for one.
        seed: of the moments at which questions begin.
    """

    def __init__(self, address: str, api_key: str | None = None, seed: int = 0) -> None:
        self.card = SoundCard()
        self._address, self._api_key = address, api_key
        self._rng = np.random.default_rng(seed)
        self._transcripts: list[str] = []
        self._stages: dict[str, float | None] = {}
        self._is_answered = False
        self._errors: list[str] = []
        self._caller: AiortcCaller | None = None
        self.worst_lateness_ms = 0.0
        """See `AiortcCaller.worst_lateness_ms`; known after the call."""

    async def hold(self, questions: Sequence[Question]) -> list[Answer]:
        """Calls, asks everything in order, and hangs up.

        Raises:
            MediaError: the call did not come about, or ended before its time.
        """
        caller = self._caller = AiortcCaller(self.card.tick, self.card, self._on_message)
        try:
            await caller.connect(self._negotiate)
            self.card.say(np.zeros(RATE_HZ, np.float32))
            await self._until(lambda: self.card.is_silent)
            return [await self._ask(question) for question in questions]
        finally:
            self.worst_lateness_ms = caller.worst_lateness_ms
            await caller.close()

    async def _ask(self, question: Question) -> Answer:
        self._transcripts, self._stages, self._is_answered = [], {}, False
        # People do not begin on the server's windows of 32 ms.
        self.card.say(np.zeros(self._rng.integers(2 * FRAME), np.float32))
        asked = self.card.say(question.samples)
        await self._until(lambda: self.card.is_silent)
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                await self._until(lambda: self._is_answered)
        await self._until_quiet()
        recording = self.card.recording()
        length = len(question.samples)
        waited = waited_ms(recording, asked, length)
        reply = " ".join(self._transcripts)
        return Answer(
            question=question.text,
            reply=reply,
            is_right=question.is_answered_by(reply),
            latency_ms=waited,
            cut_in=waited is not None and waited < 0,
            stages=self._stages,
        )

    async def _until_quiet(self) -> None:
        """Waits for a while in which neither side is heard."""
        since = self.card.position

        def is_quiet() -> bool:
            length = round(QUIET_S * RATE_HZ)
            recent = self.card.recent(length)
            return self.card.position - since >= length and not np.any(np.abs(recent) > AUDIBLE)

        await self._until(is_quiet)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._errors:
                raise MediaError(f"the server reports an error: {self._errors[0]}")
            if self._caller is None or self._caller.closed.is_set():
                raise MediaError("the call ended before all questions were asked")
            await asyncio.sleep(0.01)

    async def _negotiate(self, offer: str) -> str:
        session: Mapping[str, Any] = {
            "type": "realtime",
            "include": [LATENCY_EVENTS],
            "audio": {"input": {"transcription": None}},
        }
        form = aiohttp.FormData()
        form.add_field("sdp", offer, content_type="application/sdp")
        form.add_field("session", json.dumps(session), content_type="application/json")
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        url = f"{self._address}/v1/realtime/calls"
        try:
            async with (
                aiohttp.ClientSession(headers=headers) as http,
                http.post(url, data=form) as response,
            ):
                text = await response.text()
                if response.status != 201:
                    raise MediaError(f"{url} refuses the call ({response.status}): {text[:300]}")
                return text
        except aiohttp.ClientError as error:
            raise MediaError(f"no server answers at {self._address}: {error}") from error

    def _on_message(self, message: str) -> None:
        event = json.loads(message)
        match event["type"]:
            case "response.created":
                self._is_answered = False
            case "response.done":
                self._is_answered = event["response"]["status"] != "cancelled"
            case "response.output_audio_transcript.done":
                self._transcripts.append(event["transcript"])
            case "error":
                self._errors.append(event["error"]["message"])
        if event["type"] == LATENCY_EVENTS and not self._stages:
            self._stages = {name: event[name] for name in STAGES}
