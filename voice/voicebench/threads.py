"""Waits for many servers' answers at once.

Threads here only wait for a network. They are daemons, so that a run that is interrupted ends at
once and not when the slowest server has answered: nothing in them needs to be finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    function: Callable[[T], R], items: Iterable[T], concurrency: int
) -> Iterator[tuple[T, R]]:
    """Pairs of items and what ``function`` gave for them, as they come.

    Args:
        function: called in a thread of its own for each item.
        items: taken one by one, each when there is room.
        concurrency: how many are under way at most.

    Raises:
        Exception: the first that ``function`` raised.
    """
    answers: SimpleQueue[tuple[T, R | None, Exception | None]] = SimpleQueue()

    def work(item: T) -> None:
        try:
            answers.put((item, function(item), None))
        except Exception as error:
            answers.put((item, None, error))

    waiting, running, exhausted = iter(items), 0, False
    while True:
        while running < concurrency and not exhausted:
            try:
                item = next(waiting)
            except StopIteration:
                exhausted = True
                break
            Thread(target=work, args=(item,), daemon=True).start()
            running += 1
        if not running:
            return
        item, result, error = answers.get()
        running -= 1
        if error is not None:
            raise error
        yield item, result  # type: ignore[misc]
