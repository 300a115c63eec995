"""WebRTC's echo canceller (AEC3), as the package livekit brings it; no server of it is needed."""

from __future__ import annotations

import importlib.util

import numpy as np

from streaming.vad import SAMPLING_RATE
from voice.microphone.frames import HEARD_SAMPLES

_FULL_SCALE = 32767
_LONGEST_DELAY_MS = 500
"""That WebRTC takes."""


def is_installed() -> bool:
    """Whether there is a canceller."""
    try:
        return importlib.util.find_spec("livekit.rtc") is not None
    except ModuleNotFoundError:
        return False


class WebRtcCanceller:
    """See `voice.microphone.echo.Canceller`."""

    def __init__(self) -> None:
        from livekit import rtc

        self._frame, self._open = rtc.AudioFrame, rtc.AudioProcessingModule
        self.delay_ms = 0
        self.reset()

    def reset(self) -> None:
        """Forgets what was learnt of the echo. For its first seconds a canceller takes out rather
        too much; one whose echo moves lets it through until it has found it again."""
        # The canceller alone: gates and gain would change what the model hears of the user.
        self._module = self._open(echo_cancellation=True)

    def played(self, frame: np.ndarray) -> None:
        """Takes what goes to the loudspeaker."""
        self._module.process_reverse_stream(self._as_frame(frame))

    def heard(self, frame: np.ndarray) -> np.ndarray:
        """What the microphone brings, without the echo."""
        processed = self._as_frame(frame)
        self._module.set_stream_delay_ms(min(self.delay_ms, _LONGEST_DELAY_MS))
        self._module.process_stream(processed)
        return np.array(processed.data, np.int16).astype(np.float32) / _FULL_SCALE

    def _as_frame(self, frame: np.ndarray):  # type: ignore[no-untyped-def]  # may be missing
        samples = (np.clip(frame, -1, 1) * _FULL_SCALE).astype(np.int16)
        return self._frame(samples.tobytes(), SAMPLING_RATE, 1, HEARD_SAMPLES)
