"""`GET /v1/realtime`: a session over a WebSocket, sound and all in its messages."""

import asyncio
import json
import logging
from collections import deque

from aiohttp import WSCloseCode, WSMsgType, web

from web.auth import SUBPROTOCOL
from web.limits import TokenBucket
from web.metrics import Metrics
from web.realtime.config import SessionConfig
from web.realtime.connection import Transport
from web.realtime.errors import ProtocolError
from web.realtime.server_events import Json
from web.sessions import Sessions
from web.settings import MAX_MESSAGE_BYTES, ServerSettings

MAX_WAITING_BYTES = 32 << 20
"""Of messages that the client has not read: about five minutes of speech."""

_HEARTBEAT_S = 20.0

log = logging.getLogger(__name__)


class Socket:
    """One WebSocket and what waits to be sent by it."""

    def __init__(self, settings: ServerSettings, metrics: Metrics) -> None:
        loop = asyncio.get_running_loop()
        self._metrics = metrics
        self._limit = TokenBucket(settings.messages_per_s, 4 * settings.messages_per_s, loop.time)
        self._socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=_HEARTBEAT_S,
            max_msg_size=MAX_MESSAGE_BYTES,
            compress=False,  # base64 of speech hardly shrinks
        )
        self._waiting: deque[str] = deque()
        self._waiting_bytes = 0
        self._has_waiting = asyncio.Event()
        self._ending: str | None = None

    async def serve(
        self, request: web.Request, sessions: Sessions, config: SessionConfig
    ) -> web.WebSocketResponse:
        """Talks until either side ends it."""
        transport = Transport(send=self._send, ended=self._end, is_pushed=True)
        connection = sessions.open(config, transport, "websocket", self._close)
        writer = None
        reason = "closed by the client"
        try:
            await self._socket.prepare(request)
            writer = asyncio.create_task(self._write(), name="socket writer")
            connection.start()
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await connection.receive(message.data)
                elif message.type is WSMsgType.BINARY:
                    connection.refuse(
                        ProtocolError("invalid_event", "events are text messages, not binary ones")
                    )
                # Who sends too fast is read more slowly, and waits in its own send.
                await asyncio.sleep(self._limit.borrow_s())
            reason = self._ending or reason
        except Exception:
            log.exception("a socket's message could not be carried out")
            reason = "a fault of the server's"
            error = ProtocolError("server_error", reason, kind="server_error")
            connection.refuse(error)
            await self._flush()
            await self._socket.close(code=WSCloseCode.INTERNAL_ERROR, message=reason.encode())
        finally:
            if writer is not None:
                writer.cancel()
            sessions.close(connection, reason)
        return self._socket

    def _send(self, event: Json) -> None:
        if event["type"] == "error":
            self._metrics.errors.labels(event["error"]["code"]).inc()
        message = json.dumps(event, ensure_ascii=False)
        if self._waiting_bytes + len(message) > MAX_WAITING_BYTES:
            self._end("the client does not read its messages")
            return
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        self._has_waiting.set()

    def _end(self, reason: str) -> None:
        if self._ending is None:
            self._ending = reason
            self._has_waiting.set()

    async def _close(self, reason: str) -> None:
        self._end(reason)
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=reason.encode()[:100])

    async def _write(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            await self._flush()
            if self._ending is not None:
                await self._close(self._ending)
                return

    async def _flush(self) -> None:
        while self._waiting and not self._socket.closed:
            message = self._waiting.popleft()
            self._waiting_bytes -= len(message)
            try:
                await self._socket.send_str(message)
            except ConnectionError:
                return
