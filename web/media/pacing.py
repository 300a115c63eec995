"""When the next frame of audio is due, by a monotonic clock."""

from dataclasses import dataclass

MAX_LATENESS_S = 0.1


@dataclass(frozen=True, slots=True)
class Due:
    """The next frame."""

    wait_s: float
    """From now; 0: at once."""
    index: int
    """Of the frame, counted in frames of time since the start."""
    skipped: int
    """Frames that will never be sent because their time has passed."""


class Pacer:
    """Frame n is due at start + n · period, however long each took to make.

    Who comes a little late catches up; who comes later than `MAX_LATENESS_S` goes on from now:
    frames sent in a burst would only lengthen the listener's buffer, for the rest of the call.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._start_s: float | None = None
        self._next = 0

    def next(self, now_s: float) -> Due:
        """Returns when the next frame is due; each call is one frame."""
        if self._start_s is None:
            self._start_s = now_s
        wait_s = self._start_s + self._next * self._period_s - now_s
        skipped = 0
        if wait_s < -MAX_LATENESS_S:
            skipped = int(-wait_s / self._period_s)
            self._next += skipped
            wait_s = 0.0
        index, self._next = self._next, self._next + 1
        return Due(max(0.0, wait_s), index, skipped)
