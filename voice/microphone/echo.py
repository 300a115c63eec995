"""What the session may hear of the microphone, so that it does not hear itself.

Either the echo of what is played is cancelled, and the user may speak at any time; or the
microphone is muted while the assistant sounds (half duplex); or neither, with headphones. When the
alarm finds that the assistant hears itself, half duplex it is from then on.

Its clock is frames of 10 ms: for each of the microphone, one of the loudspeaker. The two come from
devices with clocks of their own, in bursts. A canceller needs the same distance between both at all
times, so whichever comes early waits here for the other. Before the first sound the distance is
chosen so that bursts find room; later it changes only where one clock has run away from the other,
and the canceller begins anew: it takes out too much then, where it would let echo through.
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
FIRST_FRAMES = 100
"""Of the microphone, that show how unevenly the devices' frames come."""
SETTLE_FRAMES = 1000
"""How long one side has to be ahead all the time until its clock is taken to be the faster one."""
FAR_FRAMES = 10
"""How far ahead, beyond what bursts explain, the loudspeaker may be."""
LATE_FRAMES = 4
"""How long each frame of the microphone may wait before the distance is changed for it."""
MAX_HELD_FRAMES = 20
"""Of the microphone, that wait for the loudspeaker; then silence stands in for half of them."""
LEAST_DELAY_MS = 75
"""Between a sound and its echo, for the canceller; what devices say is not exact."""
QUIET_FRAMES = 50
"""After so many without sound, the distance may change: there is no echo to be heard."""
MAX_WAITING_FRAMES = 200
"""Of the loudspeaker; beyond that the oldest are compared with nothing."""

SILENCE = np.zeros(HEARD_SAMPLES, np.float32)


def is_audible(frame: np.ndarray) -> bool:
    """Whether a frame sounds."""
    return bool(np.abs(frame).max() > AUDIBLE)


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

    def reset(self) -> None:
        """The echo comes at another distance from now on."""


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
        self._early = self._latest = 0
        self._spare = SPARE_FRAMES
        self._played: deque[np.ndarray] = deque()
        self._held: deque[np.ndarray] = deque()
        self._alarm = EchoAlarm()
        self._ahead: deque[int] = deque(maxlen=SETTLE_FRAMES)
        self._has_begun = self._has_sounded = False
        self._silent = QUIET_FRAMES
        self.set_delay(delay_ms)
        self._played.extend([SILENCE] * self._early)

    def set_delay(self, delay_ms: int) -> None:
        """Follows the delay, as it is measured."""
        self._mute_frames = (delay_ms + TAIL_MS) // FRAME_MS
        if self._canceller is not None:
            if not self._has_sounded:
                self._early = max(0, delay_ms - CANCELLED_DELAY_MS) // FRAME_MS
                self._latest = max(0, delay_ms - LEAST_DELAY_MS) // FRAME_MS
                self._spare = max(SPARE_FRAMES, delay_ms // (3 * FRAME_MS))
            self._canceller.delay_ms = max(0, delay_ms - self._early * FRAME_MS)

    @property
    def is_muted(self) -> bool:
        """Whether the session hears silence instead of the microphone."""
        return self.mode == "half-duplex" and self._muted > 0

    def played(self, frame: np.ndarray) -> None:
        """Takes what the loudspeaker was given [HEARD_SAMPLES] at 16 kHz, silence included."""
        if is_audible(frame):
            self._muted = self._mute_frames
            self._has_sounded = True
        self._played.append(frame)
        if len(self._played) > MAX_WAITING_FRAMES + self._early:
            self._played.popleft()

    def heard(self, frame: np.ndarray) -> list[np.ndarray]:
        """What the session may hear, now that a frame of the microphone has come
        [HEARD_SAMPLES] at 16 kHz: none while it waits for the loudspeaker, or several."""
        if not self._has_begun:
            # What was played before the microphone was there leaves no echo in it.
            self._has_begun = True
            while len(self._played) > self._early + self._spare:
                self._played.popleft()
        self._held.append(frame)
        if len(self._held) > MAX_HELD_FRAMES:
            self._played.extend([SILENCE] * (MAX_HELD_FRAMES // 2))
            self.start_anew()
        passed = []
        while self._held and (self._played or self._canceller is None):
            played = self._played.popleft() if self._played else SILENCE
            passed.append(self._pass(played, self._held.popleft()))
        self._watch()
        return passed

    def _pass(self, played: np.ndarray, frame: np.ndarray) -> np.ndarray:
        self._silent = 0 if is_audible(played) else self._silent + 1
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

    def _watch(self) -> None:
        """Gives bursts room before the first sound; later, follows a clock that runs away."""
        self._ahead.append(len(self._played) - len(self._held))
        frames = SETTLE_FRAMES if self._has_sounded else FIRST_FRAMES
        if len(self._ahead) < frames or self._silent < QUIET_FRAMES:
            return
        least, most = min(self._ahead), max(self._ahead)
        too_many = least - self._early - self._spare
        if self._has_sounded:
            missing = -most if -most >= LATE_FRAMES else 0
        else:
            mean = sum(self._ahead) // len(self._ahead)
            missing = min(self._early - least, self._latest - mean)
        if too_many > (FAR_FRAMES if self._has_sounded else 0):
            for _ in range(too_many):
                self._played.popleft()
        elif missing > 0:
            self._played.extend([SILENCE] * missing)
        else:
            return
        self.start_anew()

    def start_anew(self) -> None:
        """The distance between sound and echo is another: what was learnt of it is void."""
        self._ahead.clear()
        if self._canceller is not None and self._has_sounded:
            self._canceller.reset()
