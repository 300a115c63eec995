"""From an audio source to Opus packets."""

from web.media.codec import OPUS_RATE_HZ, OpusEncoder
from web.media.interface import FRAME_MS, AudioSource, MediaStatistics

SAMPLES_PER_PACKET = OPUS_RATE_HZ * FRAME_MS // 1000
"""What the RTP timestamp grows by from one packet to the next."""


class OutboundAudio:
    """Draws 20 ms on the source for each packet: speech or silence, whichever it has."""

    def __init__(self, source: AudioSource, bitrate_bps: int, statistics: MediaStatistics) -> None:
        self._source = source
        self._encoder = OpusEncoder(source.sample_rate, bitrate_bps)
        self._statistics = statistics

    async def next_packet(self) -> bytes:
        """Returns the next 20 ms, encoded."""
        samples = await self._source.read(self._encoder.frame_samples)
        self._statistics.sent_packets += 1
        return self._encoder.encode(samples)

    def skip(self, frames: int) -> None:
        """Notes time that was not sent. The source is not read: nothing of what it has is lost."""
        self._statistics.skipped_ms += frames * FRAME_MS
