"""Frames from the microphone to the session, and from the session to the loudspeaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from voice.microphone.alarm import rms
from voice.microphone.echo import EchoPath
from voice.microphone.frames import FRAME_MS, SPOKEN_SAMPLES

if TYPE_CHECKING:
    from voice.session import Session


def lead_frames(latency_ms: int) -> int:
    """How many frames wait for a loudspeaker that buffers so much, so that it can go on while the
    event loop is busy. They count as heard, though they are not yet. Devices take a third of their
    buffer in one go."""
    return latency_ms // (3 * FRAME_MS) + 3


class Microphone(Protocol):
    """Where sound comes from."""

    def take(self) -> Sequence[np.ndarray]:
        """All frames that have come since: [HEARD_SAMPLES] each."""


class Loudspeaker(Protocol):
    """Where sound goes to."""

    @property
    def waiting_frames(self) -> int:
        """How many it has yet to play."""

    def put(self, frame: np.ndarray) -> None:
        """Takes a frame to play [SPOKEN_SAMPLES]."""

    def take_played(self) -> Sequence[np.ndarray]:
        """All frames that it has played since, silence where it had none: [HEARD_SAMPLES] each, at
        the rate of the microphone."""


class Pump:
    """See the module. Called on the event loop's thread; whoever calls `step` has it all done.

    Args:
        session: hears and speaks; its playback is pulled.
        path: says what it may hear.
        microphone, loudspeaker: see there.
        lead: frames that wait for the loudspeaker.
    """

    def __init__(
        self,
        session: Session,
        path: EchoPath,
        microphone: Microphone,
        loudspeaker: Loudspeaker,
        lead: int = 7,
    ) -> None:
        self._lead = lead
        self._session, self._path = session, path
        self._microphone, self._loudspeaker = microphone, loudspeaker
        self.level = 0.0
        """RMS of the last frame of the microphone."""
        self.frames = 0
        """Of the microphone, so far."""

    def step(self) -> None:
        """Moves all frames that there are."""
        for frame in self._loudspeaker.take_played():
            self._path.played(frame)
        while self._loudspeaker.waiting_frames < self._lead:
            self._loudspeaker.put(self._session.playback.read(SPOKEN_SAMPLES))
        for frame in self._microphone.take():
            self.frames += 1
            self.level = rms(frame)
            for passed in self._path.heard(frame):
                self._session.hear(passed)
