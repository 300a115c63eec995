"""Timing that can be trusted: warmed up, interleaved, repeated, and only after a gate."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


class GateFailed(Exception):
    """What a benchmark compares does not give the same results, so its speed means nothing."""


class Unavailable(Exception):
    """A part cannot run here, because a checkpoint, an engine or a device is missing."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One duration, measured several times.

    Attributes:
        values: milliseconds, in the order of measurement.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """95th percentile in milliseconds, interpolated; of a few repeats nearly the worst."""
        return float(np.percentile(self.values, 95))

    def per(self, count: float) -> "Spread":
        """The share of one of `count` equal things."""
        return Spread(tuple(value / count for value in self.values))

    def over(self, other: "Spread") -> float:
        """How many times longer than `other`, as the median of the ratios of paired repeats."""
        pairs = zip(self.values, other.values, strict=True)
        return statistics.median(mine / yours for mine, yours in pairs)


Cell = str | int | float | Spread


@dataclass(frozen=True, slots=True)
class Goal:
    """What was promised, and whether it came true."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a result.

    Attributes:
        cells: by column; the first names the row, and units stand in the names of columns.
        gate: what was found equal, and how exactly.
        goal: what the row should reach, if anything.
    """

    cells: Mapping[str, Cell]
    gate: str
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to time.

    Attributes:
        run: what is timed; it gets what `prepare` returned.
        prepare: what is not timed, before every repeat.
    """

    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None


def interleave(
    candidates: Mapping[str, Candidate],
    repeats: int,
    synchronize: Callable[[], None] = lambda: None,
) -> dict[str, Spread]:
    """Times the candidates A, B, A, B, … so that what disturbs the machine disturbs all of them.

    Args:
        candidates: by name.
        repeats: measurements of each, after one that does not count.
        synchronize: waits until the device has done what it was given.
    """
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats + 1):
        for name, candidate in candidates.items():
            prepared = candidate.prepare()
            synchronize()
            start = time.perf_counter()
            candidate.run(prepared)
            synchronize()
            values[name].append((time.perf_counter() - start) * 1e3)
    return {name: Spread(tuple(kept[1:])) for name, kept in values.items()}


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference on the scale of the reference."""
    scale = theirs.float().abs().max().clamp_min(1e-30)
    return float((ours.float() - theirs.float()).abs().max() / scale)


def require_close(what: str, ours: Tensor, theirs: Tensor, tolerance: float) -> float:
    """The relative difference, if it is within the tolerance.

    Raises:
        GateFailed: it is not, or the shapes differ.
    """
    if ours.shape != theirs.shape:
        raise GateFailed(f"{what}: shapes {tuple(ours.shape)} and {tuple(theirs.shape)} differ")
    found = difference(ours, theirs)
    if not found <= tolerance:  # NaN fails, too
        raise GateFailed(f"{what}: {found:.1e} apart, more than {tolerance:.0e}")
    return found


def require_same(what: str, ours: object, theirs: object) -> None:
    """Nothing, if both are equal: tensors bit by bit.

    Raises:
        GateFailed: they differ.
    """
    if isinstance(ours, Tensor) and isinstance(theirs, Tensor):
        same = torch.equal(ours, theirs)
    else:
        same = ours == theirs
    if not same:
        raise GateFailed(f"{what}: {_short(ours)} is not {_short(theirs)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + " …"
