"""Asking again after what may pass: a busy server, a lost connection, an answer that broke off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

LONGEST_WAIT_S = 30.0


def attempts(
    retries: int, wait_s: float = 1.0, sleep: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Numbers the attempts from 0, and waits before each but the first.

    Args:
        retries: how many attempts follow the first.
        wait_s: before the second attempt; it doubles up to 30 s.
        sleep: waits that many seconds.
    """
    yield 0
    for number in range(1, retries + 1):
        sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        yield number
