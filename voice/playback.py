"""What the user hears, and how much of it: a buffer that is pulled.

Whoever calls `read` is the clock: what was read counts as played. Speech is held and stopped at a
known sample; a fade of 10 ms hides the edge, and the faded samples count as not played, so that a
held reply goes on from the very sample.

One lock guards the buffer, since a transport may read on a thread of its own; nothing waits under
it. The buffer is bounded by whoever fills it: `waiting_s` says how much is still to be heard, and
`Moment.LOW` that it falls below `LOW_WATER_S`.
"""

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum

import numpy as np

SAMPLE_RATE_HZ = 24_000
"""Of all sound that leaves a session."""

FADE_SAMPLES = SAMPLE_RATE_HZ // 100
"""10 ms."""


LOW_WATER_S = 2.0
"""With less than this to play, a reply's next sentence is spoken."""


class Moment(Enum):
    """What a listener of the playback is told."""

    STARTED = "the first sample has been played"
    LOW = "less than `LOW_WATER_S` is left to play"
    ENDED = "the last sample has been played"


class Playback:
    """The sound of one reply at a time.

    Args:
        on_moment: called with each moment and the number of the reply, on the thread that reads.
        on_read: called with what was read, on the same thread, before.
    """

    sample_rate = SAMPLE_RATE_HZ

    def __init__(
        self,
        on_moment: Callable[[Moment, int], None],
        on_read: Callable[[np.ndarray], None] = lambda samples: None,
    ) -> None:
        self._on_moment, self._on_read = on_moment, on_read
        self._lock = threading.Lock()
        self._held = self._is_low = self._complete = self._ended = False
        self._clear(0)
        self._tail = np.zeros(0, np.float32)

    def read(self, count: int) -> np.ndarray:
        """The next `count` samples, speech or silence; any thread may call it."""
        moments: list[tuple[Moment, int]] = []
        with self._lock:
            out = np.zeros(count, np.float32)
            tail = self._tail[:count]
            out[: len(tail)] = tail
            self._tail = self._tail[count:]
            if not self._held:
                taken = self._take(count)
                out[: len(taken)] += taken
                if len(taken):
                    if self._position == len(taken):
                        moments.append((Moment.STARTED, self._reply))
                    low = self._length - self._position < LOW_WATER_S * SAMPLE_RATE_HZ
                    if low and not self._is_low:
                        moments.append((Moment.LOW, self._reply))
                    self._is_low = low
                if self._complete and not self._blocks and not self._ended:
                    self._ended = True
                    moments.append((Moment.ENDED, self._reply))
        self._on_read(out)
        for moment in moments:
            self._on_moment(*moment)
        return out

    @property
    def waiting_s(self) -> float:
        """How much sound is still to be played, s."""
        with self._lock:
            return (self._length - self._position) / SAMPLE_RATE_HZ

    @property
    def position(self) -> int:
        """Samples of the reply that have been played; of a stopped one, too."""
        with self._lock:
            return self._position

    def begin(self, reply: int) -> None:
        """From now on there is the sound of another reply; the old one is stopped if it is on."""
        with self._lock:
            self._fade_out()
            self._clear(reply)

    def append(self, samples: np.ndarray) -> None:
        """Adds float32 sound [samples]; after a stop it is lost."""
        with self._lock:
            if not self._complete and len(samples):
                self._blocks.append(samples)
                self._length += len(samples)
                self._is_low = False

    @property
    def length(self) -> int:
        """Samples of the reply so far, played or not: where the next block begins."""
        with self._lock:
            return self._length

    def finish(self) -> None:
        """No more sound will come."""
        with self._lock:
            self._complete = True

    def hold(self) -> int:
        """Fades out and keeps the rest; the sample to go on from."""
        with self._lock:
            if not self._held:
                self._fade_out()
                self._held = True
            return self._position

    def resume(self) -> None:
        """Goes on from the sample where it was held, faded in."""
        with self._lock:
            if self._held:
                self._held, self._faded_in = False, 0

    def stop(self) -> int:
        """Fades out and drops the rest; the sample where it stopped."""
        with self._lock:
            self._fade_out()
            self._blocks.clear()
            self._length, self._complete, self._ended = self._position, True, True
            return self._position

    def _clear(self, reply: int) -> None:
        self._reply = reply
        self._blocks: deque[np.ndarray] = deque()
        self._length = self._position = 0
        self._faded_in = FADE_SAMPLES  # a reply's own start needs no fade
        self._held = self._is_low = False
        self._complete = self._ended = reply == 0

    def _take(self, count: int) -> np.ndarray:
        """Plays up to `count` samples."""
        pieces = []
        missing = count
        while missing and self._blocks:
            block = self._blocks.popleft()
            pieces.append(block[:missing])
            if len(block) > missing:
                self._blocks.appendleft(block[missing:])
            missing -= len(pieces[-1])
        taken = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        self._position += len(taken)
        length = min(FADE_SAMPLES - self._faded_in, len(taken))
        taken[:length] *= np.arange(self._faded_in, self._faded_in + length) / FADE_SAMPLES
        self._faded_in += length
        return taken

    def _fade_out(self) -> None:
        """What is being played ends softly; it stays in the buffer, and is not counted."""
        if self._held or self._position == 0 or not self._blocks:
            return
        pieces = []
        missing = FADE_SAMPLES
        for block in self._blocks:
            pieces.append(block[:missing])
            missing -= len(pieces[-1])
            if not missing:
                break
        end = np.concatenate(pieces)
        self._tail = end * np.linspace(1, 0, len(end), dtype=np.float32)
