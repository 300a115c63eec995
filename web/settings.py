"""How a server is set up, and what it says of itself."""

from dataclasses import dataclass, field
from pathlib import Path

from web.media.interface import MediaSettings

MAX_MESSAGE_BYTES = 24 << 20
"""Of one WebSocket message: 15 MiB of sound in base64, or a picture, and what is around it."""

MAX_REQUEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Of one server.

    Attributes:
        host, port: where to listen.
        api_key: what clients beyond this machine must show; those on it need none. None: nobody
            from beyond is let in.
        allowed_origins: of other sites whose pages may connect, such as `https://example.org`; the
            server's own page always may.
        max_sessions: at a time.
        sessions_per_minute: that one address may open; this machine is not counted.
        messages_per_s: of one client, in the long run; four times as many may come at once. A
            WebSocket is read no faster, a call's further messages are refused.
        drain_s: how long a response that is being given may still take when the server stops.
        media: of calls.
        certificate, private_key: PEM files; with them the server speaks TLS, without which browsers
            give no page from beyond this machine a microphone.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = None
    allowed_origins: tuple[str, ...] = ()
    max_sessions: int = 8
    sessions_per_minute: int = 30
    messages_per_s: int = 200
    drain_s: float = 5.0
    media: MediaSettings = field(default_factory=MediaSettings)
    certificate: Path | None = None
    private_key: Path | None = None

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the page."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A question that the page can play into a call."""

    text: str
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What the page shows of the server."""

    model: str
    note: str = ""
    """An honest line about the model; empty: none is due."""
    hint: str = ""
    """How to start a better one."""
    voices: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
