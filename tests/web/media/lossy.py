"""A bad network, the same every time: what it loses, how long it takes, and what overtakes what."""

import heapq
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a network does to packets.

    Attributes:
        loss: share of the packets that never come.
        jitter_ms: packets take from nothing to so long, each by itself: with less than that between
            them, they overtake each other.
    """

    loss: float = 0.0
    jitter_ms: float = 0.0


class Link(Generic[T]):
    """One direction of a network. Time is whatever the caller says it is.

    Args:
        network: what it does; may be replaced at any time.
        seed: of what happens to which packet.
    """

    def __init__(self, network: Network, seed: int) -> None:
        self.network = network
        self._rng = np.random.default_rng(seed)
        self._under_way: list[tuple[float, int, T]] = []
        self.sent = self.lost = 0

    def send(self, now_s: float, packet: T) -> None:
        """Takes a packet in, and perhaps loses it."""
        is_lost, delay = self._rng.random(2)
        self.sent += 1
        if is_lost < self.network.loss:
            self.lost += 1
            return
        due_s = now_s + delay * self.network.jitter_ms / 1000
        heapq.heappush(self._under_way, (due_s, self.sent, packet))

    def due(self, now_s: float) -> list[T]:
        """The packets that have arrived until now, in the order of their arrival."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_s:
            arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    @property
    def next_s(self) -> float | None:
        """When the next packet arrives; None: none is under way."""
        return self._under_way[0][0] if self._under_way else None
