"""Sound from one rate to another, by libswresample through PyAV."""

from __future__ import annotations

import av
import numpy as np


class Resampler:
    """Float32 mono from one rate to another: any split gives the samples of the whole."""

    def __init__(self, source_rate: int, rate: int) -> None:
        self._source_rate, self._rate = source_rate, rate
        self._resampler = self._new()

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """Returns what is certain so far; the last millisecond waits for what comes next."""
        if self._resampler is None or not len(samples):
            return samples.astype(np.float32, copy=False)
        values = np.ascontiguousarray(samples, np.float32)[None]
        frame = av.AudioFrame.from_ndarray(values, format="flt", layout="mono")
        frame.sample_rate = self._source_rate
        return self._collect(frame)

    def flush(self) -> np.ndarray:
        """Returns the rest; the next `feed` begins a new stream."""
        if self._resampler is None:
            return np.zeros(0, np.float32)
        rest = self._collect(None)
        self._resampler = self._new()  # one that was flushed takes nothing any more
        return rest

    def scale(self, sample: int) -> int:
        """Where a sample of the input is in the output."""
        return sample * self._rate // self._source_rate

    def _new(self) -> av.AudioResampler | None:
        if self._source_rate == self._rate:
            return None
        return av.AudioResampler(format="flt", layout="mono", rate=self._rate)

    def _collect(self, frame: av.AudioFrame | None) -> np.ndarray:
        assert self._resampler is not None
        parts = [each.to_ndarray()[0] for each in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
