"""Open devices: PortAudio calls back on threads of its own, the event loop does everything else.

A callback moves one frame of 10 ms between the device and a queue, and wakes the loop. It waits for
nothing. The queues are bounded:

| queue | full at | then |
|---|---|---|
| from the microphone | 5 s | the newest frame is dropped and counted |
| to the loudspeaker | whoever fills it keeps the `lead_frames` of `pump.Pump` | – |
| played, for the canceller | 5 s | the oldest frame is dropped |

Where the loudspeaker finds its queue empty, it plays silence and counts that. What goes wrong in a
callback, and a device that ends by itself, are kept in `failure`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from streaming.vad import SAMPLING_RATE
from voice.errors import DeviceUnavailable
from voice.microphone.devices import NAMES, Device, explained, portaudio
from voice.microphone.echo import SILENCE
from voice.microphone.frames import FRAME_MS, FrameResampler
from voice.playback import SAMPLE_RATE_HZ

MAX_WAITING_FRAMES = 500
LATENCY_MS = 120
"""Asked of devices: Python's threads share one lock, and a callback may have to wait for it."""
_LONGEST_LATENCY_S = 2.0
"""What a device says beyond that is no time."""


class _DeviceStream:
    """What both have in common.

    Args:
        device: to open.
        wake: called by any thread when there is something to do.
        latency_ms: asked of the device.
    """

    def __init__(
        self, device: Device, wake: Callable[[], None], latency_ms: int = LATENCY_MS
    ) -> None:
        self.device, self._wake = device, wake
        self._wanted_s = latency_ms / 1000
        self._measured_s: float | None = None
        self.failure: BaseException | None = None
        self.gaps = 0
        """Times at which the device had to wait for us, or had no room any more."""
        self._closes = False
        self._stream: Any = None

    @property
    def latency_ms(self) -> int:
        """Between the frame in a callback and the air: by the device's clock, on an average of
        about a second; before there is one, as it says."""
        measured_s = self._stream.latency if self._measured_s is None else self._measured_s
        return max(0, round(1000 * measured_s))

    def start(self) -> None:
        """Opens the device.

        Raises:
            DeviceUnavailable: it cannot be.
        """
        sounddevice = portaudio()
        kind, name = self.device.kind, self.device.name
        stream = sounddevice.InputStream if kind == "input" else sounddevice.OutputStream
        try:
            self._stream = stream(
                samplerate=self.device.rate,
                blocksize=self.device.rate * FRAME_MS // 1000,
                device=self.device.number,
                channels=self.device.channels,
                dtype="float32",
                latency=self._wanted_s,
                callback=self._call,
                finished_callback=self._finished,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise explained(error, kind, name) from error

    def close(self) -> None:
        """Closes it; twice is fine."""
        self._closes = True
        if self._stream is not None:
            self._stream.close()

    def _call(self, data: np.ndarray, frames: int, time: Any, status: Any) -> None:
        try:
            self._measure(self._latency_s(time))
            self.gaps += bool(status)
            self._move(data)
        except BaseException as error:
            self.failure = error
            self._wake()
            raise portaudio().CallbackAbort from error
        self._wake()

    def _finished(self) -> None:
        if not self._closes and self.failure is None:
            self.failure = DeviceUnavailable(
                f"the {NAMES[self.device.kind]} {self.device.name!r} has stopped: connect it again "
                "and start anew"
            )
        self._wake()

    def _measure(self, latency_s: float) -> None:
        if abs(latency_s) < _LONGEST_LATENCY_S:
            before_s = latency_s if self._measured_s is None else self._measured_s
            self._measured_s = before_s + 0.02 * (latency_s - before_s)

    def _latency_s(self, time: Any) -> float:
        raise NotImplementedError

    def _move(self, data: np.ndarray) -> None:
        raise NotImplementedError


class MicrophoneStream(_DeviceStream):
    """See `voice.microphone.pump.Microphone`."""

    def __init__(
        self, device: Device, wake: Callable[[], None], latency_ms: int = LATENCY_MS
    ) -> None:
        super().__init__(device, wake, latency_ms)
        self.dropped_frames = 0
        self._frames: deque[np.ndarray] = deque()
        self._resampler = FrameResampler(device.rate, SAMPLING_RATE)

    def take(self) -> list[np.ndarray]:
        """All frames that have come since."""
        frames = [self._frames.popleft() for _ in range(len(self._frames))]
        return [np.clip(self._resampler.feed(frame), -1, 1) for frame in frames]

    def _latency_s(self, time: Any) -> float:
        return float(time.currentTime - time.inputBufferAdcTime)

    def _move(self, data: np.ndarray) -> None:
        if len(self._frames) >= MAX_WAITING_FRAMES:
            self.dropped_frames += 1
        else:
            self._frames.append(data[:, 0].copy())


class LoudspeakerStream(_DeviceStream):
    """See `voice.microphone.pump.Loudspeaker`."""

    def __init__(
        self, device: Device, wake: Callable[[], None], latency_ms: int = LATENCY_MS
    ) -> None:
        super().__init__(device, wake, latency_ms)
        self.missing_frames = 0
        """That were wanted before they were there; before the first was there, none was."""
        self._was_fed = False
        self._waiting: deque[tuple[np.ndarray, np.ndarray]] = deque()
        self._played: deque[np.ndarray] = deque(maxlen=MAX_WAITING_FRAMES)
        self._resampler = FrameResampler(SAMPLE_RATE_HZ, device.rate)
        self._reference = FrameResampler(SAMPLE_RATE_HZ, SAMPLING_RATE)

    @property
    def waiting_frames(self) -> int:
        """How many it has yet to play."""
        return len(self._waiting)

    def put(self, frame: np.ndarray) -> None:
        """Takes a frame to play."""
        self._was_fed = True
        self._waiting.append((self._resampler.feed(frame), self._reference.feed(frame)))

    def take_played(self) -> list[np.ndarray]:
        """All frames that it has played since."""
        return [self._played.popleft() for _ in range(len(self._played))]

    def _latency_s(self, time: Any) -> float:
        return float(time.outputBufferDacTime - time.currentTime)

    def _move(self, data: np.ndarray) -> None:
        if self._waiting:
            sound, reference = self._waiting.popleft()
            data[:] = sound[:, None]
            self._played.append(reference)
        else:
            self.missing_frames += self._was_fed
            data.fill(0)
            self._played.append(SILENCE)
