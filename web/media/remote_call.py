"""A call that a media process carries, as the server sees it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from web.media.interface import (
    AudioSink,
    AudioSource,
    CallHandlers,
    MediaError,
    MediaSettings,
    MediaStatistics,
    OfferError,
)
from web.media.process_frames import COUNT, Kind, sound_bytes, sound_of

CLOSE_TIMEOUT_S = 10.0

SendFrame = Callable[[Kind, bytes], None]
"""Sends a frame of the call to its process."""

log = logging.getLogger(__name__)


class RemoteCall:
    """See `MediaCall`.

    Args:
        place: finds a process for the call, and returns how to send to it.
        sink, source, handlers, settings: see `OpenCall`.
    """

    def __init__(
        self,
        place: Callable[[RemoteCall], Awaitable[SendFrame]],
        sink: AudioSink,
        source: AudioSource,
        handlers: CallHandlers,
        settings: MediaSettings,
    ) -> None:
        self.statistics = MediaStatistics()
        self._place = place
        self._sink, self._source = sink, source
        self._handlers = handlers
        self._settings = settings
        self._send: SendFrame | None = None
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._early: list[str] = []
        self._closed = asyncio.Event()

    async def answer(self, offer: str) -> str:
        """See `MediaCall.answer`."""
        self._send = await self._place(self)
        wishes = {
            "offer": offer,
            "sample_rate": self._source.sample_rate,
            "settings": asdict(self._settings),
        }
        self._send(Kind.OFFER, json.dumps(wishes).encode())
        for message in self._early:
            self.send(message)
        return await self._answer

    def send(self, message: str) -> None:
        """See `MediaCall.send`; a peer that does not read is found out there, and ends the call."""
        if self._send is None:
            self._early.append(message)
        elif not self._closed.is_set():
            self._send(Kind.MESSAGE, message.encode())

    async def close(self, reason: str = "closed by the server") -> None:
        """See `MediaCall.close`."""
        if self._send is None:
            self._end(reason, None)
        elif not self._closed.is_set():
            self._send(Kind.CLOSE, reason.encode())
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._closed.wait()
            except TimeoutError:
                log.warning("a call did not close within %.0f s", CLOSE_TIMEOUT_S)
                self._end(reason, None)

    def fail(self, error: MediaError) -> None:
        """The process is gone."""
        self._refuse(error)
        self._end(str(error), error)

    async def take(self, kind: Kind, payload: bytes) -> None:
        """Takes what the process tells. A fault of the session's ends this call alone."""
        try:
            match kind:
                case Kind.ANSWER:
                    self._answer.set_result(payload.decode())
                case Kind.REFUSED:
                    self._refuse(OfferError(payload.decode()))
                case Kind.CLOSED:
                    told = json.loads(payload)
                    self.statistics = MediaStatistics(**told["statistics"])
                    self._refuse(OfferError(told["reason"]))
                    self._end(told["reason"], None)
                case _ if self._closed.is_set():
                    pass
                case Kind.HEARD:
                    self._sink.hear(sound_of(payload))
                case Kind.DUE:
                    samples = await self._source.read(*COUNT.unpack(payload))
                    assert self._send is not None
                    self._send(Kind.SOUND, sound_bytes(samples))
                case Kind.OPENED:
                    self._handlers.opened()
                case Kind.MESSAGE:
                    self._handlers.message(payload.decode())
        except Exception as error:
            log.exception("a call failed")
            if self._send is not None:
                self._send(Kind.CLOSE, b"the session failed")
            self._end(str(error), error)

    def _refuse(self, error: MediaError) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # whoever waits for the answer gets it; else nobody needs it

    def _end(self, reason: str, error: BaseException | None) -> None:
        if not self._closed.is_set():
            self._closed.set()
            self._handlers.closed(reason, error)
