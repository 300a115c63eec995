"""Whether the assistant hears itself.

Two signs, neither of which a person gives by talking over it:

*In the sound.* The microphone's sound, after all that is done against echo, is compared with what
was played, at every delay up to a second. Other speech is a little like it, at changing delays; an
echo is more like it, the less the room rings, and at one delay. `HITS` windows that are alike at
the same delay, and reach over more than one window's length, are an echo.

*In the words.* A turn that began under a reply and says, in order, what that reply was saying.

Time is frames of 10 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

from streaming.vad import SAMPLING_RATE
from voice.microphone.frames import FRAME_MS, HEARD_SAMPLES

WINDOW_FRAMES = 40
HOP_FRAMES = 10
LONGEST_ECHO_FRAMES = 100

LIKENESS = 0.3
"""Correlation from which on sound may be an echo of what was played."""
HITS = 5
APART_FRAMES = 60
"""From the first hit to the last: windows that overlap say the same twice."""
MEMORY_FRAMES = 2000
"""How long a window counts: an assistant that interrupts itself leaves few in a row."""
SAME_DELAY_SAMPLES = 8 * SAMPLING_RATE // 1000
"""A room's reflections are that far apart, and one may be as loud as the other."""
QUIET = 10 ** (-55 / 20)
"""RMS below which nothing would be taken for speech."""

PARROTED_WORDS = 4
PARROTED_SHARE = 0.7


class EchoAlarm:
    """The sign in the sound; see the module."""

    def __init__(self) -> None:
        self._played: deque[np.ndarray] = deque(maxlen=WINDOW_FRAMES + LONGEST_ECHO_FRAMES)
        self._heard: deque[np.ndarray] = deque(maxlen=WINDOW_FRAMES)
        self._frames = 0
        self._hits: deque[tuple[int, int]] = deque()  # frame, delay in samples

    def feed(self, played: np.ndarray, heard: np.ndarray) -> bool:
        """Takes a frame of either [HEARD_SAMPLES]; true at the moment when the alarm is raised."""
        self._played.append(played)
        self._heard.append(heard)
        self._frames += 1
        is_full = len(self._played) == self._played.maxlen
        if self._frames % HOP_FRAMES or not is_full:
            return False
        now = np.concatenate(self._heard)
        before = np.concatenate(self._played)
        if rms(now) < QUIET or rms(before) < QUIET:
            return False
        delay, alike = likeness(before, now)
        if alike < LIKENESS:
            return False
        while self._hits and self._hits[0][0] < self._frames - MEMORY_FRAMES:
            self._hits.popleft()
        self._hits.append((self._frames, delay))
        same = [at for at, each in self._hits if abs(each - delay) <= SAME_DELAY_SAMPLES]
        if len(same) < HITS or same[-1] - same[0] < APART_FRAMES:
            return False
        self._hits.clear()
        return True


def likeness(before: np.ndarray, now: np.ndarray) -> tuple[int, float]:
    """The delay, in samples, at which what was played is most like what is heard; and how like.

    Args:
        before: played [samples], up to the end of `now`.
        now: heard [fewer samples].

    Returns:
        The delay, and the correlation there, 0 to 1.
    """
    # Differences: else everything with a low voice is alike.
    before, now = np.diff(before), np.diff(now)
    size = 1 << (len(before) + len(now) - 1).bit_length()
    spectrum = np.fft.rfft(before, size) * np.conj(np.fft.rfft(now, size))
    products = np.fft.irfft(spectrum, size)[: len(before) - len(now) + 1]
    running = np.concatenate(([0.0], np.cumsum(before**2, dtype=np.float64)))
    energies = running[len(now) :] - running[: -len(now)]
    # Where next to nothing was played, next to anything is alike.
    energies = np.maximum(energies, 0.01 * energies.max())
    alike = np.abs(products) / np.sqrt(energies * np.sum(now**2, dtype=np.float64) + 1e-12)
    best = int(np.argmax(alike))
    return len(before) - len(now) - best, float(alike[best])


def parrots(heard: str, said: str) -> bool:
    """Whether a turn's words are those that the assistant was saying, in their order."""
    words, theirs = _words(heard), _words(said)
    if len(words) < PARROTED_WORDS:
        return False
    blocks = SequenceMatcher(None, words, theirs, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= PARROTED_SHARE * len(words)


def _words(text: str) -> Sequence[str]:
    kept = "".join(each if each.isalnum() or each == "'" else " " for each in text.lower())
    return kept.split()


def rms(samples: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


assert HOP_FRAMES * FRAME_MS == 100
assert HEARD_SAMPLES * 100 == SAMPLING_RATE
