"""Markdown tables, and how figures are written in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Cells = Sequence[str]


def table(header: Cells, rows: Iterable[Cells]) -> str:
    """A table; all columns but the first are numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def difference(value: float | None, base: float | None) -> str:
    """How much more than ``base`` it is, with its sign."""
    return "–" if value is None or base is None else f"{value - base:+.2f}"


def milliseconds(quantiles: Mapping[str, float] | None) -> str:
    """Median and 95th percentile of seconds."""
    if quantiles is None:
        return "–"
    return " / ".join(f"{1000 * quantiles[share]:,.0f}" for share in ("p50", "p95")) + " ms"
