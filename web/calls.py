"""`POST /v1/realtime/calls`: a call over WebRTC, with events on its data channel."""

import asyncio
import json
import logging

import numpy as np
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from web.limits import TokenBucket
from web.media.interface import CallHandlers, MediaCall, MediaError, OpenCall
from web.metrics import Metrics
from web.realtime.config import SessionConfig, updated
from web.realtime.connection import RealtimeConnection, Transport
from web.realtime.errors import ProtocolError
from web.realtime.json_text import parse_json
from web.realtime.server_events import Json
from web.sessions import Sessions
from web.settings import ServerSettings

MAX_WAITING_MESSAGES = 1000

log = logging.getLogger(__name__)


class Call:
    """One call: its media, its connection, and the messages that wait to be carried out.

    The media come first and the session when the offer has been accepted, so `hear` and `read` go
    through here: before there is a session, silence.
    """

    sample_rate = 24_000

    def __init__(
        self, open_call: OpenCall, sessions: Sessions, settings: ServerSettings, metrics: Metrics
    ) -> None:
        loop = asyncio.get_running_loop()
        self._sessions, self._metrics = sessions, metrics
        self._messages: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING_MESSAGES)
        self._limit = TokenBucket(settings.messages_per_s, 4 * settings.messages_per_s, loop.time)
        handlers = CallHandlers(
            message=self._on_message, opened=self._on_opened, closed=self._on_closed
        )
        self._media: MediaCall = open_call(self, self, handlers, settings.media)
        self._connection: RealtimeConnection | None = None
        self._worker: asyncio.Task[None] | None = None

    async def answer(self, offer: str, config: SessionConfig) -> tuple[str, str]:
        """Accepts an offer and opens the session; returns the SDP answer and the call's id.

        Raises:
            OfferError: the offer cannot be accepted; nothing is left of the call.
        """
        answer = await self._media.answer(offer)
        transport = Transport(send=self._send, ended=self._on_ended, is_pushed=False)
        try:
            self._connection = self._sessions.open(config, transport, "webrtc", self._media.close)
        except BaseException:
            await self._media.close("no session could be opened")
            raise
        self._worker = asyncio.create_task(self._carry_out(), name="call messages")
        return answer, self._connection.session_id

    # --- Sound: what `web.media` hears and reads --------------------------------------------------

    def hear(self, samples: np.ndarray) -> None:
        """See `AudioSink.hear`."""
        if self._connection is not None:
            self._connection.hear(samples)

    async def read(self, count: int) -> np.ndarray:
        """See `AudioSource.read`."""
        if self._connection is None:
            return np.zeros(count, np.float32)
        return self._connection.session.playback.read(count)

    # --- Messages ---------------------------------------------------------------------------------

    def _send(self, event: Json) -> None:
        if event["type"] == "error":
            self._metrics.errors.labels(event["error"]["code"]).inc()
        try:
            self._media.send(json.dumps(event, ensure_ascii=False))
        except MediaError as error:
            self._on_ended(str(error))

    def _on_opened(self) -> None:
        if self._connection is not None:
            self._connection.start()

    def _on_message(self, message: str) -> None:
        if self._connection is None:
            return
        try:
            if not self._limit.take():
                raise asyncio.QueueFull
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self._connection.refuse(
                ProtocolError(
                    "rate_limit_exceeded",
                    "too many messages at once: this one was dropped",
                    kind="rate_limit_error",
                )
            )

    async def _carry_out(self) -> None:
        assert self._connection is not None
        try:
            while True:
                await self._connection.receive(await self._messages.get())
        except Exception:
            log.exception("a call's message could not be carried out")
            error = ProtocolError("server_error", "a fault of the server's", kind="server_error")
            self._connection.refuse(error)
            self._on_ended("a fault of the server's")

    # --- The end ----------------------------------------------------------------------------------

    def _on_ended(self, reason: str) -> None:
        # Kept by the call's own task; the loop alone holds tasks weakly.
        self._ending = asyncio.ensure_future(self._media.close(reason))

    def _on_closed(self, reason: str, error: BaseException | None) -> None:
        if self._worker is not None:
            self._worker.cancel()
        if self._connection is not None:
            self._metrics.observe_call(self._media.statistics)
            self._sessions.close(self._connection, reason, error)


async def read_call_request(
    request: web.Request, config: SessionConfig
) -> tuple[str, SessionConfig]:
    """The offer and the configuration that a request holds: raw SDP, or a form with both.

    Raises:
        ProtocolError: it is neither, or its configuration cannot be.
    """
    if request.content_type == "application/sdp":
        return _text(await request.read(), "sdp"), config
    if request.content_type != "multipart/form-data":
        raise ProtocolError(
            "unsupported_content_type",
            "send the offer as application/sdp, or a multipart/form-data with the parts sdp and "
            "session",
        )
    parts: dict[str, str] = {}
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name in ("sdp", "session"):
                parts[part.name] = _text(bytes(await part.read()), part.name)
    except (ValueError, RuntimeError, HttpProcessingError) as error:
        raise ProtocolError("invalid_value", f"the form is malformed: {error}") from error
    if "sdp" not in parts:
        raise ProtocolError("missing_required_parameter", "the form has no part sdp", "sdp")
    if "session" in parts:
        config = updated(config, parse_session(parts["session"]))
    return parts["sdp"], config


def parse_session(text: str) -> Json:
    """A session object that comes as JSON.

    Raises:
        ProtocolError: it is none.
    """
    try:
        session = parse_json(text)
    except ValueError as error:
        raise ProtocolError("invalid_json", f"session is no JSON: {error}", "session") from error
    if not isinstance(session, dict):
        raise ProtocolError("invalid_type", "session must be an object", "session")
    return session


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("invalid_value", f"{name} is not UTF-8", name) from error
