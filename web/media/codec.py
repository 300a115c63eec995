"""Opus to samples and back, with libopus through PyAV, and resampling that keeps its state."""

import av
import av.error
import numpy as np

from web.media.interface import FRAME_MS

OPUS_RATE_HZ = 48_000
"""Of RTP timestamps and of what libav decodes, whatever was encoded (RFC 7587)."""

_ENCODER_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


class OpusDecoder:
    """Opus packets to float32 mono at 48 kHz."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = OPUS_RATE_HZ

    def decode(self, payload: bytes) -> np.ndarray:
        """Returns the samples of one packet, [samples]; none where it is damaged."""
        try:
            frames = self._codec.decode(av.Packet(payload))
        except (av.error.FFmpegError, ValueError):
            return np.zeros(0, np.float32)
        parts = [frame.to_ndarray()[0] for frame in frames]
        if not parts:
            return np.zeros(0, np.float32)
        return np.concatenate(parts).astype(np.float32) / 32768.0


class OpusEncoder:
    """Frames of 20 ms, float32 mono at one of Opus's own rates, to packets: nothing is resampled.

    In-band error correction is on: browsers repair single losses with it.

    Raises:
        ValueError: a rate that Opus does not know.
    """

    def __init__(self, sample_rate: int, bitrate_bps: int) -> None:
        if sample_rate not in _ENCODER_RATES_HZ:
            raise ValueError(
                f"Opus has no sample rate {sample_rate} Hz: use one of {_ENCODER_RATES_HZ}"
            )
        self.frame_samples = sample_rate * FRAME_MS // 1000
        self._rate = sample_rate
        self._position = 0
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = sample_rate
        self._codec.bit_rate = bitrate_bps
        self._codec.options = {"application": "voip", "fec": "1", "packet_loss": "5"}

    def encode(self, samples: np.ndarray) -> bytes:
        """Returns the packet of exactly one frame; what is beyond [-1, 1] is clamped."""
        assert samples.shape == (self.frame_samples,), samples.shape
        scaled = (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(scaled[None], format="s16", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._position
        self._position += len(samples)
        packets = self._codec.encode(frame)
        assert len(packets) == 1, len(packets)
        return bytes(packets[0])
