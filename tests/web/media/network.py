"""A peer for calls, deterministic Opus and sounds; and a network that loses what it is told to."""

import asyncio
from collections.abc import Iterator

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from web.media.codec import OPUS_RATE_HZ, OpusEncoder

FRAME = OPUS_RATE_HZ // 50


def tone(hz: float, seconds: float, rate: int) -> np.ndarray:
    """A sine of amplitude 0.5."""
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency, Hz; 0 in silence."""
    if not np.abs(samples).max(initial=0.0) > 0.01:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def opus_packets(samples: np.ndarray, rate: int = OPUS_RATE_HZ) -> Iterator[tuple[int, int, bytes]]:
    """Sequence number, timestamp and payload of each 20 ms."""
    encoder = OpusEncoder(rate, 32_000)
    step = encoder.frame_samples
    for index in range(len(samples) // step):
        payload = encoder.encode(samples[index * step : (index + 1) * step])
        yield index, index * FRAME, payload


class HeardSink:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def hear(self, samples: np.ndarray) -> None:
        assert samples.dtype == np.float32
        self.parts.append(samples)

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.float32), *self.parts])


class ToneSource:
    """A tone without end; counts what is read."""

    sample_rate = 24_000

    def __init__(self, hz: float) -> None:
        self.hz = hz
        self.position = 0

    async def read(self, count: int) -> np.ndarray:
        times = (self.position + np.arange(count)) / self.sample_rate
        self.position += count
        return (0.5 * np.sin(2 * np.pi * self.hz * times)).astype(np.float32)


async def offer_of(peer: RTCPeerConnection) -> str:
    """The peer's offer, with its candidates."""
    await peer.setLocalDescription(await peer.createOffer())
    return peer.localDescription.sdp


async def accept(peer: RTCPeerConnection, answer: str) -> None:
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))


def new_peer() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


async def until(condition, timeout_s: float = 10.0) -> None:
    """Waits for what a live call brings about."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
