"""The frames that go through here: 10 ms, float32 mono, at a rate that changes on the way."""

from __future__ import annotations

import numpy as np

from streaming.vad import SAMPLING_RATE
from voice.playback import SAMPLE_RATE_HZ
from voice.resampling import Resampler

FRAME_MS = 10
HEARD_SAMPLES = SAMPLING_RATE * FRAME_MS // 1000
"""Of a frame on its way to the session, and of one that the canceller compares it with."""
SPOKEN_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
"""Of a frame that the session speaks."""

_HEAD_START_MS = 3
"""More than the resampler ever keeps back; so much later the sound comes out."""


class FrameResampler:
    """Frames of 10 ms from one rate to another; both are multiples of 100 Hz."""

    def __init__(self, source_rate: int, rate: int) -> None:
        self._count = rate * FRAME_MS // 1000
        self._resampler = Resampler(source_rate, rate)
        head_start = 0 if source_rate == rate else rate * _HEAD_START_MS // 1000
        self._waiting = np.zeros(head_start, np.float32)

    def feed(self, frame: np.ndarray) -> np.ndarray:
        """A frame at the one rate [samples] → one at the other [samples]."""
        waiting = np.concatenate((self._waiting, self._resampler.feed(frame)))
        assert len(waiting) >= self._count, (len(waiting), self._count)
        self._waiting = waiting[self._count :]
        return waiting[: self._count]
