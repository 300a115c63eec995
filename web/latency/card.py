"""A sound card without a sound card: what a caller says and hears, on one clock, recorded.

Every tick is a frame of 20 ms. As with a real card, a frame of the microphone is complete only when
its last sample has been taken, and a frame for the speaker begins to sound when it is handed over:
in the recording, what is sent at a tick lies before it, and what is played lies after it.
"""

from __future__ import annotations

from collections import deque

import numpy as np

RATE_HZ = 16_000
"""Of both channels."""

FRAME = RATE_HZ // 50

MOST_WAITING = 3 * FRAME
"""Received sound beyond this is cut down to `LEFT_WAITING`: after a stall it would delay the rest
of the call."""

LEFT_WAITING = FRAME


class SoundCard:
    """See the module. A transport calls `tick` every 20 ms and `hear` with what it receives.

    Attributes:
        missed_frames: ticks that this process came too late for, of which nothing was sent.
    """

    def __init__(self) -> None:
        self.missed_frames = 0
        self._to_say: deque[np.ndarray] = deque()
        self._received = np.zeros(0, np.float32)
        self._said: list[np.ndarray] = []
        self._heard: list[np.ndarray] = [np.zeros(FRAME, np.float32)]

    @property
    def position(self) -> int:
        """The sample of the recording at which the next frame of the microphone begins."""
        return len(self._said) * FRAME

    @property
    def is_silent(self) -> bool:
        """Whether all that was to be said has been said."""
        return not self._to_say

    def say(self, samples: np.ndarray) -> int:
        """Says float32 mono 16 kHz [samples] after what is to be said already.

        Returns:
            The sample of the recording at which it begins.
        """
        start = self.position + len(self._to_say) * FRAME
        padded = np.concatenate([samples, np.zeros(-len(samples) % FRAME, np.float32)])
        self._to_say.extend(padded.astype(np.float32, copy=False).reshape(-1, FRAME))
        return start

    def hear(self, samples: np.ndarray) -> None:
        """Takes float32 mono 16 kHz [samples] from the other side; played from the next tick on."""
        self._received = np.concatenate([self._received, samples])
        if len(self._received) > MOST_WAITING:
            self._received = self._received[-LEFT_WAITING:]

    def tick(self, missed: int = 0) -> np.ndarray:
        """Lets 20 ms pass, and before them so many more of which nothing was sent.

        Returns:
            What the microphone took in: float32 [FRAME].
        """
        self.missed_frames += missed
        for _ in range(missed):
            self._said.append(np.zeros(FRAME, np.float32))
            self._play()
        said = self._to_say.popleft() if self._to_say else np.zeros(FRAME, np.float32)
        self._said.append(said)
        self._play()
        return said

    def recent(self, count: int) -> np.ndarray:
        """The last `count` samples of the recording; see there."""
        frames = -(-count // FRAME)
        said, heard = self._said[-frames:], self._heard[: len(self._said)][-frames:]
        both = [np.concatenate([*each, np.zeros(0)]) for each in (said, heard)]
        return np.stack(both, axis=1)[-count:].astype(np.float32)

    def recording(self) -> np.ndarray:
        """Float32 [samples, 2]: what was said and what was heard, sample by sample at once."""
        length = len(self._said) * FRAME
        said, heard = np.concatenate([*self._said, np.zeros(0)]), np.concatenate(self._heard)
        return np.stack([said[:length], heard[:length]], axis=1).astype(np.float32)

    def _play(self) -> None:
        frame = np.zeros(FRAME, np.float32)
        taken = self._received[:FRAME]
        frame[: len(taken)] = taken
        self._received = self._received[FRAME:]
        self._heard.append(frame)
