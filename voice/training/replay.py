"""Batches played more than once: speech takes long to make, on the cores that are to learn from it.

What has been heard two or three times teaches an undertrained model nearly as much as what is new
(four times is about where that ends: Muennighoff et al., arXiv 2305.16264).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

Batch = TypeVar("Batch")

SHELF = 240
"""Batches that wait: what comes again comes so many batches later, more or less."""


def replay(
    fresh: Iterator[Batch], plays: int, rng: random.Random, shelf: int = SHELF
) -> Iterator[Batch]:
    """Every batch ``plays`` times; between two of them come others, drawn at random.

    In the beginning only new ones come, until ``shelf`` wait for their turn.
    """
    waiting: list[Batch] = []
    for batch in fresh:
        if plays > 1:
            # Copied: memory that is shared with the process that made it is held by open files.
            waiting += [deepcopy(batch)] * (plays - 1)
        yield batch
        while len(waiting) > shelf:
            yield waiting.pop(rng.randrange(len(waiting)))
