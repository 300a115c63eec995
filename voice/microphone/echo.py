"""What the session may hear of the microphone, so that it does not hear itself.

Either the echo of what is played is cancelled, and the user may speak at any time; or the
microphone is muted while the assistant sounds (half duplex); or neither, with headphones. When the
alarm finds that the assistant hears itself, half duplex it is from then on.

Its clock is frames of 10 ms: for each of the microphone, one of the loudspeaker. The two come from
devices with clocks of their own, in bursts; what the loudspeaker has played waits here for its
turn.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, Protocol

import numpy as np

from voice.microphone.alarm import EchoAlarm
from voice.microphone.frames import FRAME_MS, HEARD_SAMPLES

EchoMode = Literal["cancelled", "half-duplex", "off"]

TAIL_MS = 200
"""A room rings that long; the microphone stays muted after the last sound."""
AUDIBLE = 1e-3
"""Peak of a frame that sounds."""
CANCELLED_DELAY_MS = 150
"""A longer delay is taken out before the canceller, which looks no further than half a second."""
SPARE_FRAMES = 2
"""Of the loudspeaker, that may wait for the microphone because both come in bursts; a third of what
the loudspeaker's device buffers, if that is more."""
SETTLE_FRAMES = 100
"""How long more have to wait until the loudspeaker's clock is taken to be the faster one."""
MAX_WAITING_FRAMES = 200
"""Of the loudspeaker; beyond that the oldest are compared with nothing."""

SILENCE = np.zeros(HEARD_SAMPLES, np.float32)


class Canceller(Protocol):
    """Takes the echo of what is played out of what is heard; frames [HEARD_SAMPLES] at 16 kHz.

    Attributes:
        delay_ms: roughly, from `played` to the echo of it in `heard`.
    """

    delay_ms: int

    def played(self, frame: np.ndarray) -> None:
        """Takes what goes to the loudspeaker, before its echo comes."""

    def heard(self, frame: np.ndarray) -> np.ndarray:
        """What the microphone brings, without the echo."""


class EchoPath:
    """See the module.

    Args:
        mode: "cancelled" needs a canceller.
        canceller: of echo.
        delay_ms: from a frame's `played` to its echo in `heard`, as the devices say; not more.
    """

    def __init__(
        self, mode: EchoMode, canceller: Canceller | None = None, *, delay_ms: int = 0
    ) -> None:
        assert (canceller is not None) == (mode == "cancelled"), (mode, canceller)
        self.mode: EchoMode = mode
        self.has_alarm = False
        """Whether the assistant was found to hear itself."""
        self._canceller = canceller
        self._muted = self._mute_frames = 0
        self._early = max(0, delay_ms - CANCELLED_DELAY_MS) // FRAME_MS if canceller else 0
        self._spare = max(SPARE_FRAMES, delay_ms // (3 * FRAME_MS))
        self._played: deque[np.ndarray] = deque([SILENCE] * self._early)
        self._alarm = EchoAlarm()
        self._least_waiting, self._watched = MAX_WAITING_FRAMES, 0
        self._has_begun = False
        self.set_delay(delay_ms)

    def set_delay(self, delay_ms: int) -> None:
        """Follows the delay, as it is measured."""
        self._mute_frames = (delay_ms + TAIL_MS) // FRAME_MS
        if self._canceller is not None:
            self._canceller.delay_ms = max(0, delay_ms - self._early * FRAME_MS)

    @property
    def is_muted(self) -> bool:
        """Whether the session hears silence instead of the microphone."""
        return self.mode == "half-duplex" and self._muted > 0

    def played(self, frame: np.ndarray) -> None:
        """Takes what the loudspeaker was given [HEARD_SAMPLES] at 16 kHz, silence included."""
        if np.abs(frame).max() > AUDIBLE:
            self._muted = self._mute_frames
        self._played.append(frame)
        if len(self._played) > MAX_WAITING_FRAMES + self._early:
            self._played.popleft()

    def heard(self, frame: np.ndarray) -> np.ndarray:
        """What the session hears of a frame of the microphone [HEARD_SAMPLES] at 16 kHz."""
        played = self._next_played()
        if self._canceller is not None:
            self._canceller.played(played)
            frame = self._canceller.heard(frame)
        is_muted = self.is_muted
        self._muted = max(0, self._muted - 1)
        if self.mode != "half-duplex" and self._alarm.feed(played, frame):
            self.raise_alarm()
        return SILENCE if is_muted else frame

    def raise_alarm(self) -> None:
        """The assistant hears itself: half duplex from now on."""
        self.mode, self.has_alarm = "half-duplex", True
        self._canceller = None

    def _next_played(self) -> np.ndarray:
        if not self._has_begun:
            # What was played before the microphone was there leaves no echo in it.
            self._has_begun = True
            while len(self._played) > self._early + self._spare:
                self._played.popleft()
        waiting = len(self._played)
        self._watch(waiting)
        return self._played.popleft() if waiting else SILENCE

    def _watch(self, waiting: int) -> None:
        """Catches up with a loudspeaker that is ahead, be it for its clock or for a gap."""
        self._least_waiting = min(self._least_waiting, waiting)
        self._watched += 1
        if self._watched == SETTLE_FRAMES:
            for _ in range(self._least_waiting - self._early - self._spare):
                frame = self._played.popleft()
                if self._canceller is not None:
                    self._canceller.played(frame)
            self._least_waiting, self._watched = MAX_WAITING_FRAMES + self._early, 0
