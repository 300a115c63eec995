"""Puts RTP packets of audio back into their order without holding up those that are in it."""

from dataclasses import dataclass

DEPTH_PACKETS = 3
"""How many packets may overtake a missing one before it counts as lost: 60 ms of Opus."""

_RESTART = 100
"""Packets out of place by more belong to a sender that has started anew (RFC 3550, A.1)."""


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """The payload of one packet."""

    timestamp: int
    """In samples at 48 kHz, from 0 to 2³² - 1; wraps around."""
    payload: bytes


class JitterBuffer:
    """Packets in as they come, payloads out in order.

    A packet in order leaves at once. A missing one is waited for until `depth` later ones have
    come; a gap in the timestamps tells the reader how much was lost.
    """

    def __init__(self, depth: int = DEPTH_PACKETS) -> None:
        self.late_packets = 0
        self._depth = depth
        self._waiting: dict[int, EncodedAudio] = {}
        self._next: int | None = None

    def add(self, sequence: int, timestamp: int, payload: bytes) -> list[EncodedAudio]:
        """Takes one packet in; returns what is due now, none to `depth` payloads."""
        if self._next is None:
            self._next = sequence
        ahead = _difference(sequence, self._next)
        released: list[EncodedAudio] = []
        if abs(ahead) > _RESTART:
            released += (self._waiting[each] for each in self._in_order())
            self._waiting.clear()
            self._next = sequence
        elif ahead < 0 or sequence in self._waiting:
            self.late_packets += 1
            return []
        self._waiting[sequence] = EncodedAudio(timestamp, payload)
        if len(self._waiting) >= self._depth and self._next not in self._waiting:
            self._next = self._in_order()[0]
        while (audio := self._waiting.pop(self._next, None)) is not None:
            released.append(audio)
            self._next = (self._next + 1) & 0xFFFF
        return released

    def _in_order(self) -> list[int]:
        start = self._next or 0
        return sorted(self._waiting, key=lambda sequence: (sequence - start) & 0xFFFF)


def _difference(sequence: int, reference: int) -> int:
    """How far a 16-bit sequence number lies ahead; negative: behind."""
    return ((sequence - reference + 0x8000) & 0xFFFF) - 0x8000
