"""A call over aiortc.

aiortc's own path for received audio costs 80 ms always and 280 ms after one lost packet, and fills
nothing in. So its jitter buffer is replaced by a tap that takes each packet to `InboundAudio` and
gives the library nothing to decode; tests hold the names of the private attributes. Sent audio is
encoded here, so that the library neither resamples nor measures it.

aioice below it ends a call after six checks in a row of which a packet was lost, each sent once:
where a fifth of the packets is lost, that is about once an hour. `outlast_losses` raises the limit,
since the watchdog here notices much sooner that a peer is gone.
"""

import asyncio
import fractions
import logging
from collections import deque

import aioice.ice
import av
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtpPacket

from web.media.codec import OPUS_RATE_HZ
from web.media.inbound import InboundAudio
from web.media.interface import (
    FRAME_MS,
    AudioSink,
    AudioSource,
    CallHandlers,
    MediaError,
    MediaSettings,
    MediaStatistics,
    OfferError,
)
from web.media.offer import prepare_offer
from web.media.outbound import SAMPLES_PER_PACKET, OutboundAudio
from web.media.pacing import Pacer

MAX_WAITING_BYTES = 4 << 20
"""Of messages that the peer has not read; beyond, it never will."""

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
DTLS_TRANSPORTS = "_RTCPeerConnection__dtlsTransports"
ICE_TRANSPORTS = "_RTCPeerConnection__iceTransports"

_TIME_BASE = fractions.Fraction(1, OPUS_RATE_HZ)
_CLOSE_TIMEOUT_S = 5.0
_CONSENT_FAILURES = 60
"""Five minutes of them."""

log = logging.getLogger(__name__)


