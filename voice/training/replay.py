"""What took long to make, more than once: it is made on the cores that are to learn from it.

What has been met two or three times teaches an undertrained model nearly as much as what is new
(four times is about where that ends: Muennighoff et al., arXiv 2305.16264).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

Item = TypeVar("Item")

SHELF = 240
"""Items that wait: what comes again comes so many later, more or less."""


def replay(
    fresh: Iterator[Item], plays: int, rng: random.Random, shelf: int = SHELF
) -> Iterator[Item]:
    """Every item, such as a batch, ``plays`` times; others, drawn at random, come between.

    In the beginning only new ones come, until ``shelf`` wait for their turn.
    """
    waiting: list[Item] = []
    for item in fresh:
        if plays > 1:
            # Copied: memory that is shared with the process that made it is held by open files.
            waiting += [deepcopy(item)] * (plays - 1)
        yield item
        while len(waiting) > shelf:
            yield waiting.pop(rng.randrange(len(waiting)))
