"""From RTP packets of Opus to samples on a steady clock, whatever the network does to them."""

import numpy as np

from voice.resampling import Resampler
from web.media.codec import OPUS_RATE_HZ, OpusDecoder
from web.media.interface import FRAME_MS, INPUT_RATE_HZ, AudioSink, MediaStatistics
from web.media.jitter import EncodedAudio, JitterBuffer

STARVED_AFTER_MS = 100
"""Without a packet for so long, silence is heard until one comes: the session's time is samples."""

_FRAME = OPUS_RATE_HZ * FRAME_MS // 1000
_MAX_GAP = 2 * OPUS_RATE_HZ
"""A gap beyond two seconds is a clock that was set anew, not a loss."""


class InboundAudio:
    """Feeds a sink: packets go in with `receive`, and `tick` lets 20 ms pass.

    What is missing between two packets, by their timestamps, is filled in: the last sound mirrored
    and faded out over 20 ms, then silence. Where no packets come at all, time still passes.
    """

    def __init__(self, sink: AudioSink, statistics: MediaStatistics) -> None:
        self._sink = sink
        self._statistics = statistics
        self._jitter = JitterBuffer()
        self._decoder = OpusDecoder()
        self._resampler = Resampler(OPUS_RATE_HZ, INPUT_RATE_HZ)
        self._expected: int | None = None  # timestamp of the next packet if nothing is lost
        self._last = np.zeros(_FRAME, np.float32)
        self._quiet_ms = 0  # since the last packet
        self._starved = 0  # samples of silence since then

    def receive(self, sequence: int, timestamp: int, payload: bytes) -> None:
        """Takes one packet in and hands on what is due."""
        self._statistics.packets += 1
        self._quiet_ms = 0
        if payload:  # else padding: a probe of the sender's
            for audio in self._jitter.add(sequence, timestamp, payload):
                self._play(audio)
            self._statistics.late_packets = self._jitter.late_packets

    def tick(self) -> None:
        """Lets 20 ms pass."""
        self._quiet_ms += FRAME_MS
        if self._quiet_ms > STARVED_AFTER_MS:
            self._starved += _FRAME
            self._statistics.starved_ms += FRAME_MS
            self._hear(np.zeros(_FRAME, np.float32))

    def _play(self, audio: EncodedAudio) -> None:
        if self._expected is not None:
            gap = (audio.timestamp - self._expected) & 0xFFFF_FFFF
            if 0 < gap <= _MAX_GAP:
                self._conceal(gap - self._starved)
        self._starved = 0
        samples = self._decoder.decode(audio.payload)
        self._expected = (audio.timestamp + len(samples)) & 0xFFFF_FFFF
        if len(samples):
            self._last = samples
            self._hear(samples)

    def _conceal(self, count: int) -> None:
        if count <= 0:
            return
        filled = np.zeros(count, np.float32)
        # Mirrored, it joins on without a step.
        mirrored = self._last[::-1][: min(count, _FRAME)]
        filled[: len(mirrored)] = mirrored * np.linspace(1.0, 0.0, len(mirrored), dtype=np.float32)
        self._statistics.concealed_ms += 1000 * count / OPUS_RATE_HZ
        self._hear(filled)

    def _hear(self, samples: np.ndarray) -> None:
        resampled = self._resampler.feed(samples)
        if len(resampled):
            self._sink.hear(resampled)
