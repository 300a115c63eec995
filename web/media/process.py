"""A media process: the Opus and RTP of some calls, ``python -m web.media.process``.

It speaks the protocol of `web.media.process_frames` on its standard input and output, knows nothing
of sessions, and ends with its input. Each call is what it would be in the server's own process;
only what is heard and said travels.
"""

import asyncio
import json
import logging
import os
import sys
import traceback
from dataclasses import asdict
from typing import Any

import numpy as np

from web.media.aiortc_call import AiortcCall
from web.media.interface import CallHandlers, IceServer, MediaError, MediaSettings
from web.media.process_frames import COUNT, Kind, frame, read_frame, sound_bytes, sound_of

PATIENCE_S = 0.06
"""A frame of sound waits so long for the server, a little late like any frame; then there is
silence, and what comes after all is sent with the next one."""

MAX_UNREAD_BYTES = 8 << 20
"""Of what the server has not read: some 20 s of six calls. Then sound is dropped, and counted."""

log = logging.getLogger(__name__)


class ServerPipe:
    """What goes to the server; never blocks."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport

    @property
    def is_full(self) -> bool:
        """Whether the server is so far behind that nothing may be added."""
        return self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES

    def send(self, kind: Kind, call: int = 0, payload: bytes = b"") -> None:
        """Sends a frame."""
        self._transport.write(frame(kind, call, payload))


class RemoteSource:
    """Asks the server for each frame of sound when it is due; see `AudioSource`."""

    def __init__(self, pipe: ServerPipe, call: int, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._pipe, self._call = pipe, call
        self._asked: asyncio.Future[np.ndarray] | None = None

    async def read(self, count: int) -> np.ndarray:
        """Returns `count` samples: the server's, or silence if it is too late."""
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
            self._pipe.send(Kind.DUE, self._call, COUNT.pack(count))
        asked = self._asked
        await asyncio.wait((asked,), timeout=PATIENCE_S)
        if not asked.done():
            return np.zeros(count, np.float32)
        self._asked = None
        return asked.result()

    def take(self, samples: np.ndarray) -> None:
        """The server's answer has come."""
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(samples)


class ServedCall:
    """One call, and how the server hears of it. It is its call's sink as well."""

    def __init__(self, pipe: ServerPipe, number: int, wishes: dict[str, Any]) -> None:
        self._pipe, self._number = pipe, number
        self._offer: str = wishes["offer"]
        self.source = RemoteSource(pipe, number, wishes["sample_rate"])
        handlers = CallHandlers(
            message=self._on_message,
            opened=lambda: pipe.send(Kind.OPENED, number),
            closed=self._on_closed,
        )
        settings = settings_of(wishes["settings"])
        self.media = AiortcCall(self, self.source, handlers, settings)
        self.is_closed = self._is_answered = False
        self._end = b""

    async def answer(self) -> None:
        """Answers the offer, or refuses it."""
        try:
            answer = await self.media.answer(self._offer)
            self._pipe.send(Kind.ANSWER, self._number, answer.encode())
        except MediaError as error:
            self._pipe.send(Kind.REFUSED, self._number, str(error).encode())
        self._is_answered = True
        if self.is_closed:
            self._pipe.send(Kind.CLOSED, self._number, self._end)

    def hear(self, samples: np.ndarray) -> None:
        """See `AudioSink.hear`."""
        if self._pipe.is_full:
            self.media.statistics.dropped_ms += 1000 * len(samples) / 16_000
        else:
            self._pipe.send(Kind.HEARD, self._number, sound_bytes(samples))

    def send(self, message: str) -> None:
        """Sends a message to the peer, or ends the call of a peer that reads none."""
        try:
            self.media.send(message)
        except MediaError as error:
            self.close(str(error))

    def close(self, reason: str) -> None:
        """Ends the call."""
        self._closing = asyncio.create_task(self.media.close(reason), name="close")

    def _on_message(self, message: str) -> None:
        if self._pipe.is_full:
            self.close("the server does not read what the peer sends")
        else:
            self._pipe.send(Kind.MESSAGE, self._number, message.encode())

    def _on_closed(self, reason: str, error: BaseException | None) -> None:
        self.is_closed = True
        told = {"reason": reason, "statistics": asdict(self.media.statistics)}
        self._end = json.dumps(told).encode()
        if self._is_answered:  # else after the answer, or what is wrong with the offer
            self._pipe.send(Kind.CLOSED, self._number, self._end)


def settings_of(fields: dict[str, Any]) -> MediaSettings:
    """Settings that were made JSON of."""
    servers = tuple(IceServer(**each) for each in fields["ice_servers"])
    return MediaSettings(**{**fields, "ice_servers": servers})


async def serve(requests: asyncio.StreamReader, pipe: ServerPipe) -> None:
    """Serves until the server goes away; then all calls are ended."""
    calls: dict[int, ServedCall] = {}
    answers: set[asyncio.Task[None]] = set()
    pipe.send(Kind.READY)
    while True:
        try:
            kind, number, payload = await read_frame(requests)
        except EOFError:
            break
        if kind is Kind.OFFER:
            for each in [each for each, call in calls.items() if call.is_closed]:
                del calls[each]
            calls[number] = ServedCall(pipe, number, json.loads(payload))
            answer = asyncio.create_task(calls[number].answer(), name="answer")
            answers.add(answer)
            answer.add_done_callback(answers.discard)
        elif (call := calls.get(number)) is not None and not call.is_closed:
            match kind:
                case Kind.SOUND:
                    call.source.take(sound_of(payload))
                case Kind.MESSAGE:
                    call.send(payload.decode())
                case Kind.CLOSE:
                    call.close(payload.decode())
    ends = (call.media.close("the server has gone") for call in calls.values())
    await asyncio.gather(*ends, return_exceptions=True)


async def run() -> None:
    """Serves on the standard input and output; what is printed goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    loop = asyncio.get_running_loop()
    requests = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin.buffer)
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, replies)
    pipe = ServerPipe(transport)
    try:
        await serve(requests, pipe)
    except BaseException:
        pipe.send(Kind.FAILED, 0, traceback.format_exc().encode())
        raise
    finally:
        transport.close()
        await asyncio.sleep(0)  # lets it write what it can


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(run())
