"""A question as it is spoken to a Realtime session: frames for the wire, and when each may go."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streaming.vad import WINDOW_SAMPLES, VoiceDetector
from voice.audio_file import SAMPLE_RATE_HZ
from voice.resampling import Resampler

Pace = Literal["fast", "real"]

WIRE_RATE_HZ = 24_000
"""Of PCM in the Realtime API."""
FRAME_S: dict[Pace, float] = {"fast": 0.1, "real": 0.02}
_MOST_AHEAD_S = 50.0
"""A session takes in 60 s of a turn before the model has heard any of them, and drops more."""


@dataclass(frozen=True, slots=True)
class WireFrame:
    """A piece of sound.

    Attributes:
        audio: base64 of 16-bit PCM.
        end_s: where it ends in the clip.
    """

    audio: str
    end_s: float


def wire_frames(samples: np.ndarray, pace: Pace, start_s: float = 0.0) -> Iterator[WireFrame]:
    """Cuts float32 mono 16 kHz [samples], which begin at ``start_s``, into frames."""
    resampler = Resampler(SAMPLE_RATE_HZ, WIRE_RATE_HZ)
    wire = np.concatenate([resampler.feed(samples), resampler.flush()])
    values = (np.clip(wire, -1.0, 1.0) * 32767.0).astype("<i2")
    length = round(FRAME_S[pace] * WIRE_RATE_HZ)
    for first in range(0, len(values), length):
        frame = values[first : first + length]
        end_s = start_s + (first + len(frame)) / WIRE_RATE_HZ
        yield WireFrame(base64.b64encode(frame.tobytes()).decode("ascii"), end_s)


def end_of_voice_s(samples: np.ndarray) -> float:
    """Where speech ends in a clip, by the detector of live sessions; its end if there is none."""
    missing = -len(samples) % WINDOW_SAMPLES
    windows = VoiceDetector().feed(np.pad(samples, (0, missing)))
    voiced = [each.start_sample for each in windows if each.is_voiced]
    last = voiced[-1] + WINDOW_SAMPLES if voiced else len(samples)
    return min(last, len(samples)) / SAMPLE_RATE_HZ


class Pacer:
    """Lets sound go when it may.

    Args:
        pace: ``real``: as a microphone delivers it, each frame when its last sample has been
            recorded. ``fast``: at once, as far ahead of that as a session takes sound.
        clock: seconds.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._ahead_s = _MOST_AHEAD_S if pace == "fast" else 0.0
        self._clock, self._sleep = clock, sleep
        self._start = clock()

    async def wait(self, end_s: float) -> None:
        """Returns when the frame that ends there may be sent."""
        delay = self._start + end_s - self._ahead_s - self._clock()
        if delay > 0:
            await self._sleep(delay)
