"""All open sessions of a server: how many there may be, and how they end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from voice.errors import TemplateError
from voice.session_events import SessionEvent
from voice.session_settings import SessionSettings
from web.auth import Denied, Visitor
from web.limits import OpeningLimit
from web.metrics import Metrics
from web.realtime.config import SessionConfig
from web.realtime.connection import OpenSession, RealtimeConnection, Transport, VoiceSession
from web.realtime.errors import ProtocolError
from web.realtime.voice_settings import VoiceDefaults
from web.settings import ServerSettings

_POLL_S = 0.05

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class OpenConnection:
    """A connection and how to end what carries it."""

    connection: RealtimeConnection
    transport: str
    """`webrtc` or `websocket`."""
    end: Callable[[str], Awaitable[None]]


class Sessions:
    """Opens connections, and counts and closes them."""

    def __init__(
        self,
        open_session: OpenSession,
        settings: ServerSettings,
        defaults: VoiceDefaults,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._open_session = open_session
        self._settings, self._defaults = settings, defaults
        self._metrics = metrics
        self._openings = OpeningLimit(settings.sessions_per_minute, clock)
        self._open: dict[str, OpenConnection] = {}
        self._is_draining = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_draining(self) -> bool:
        """Whether the server is stopping and takes nobody in."""
        return self._is_draining

    def check_room(self, visitor: Visitor) -> None:
        """Raises `Denied` if the visitor cannot have a session now."""
        if self._is_draining:
            raise Denied(503, "server_stopping", "the server is stopping: try again later")
        if len(self._open) >= self._settings.max_sessions:
            raise Denied(
                503,
                "too_many_sessions",
                f"all {self._settings.max_sessions} sessions are taken: try again later",
            )
        if not visitor.is_local and not self._openings.allow(visitor.address or ""):
            raise Denied(
                429,
                "rate_limit_exceeded",
                f"more than {self._settings.sessions_per_minute} sessions in a minute: wait a bit",
            )

    def open(
        self,
        config: SessionConfig,
        transport: Transport,
        kind: str,
        end: Callable[[str], Awaitable[None]],
    ) -> RealtimeConnection:
        """A new connection, which counts until `close`.

        Args:
            config: of its session.
            transport: what it sends by.
            kind: `webrtc` or `websocket`.
            end: ends the transport, with a reason.

        Raises:
            ProtocolError: the checkpoint's chat template cannot write the functions.
        """
        try:
            connection = RealtimeConnection(self._observed, config, self._defaults, transport)
        except TemplateError as error:
            raise ProtocolError("invalid_value", str(error), "session.tools") from error
        self._open[connection.session_id] = OpenConnection(connection, kind, end)
        self._metrics.sessions.labels(kind).inc()
        self._metrics.opened.labels(kind).inc()
        log.info("session %s opened (%s)", connection.session_id, kind)
        return connection

    def close(
        self, connection: RealtimeConnection, reason: str, error: BaseException | None = None
    ) -> None:
        """Ends a connection's session; any number of times.

        Args:
            connection: the one.
            reason: in words.
            error: what has ended its transport, where that is a fault of ours.
        """
        connection.close()
        entry = self._open.pop(connection.session_id, None)
        if entry is not None:
            self._metrics.sessions.labels(entry.transport).dec()
            log.log(
                logging.ERROR if error else logging.INFO,
                "session %s closed: %s",
                connection.session_id,
                reason,
                exc_info=error,
            )

    def find(self, session_id: str) -> OpenConnection | None:
        """The open connection of that id."""
        return self._open.get(session_id)

    async def drain(self) -> None:
        """Takes nobody in any more, lets responses end that are being given, closes the rest."""
        self._is_draining = True
        deadline = asyncio.get_running_loop().time() + self._settings.drain_s
        while entries := list(self._open.values()):
            is_late = asyncio.get_running_loop().time() >= deadline
            over = [each for each in entries if is_late or not each.connection.is_responding]
            ends = (each.end("the server is stopping") for each in over)
            for result in await asyncio.gather(*ends, return_exceptions=True):
                if isinstance(result, BaseException):
                    log.error("a connection did not close", exc_info=result)
            for each in over:
                self.close(each.connection, "the server is stopping")
            if len(over) < len(entries):
                await asyncio.sleep(_POLL_S)

    def _observed(
        self, settings: SessionSettings, emit: Callable[[SessionEvent], None], is_pushed: bool
    ) -> VoiceSession:
        def observe(event: SessionEvent) -> None:
            self._metrics.observe(event)
            emit(event)

        return self._open_session(settings, observe, is_pushed)
