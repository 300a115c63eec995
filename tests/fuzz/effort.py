"""How many inputs each target gets, and what has come of it."""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

NORMAL, SLOW = 700, 100_000
"""Inputs in all, if `--fuzz` does not say how many."""

SHARES = {
    "events": 0.55,
    "events by WebSocket": 0.05,
    "events to a model": 0.05,
    "SDP offers": 0.06,
    "sound": 0.10,
    "sound in events": 0.05,
    "RTP packets": 0.04,
    "sound files": 0.07,
    "recordings": 0.03,
}
"""Of the inputs, per target."""

ROUND = 200
"""Batches that hypothesis chooses together; it remembers every choice of them."""

CPU_LIMIT_S = 30
"""That a batch of inputs may take of the processor; nothing here takes a tenth of it."""


class Hang(BaseException):
    """A batch of inputs did not come to an end. No code under test catches it."""


class Effort:
    """Tries inputs, and counts them.

    Args:
        total: inputs of all targets.
        start: seeds the choice; None: the same inputs each time.
    """

    def __init__(self, total: int, start: int | None) -> None:
        self.start = start
        self.wanted = {target: max(1, round(total * share)) for target, share in SHARES.items()}
        self.tried = dict.fromkeys(SHARES, 0)

    def spend(
        self,
        target: str,
        inputs: st.SearchStrategy[Any],
        batch: int,
        attempt: Callable[[Sequence[Any]], None],
        *,
        shrinks: bool = True,
    ) -> None:
        """Has a target's share of inputs attempted.

        Args:
            target: one of `SHARES`.
            inputs: what to choose from.
            batch: how many come into one fuzzed session, beside one witness.
            attempt: fails if anything is wrong with what came of a batch.
            shrinks: whether a batch that fails is made smaller; where each try waits for a network
                it takes for ever.
        """

        def example(chosen: Sequence[Any]) -> None:
            with limited_cpu():
                attempt(chosen)
            self.tried[target] += len(chosen)

        batch = min(batch, self.wanted[target])
        batches = -(-self.wanted[target] // batch)
        for number, first in enumerate(range(0, batches, ROUND)):
            run = given(st.lists(inputs, min_size=batch, max_size=batch))(example)
            is_fixed = self.start is None and number == 0
            run = settings(
                max_examples=min(ROUND, batches - first),
                derandomize=is_fixed,
                database=None,
                phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
                suppress_health_check=list(HealthCheck),
            )(run)
            run = run if is_fixed else seed((self.start or 0) + number)(run)
            run()
        assert self.tried[target] >= self.wanted[target], "too few inputs could be found"

    def lines(self) -> list[str]:
        """What was tried, for people; nothing if nothing was."""
        tried = {target: count for target, count in self.tried.items() if count}
        if not tried:
            return []
        how = "the same each time" if self.start is None else f"--fuzz-seed {self.start}"
        return [
            *(f"{target:<20} {count:>8,} inputs" for target, count in tried.items()),
            f"{'in all':<20} {sum(tried.values()):>8,} inputs ({how})",
        ]


def chosen_seed(given_seed: int | None, is_slow: bool) -> int | None:
    """The seed of a run: the one asked for, or one by chance where there is time for it."""
    if given_seed is not None:
        return given_seed
    return random.SystemRandom().getrandbits(32) if is_slow else None


@contextmanager
def limited_cpu(seconds: float = CPU_LIMIT_S) -> Iterator[None]:
    """Raises `Hang` out of whatever computes for longer than that."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"{seconds} s of computing and no end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
