"""The other end of a call: a caller over aiortc, as a browser is one.

What is received takes the server's own way in (`PacketTap`, `InboundAudio`): aiortc's would add 80
ms to everything that is heard.
"""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Awaitable, Callable

import av
import numpy as np
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from web.media.aiortc_call import JITTER_BUFFER, PacketTap, outlast_losses
from web.media.codec import OPUS_RATE_HZ, OpusEncoder
from web.media.inbound import InboundAudio
from web.media.interface import FRAME_MS, INPUT_RATE_HZ, AudioSink, MediaError, MediaStatistics
from web.media.pacing import Pacer

BITRATE_BPS = 32_000
CONNECT_TIMEOUT_S = 30.0

_TIME_BASE = fractions.Fraction(1, OPUS_RATE_HZ)
_PACKET = OPUS_RATE_HZ * FRAME_MS // 1000

Microphone = Callable[[int], np.ndarray]
"""Gives the next 320 samples, float32 mono 16 kHz, after so many frames that were missed."""


class AiortcCaller:
    """Calls a server and talks with it.

    Args:
        microphone: called every 20 ms.
        speaker: takes in what the server says.
        on_message: called with each message of the data channel.
    """

    def __init__(
        self,
        microphone: Microphone,
        speaker: AudioSink,
        on_message: Callable[[str], None],
    ) -> None:
        self.statistics = MediaStatistics()
        self.closed = asyncio.Event()
        outlast_losses()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        inbound = InboundAudio(speaker, self.statistics)
        self._track = _MicrophoneTrack(microphone, inbound)
        self._connection.addTrack(self._track)
        (transceiver,) = self._connection.getTransceivers()
        setattr(transceiver.receiver, JITTER_BUFFER, PacketTap(inbound))
        self._channel: RTCDataChannel = self._connection.createDataChannel("oai-events")
        self._opened = asyncio.Event()
        self._channel.on("open", self._opened.set)
        self._channel.on("message", on_message)
        self._connection.on("connectionstatechange", self._on_state)

    async def connect(self, negotiate: Callable[[str], Awaitable[str]]) -> None:
        """Connects, up to the open data channel.

        Args:
            negotiate: takes the SDP offer to the server and brings its answer.

        Raises:
            MediaError: no connection came about in time.
        """
        await self._connection.setLocalDescription(await self._connection.createOffer())
        answer = await negotiate(self._connection.localDescription.sdp)
        description = RTCSessionDescription(sdp=answer, type="answer")
        await self._connection.setRemoteDescription(description)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._opened.wait()
        except TimeoutError:
            raise MediaError("the server answered the call, but no connection came about") from None

    @property
    def worst_lateness_ms(self) -> float:
        """How far behind its clock the microphone has been: what this process adds to a figure."""
        return self._track.worst_lateness_ms

    def send(self, message: str) -> None:
        """Sends a message on the data channel."""
        self._channel.send(message)

    async def close(self) -> None:
        """Hangs up."""
        self._track.stop()
        await self._connection.close()
        self.closed.set()

    def _on_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self.closed.set()


class _MicrophoneTrack(MediaStreamTrack):
    """Encodes 20 ms at a time, when they are due."""

    kind = "audio"

    def __init__(self, microphone: Microphone, inbound: InboundAudio) -> None:
        super().__init__()
        self._microphone, self._inbound = microphone, inbound
        self._encoder = OpusEncoder(INPUT_RATE_HZ, BITRATE_BPS)
        self._pacer = Pacer(FRAME_MS / 1000)
        self._start_s: float | None = None
        self.worst_lateness_ms = 0.0

    async def recv(self) -> av.Packet:
        """Returns the next 20 ms as an encoded packet."""
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        if self._start_s is None:
            self._start_s = loop.time()
        due = self._pacer.next(loop.time())
        if due.wait_s > 0.0:
            await asyncio.sleep(due.wait_s)
        late_s = loop.time() - self._start_s - due.index * FRAME_MS / 1000
        self.worst_lateness_ms = max(self.worst_lateness_ms, 1000 * late_s)
        for _ in range(1 + due.skipped):
            self._inbound.tick()
        packet = av.Packet(self._encoder.encode(self._microphone(due.skipped)))
        packet.pts = due.index * _PACKET
        packet.time_base = _TIME_BASE
        return packet
