"""How much a client may do."""

from collections.abc import Callable


class TokenBucket:
    """So many per second in the long run, and a burst at once.

    Args:
        per_s: tokens that come in a second.
        burst: the most that can be saved up; at first they are there.
        clock: seconds, monotonic.
    """

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._tokens = burst
        self._at = clock()

    def take(self) -> bool:
        """Takes a token, if there is one."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def borrow_s(self) -> float:
        """Takes a token in any case; returns the seconds to wait before it is really there."""
        self._refill()
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._per_s)

    @property
    def is_full(self) -> bool:
        """Whether nothing was taken lately."""
        self._refill()
        return self._tokens >= self._burst

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now


class OpeningLimit:
    """How many sessions one address may open in a minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._buckets: dict[str, TokenBucket] = {}

    def allow(self, address: str) -> bool:
        """Whether the address may open one more now."""
        for other in [each for each, bucket in self._buckets.items() if bucket.is_full]:
            del self._buckets[other]
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = TokenBucket(self._per_minute / 60, self._per_minute, self._clock)
            self._buckets[address] = bucket
        return bucket.take()
