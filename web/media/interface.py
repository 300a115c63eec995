"""What a call is to the rest of `web`, whichever WebRTC binding carries it.

    MediaError        the call cannot be made; the message names the remedy
    └── OfferError    the peer's offer is at fault

Another binding takes aiortc's place by implementing `MediaCall` and being given to the server as
its `OpenCall`. It feeds an `AudioSink` and draws on an `AudioSource`, both of which a session has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

INPUT_RATE_HZ = 16_000
"""Of what a sink hears."""

FRAME_MS = 20


class MediaError(Exception):
    """A call cannot be made, or is over; the message says why."""


class OfferError(MediaError):
    """The SDP offer cannot be answered; the message says what to change in it."""


class AudioSink(Protocol):
    """Takes in what the peer says."""

    def hear(self, samples: np.ndarray) -> None:
        """Takes float32 mono at 16 kHz, [samples], any number; never blocks."""


class AudioSource(Protocol):
    """Gives out what is said to the peer. Who reads is the clock: what was read counts as heard."""

    @property
    def sample_rate(self) -> int:
        """Of what `read` returns, Hz."""

    async def read(self, count: int) -> np.ndarray:
        """Returns exactly `count` samples, float32 mono: speech or silence.

        It may take as long as the way to another process and back, and never waits for a model.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server, as in the W3C's RTCIceServer."""

    url: str
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettings:
    """Of every call of a server.

    Attributes:
        ice_servers: none by default: on one machine or network none is needed, and nobody else
            learns of the call.
        connect_timeout_s: from the answer to a connection.
        dead_after_s: without any packet of a peer for so long, the call is over. Browsers send 50 a
            second, and a report every five seconds even where they have no microphone.
        bitrate_bps: of the Opus that is sent.
    """

    ice_servers: tuple[IceServer, ...] = ()
    connect_timeout_s: float = 30.0
    dead_after_s: float = 8.0
    bitrate_bps: int = 32_000


@dataclass(slots=True, kw_only=True)
class MediaStatistics:
    """Counts of one call, since its start."""

    packets: int = 0
    """Audio packets received."""
    late_packets: int = 0
    """Of these, dropped as duplicates or too late."""
    concealed_ms: float = 0.0
    """Audio that was lost on the way and filled in."""
    starved_ms: float = 0.0
    """Silence that was heard because nothing came."""
    sent_packets: int = 0
    skipped_ms: float = 0.0
    """Time not sent because this process was held up."""
    dropped_ms: float = 0.0
    """Audio received that the server's process was too far behind to take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHandlers:
    """What a call tells, on the event loop's thread."""

    message: Callable[[str], None]
    """A text message of the peer's data channel."""
    opened: Callable[[], None]
    """The data channel is there."""
    closed: Callable[[str, BaseException | None], None]
    """The call is over, by whomever; told once, with the reason in words, and the exception where
    one has ended it."""


class MediaCall(Protocol):
    """One connection to one peer: audio both ways and a channel for text messages."""

    statistics: MediaStatistics

    async def answer(self, offer: str) -> str:
        """Takes the peer's SDP offer and returns the answer, all candidates in it; call once.

        Raises:
            OfferError: the offer is malformed, hostile, or asks for what is not there.
        """

    def send(self, message: str) -> None:
        """Sends a text message in order; before the channel is open they wait. Never blocks.

        Raises:
            MediaError: so much waits that the peer cannot be reading.
        """

    async def close(self, reason: str = "closed by the server") -> None:
        """Ends the call and frees everything it had; any number of times."""


OpenCall = Callable[[AudioSink, AudioSource, CallHandlers, MediaSettings], MediaCall]
"""How a binding is given to the server: makes a call that nobody has answered yet."""