class AiortcCall:
    """One RTCPeerConnection; see `MediaCall`."""

    def __init__(
        self,
        sink: AudioSink,
        source: AudioSource,
        handlers: CallHandlers,
        settings: MediaSettings,
    ) -> None:
        self.statistics = MediaStatistics()
        self._handlers = handlers
        self._settings = settings
        self._inbound = InboundAudio(sink, self.statistics)
        outbound = OutboundAudio(source, settings.bitrate_bps, self.statistics)
        self._track = _SpeechTrack(outbound, self._inbound)
        servers = [
            RTCIceServer(urls=each.url, username=each.username, credential=each.credential)
            for each in settings.ice_servers
        ]
        outlast_losses()
        # Without a configuration aiortc asks a STUN server of Google's.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)
        self._channel: RTCDataChannel | None = None
        self._waiting: deque[str] = deque()
        self._waiting_bytes = 0
        self._watchdog: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        """See `MediaCall.answer`."""
        try:
            description = RTCSessionDescription(sdp=prepare_offer(offer), type="offer")
            await self._connection.setRemoteDescription(description)
            self._accept_audio()
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except OfferError:
            await self.close("the offer was refused")
            raise
        except Exception as error:  # the library checks little: hostile SDP fails anywhere in it
            log.info("an offer failed in aiortc: %r", error)
            await self.close("the offer was refused")
            why = str(error) or type(error).__name__
            raise OfferError(f"the offer is not valid SDP of a call: {why}") from error
        self._watchdog = asyncio.create_task(self._watch(), name="media watchdog")
        return self._connection.localDescription.sdp

    def send(self, message: str) -> None:
        """See `MediaCall.send`."""
        if self._closing:
            return
        channel = self._channel
        waiting = channel.bufferedAmount if channel else self._waiting_bytes
        if waiting + len(message) > MAX_WAITING_BYTES:
            raise MediaError("the peer does not read its messages")
        if channel is None:
            self._waiting.append(message)
            self._waiting_bytes += len(message)
        elif channel.readyState == "open":
            channel.send(message)

    async def close(self, reason: str = "closed by the server") -> None:
        """See `MediaCall.close`."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason), name="media close")
        # Shielded: a caller that is cancelled must not leave a call half closed.
        await asyncio.shield(self._closing)

    def _accept_audio(self) -> None:
        """Takes the first audio section, with Opus and in both directions, and no other media."""
        self._connection.addTrack(self._track)
        capabilities = RTCRtpReceiver.getCapabilities("audio")
        assert capabilities is not None
        for transceiver in self._connection.getTransceivers():
            if transceiver.sender.track is not self._track:
                transceiver.direction = "inactive"
                continue
            if transceiver.mid is None:
                raise OfferError("the offer has no audio that can be answered")
            transceiver.setCodecPreferences(
                [each for each in capabilities.codecs if each.mimeType.lower() == "audio/opus"]
            )
            setattr(transceiver.receiver, JITTER_BUFFER, PacketTap(self._inbound))

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            log.info("a second data channel %r is ignored", channel.label)
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._end("the peer closed the data channel"))
        while self._waiting:
            channel.send(self._waiting.popleft())
        self._handlers.opened()

    def _on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            message = message.decode("utf-8", errors="replace")
        self._handlers.message(message)

    def _on_state(self) -> None:
        state = self._connection.connectionState
        log.debug("connection state %s", state)
        if state in ("failed", "closed"):
            self._end("the peer is gone" if state == "closed" else "the connection failed")

    def _end(self, reason: str) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason), name="media close")

    async def _watch(self) -> None:
        """Ends a call that never connects, or whose peer is gone without a word.

        aiortc itself notices that only after 32 s.
        """
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                while self._connection.connectionState != "connected":
                    await asyncio.sleep(0.1)
        except TimeoutError:
            self._end("the peer did not connect")
            return
        packets, idle_s = -1, 0
        while idle_s < self._settings.dead_after_s:
            await asyncio.sleep(1.0)
            received = await self._packets_received()
            idle_s = idle_s + 1 if received == packets else 0
            packets = received
        self._end(f"nothing came from the peer for {self._settings.dead_after_s:.0f} s")

    async def _packets_received(self) -> int:
        report = await self._connection.getStats()
        return sum(getattr(each, "packetsReceived", 0) for each in report.values())

    async def _close(self, reason: str) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._track.stop()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._connection.close()
        except TimeoutError:
            log.warning("a connection did not close within %.0f s", _CLOSE_TIMEOUT_S)
        except Exception as error:  # of a connection that hostile SDP has left half made
            log.info("a connection failed to close in aiortc: %r", error)
            await self._free()
        self._waiting.clear()
        self._handlers.closed(reason, None)

    async def _free(self) -> None:
        """Ends what aiortc has left open where its own `close` has failed."""
        for transports in (DTLS_TRANSPORTS, ICE_TRANSPORTS):
            for transport in list(getattr(self._connection, transports)):
                await transport.stop()
        self._connection.remove_all_listeners()


class _SpeechTrack(MediaStreamTrack):
    """What the peer hears, 20 ms at a time, paced by a clock: it never waits for a model."""

    kind = "audio"

    def __init__(self, outbound: OutboundAudio, inbound: InboundAudio) -> None:
        super().__init__()
        self._outbound = outbound
        self._inbound = inbound
        self._pacer = Pacer(FRAME_MS / 1000)

    async def recv(self) -> av.Packet:
        """Returns the next 20 ms as an encoded packet, when they are due."""
        if self.readyState != "live":
            raise MediaStreamError
        due = self._pacer.next(asyncio.get_running_loop().time())
        if due.wait_s > 0.0:
            await asyncio.sleep(due.wait_s)
        if due.skipped:
            self._outbound.skip(due.skipped)
        for _ in range(1 + due.skipped):
            self._inbound.tick()
        packet = av.Packet(await self._outbound.next_packet())
        packet.pts = due.index * SAMPLES_PER_PACKET
        packet.time_base = _TIME_BASE
        return packet


def outlast_losses() -> None:
    """Lets the calls of this process go on where checks for the peer get lost; see the module."""
    aioice.ice.CONSENT_FAILURES = _CONSENT_FAILURES


class PacketTap:
    """Stands where aiortc has its jitter buffer; see the module."""

    def __init__(self, inbound: InboundAudio) -> None:
        self._inbound = inbound

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Takes each packet that arrives; says that no picture is asked for and nothing is due."""
        payload: bytes = packet._data  # type: ignore[attr-defined]  # without what the codec's RTP format adds
        self._inbound.receive(packet.sequence_number, packet.timestamp, payload)
        return False, None
