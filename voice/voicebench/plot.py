"""Quality beside latency, one line a subset, one colour a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voice.voicebench.extras import require
from voice.voicebench.score import Scores
from voice.voicebench.subsets import LEADERBOARD, SUBSETS


def plot_runs(path: Path, runs: Mapping[str, Scores]) -> None:
    """Draws each subset's score, and its time to the first token, into a PNG file.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require("matplotlib", "plotting").use("Agg")
    pyplot = require("matplotlib.pyplot", "plotting")
    there = [key for key in LEADERBOARD if any(key in each["subsets"] for each in runs.values())]
    figure, (quality, latency) = pyplot.subplots(
        1, 2, sharey=True, figsize=(9, 1.5 + 0.4 * len(there)), layout="constrained"
    )
    for number, (name, scores) in enumerate(runs.items()):
        colour, shift = f"C{number}", 0.15 * (number - (len(runs) - 1) / 2)
        for row, key in enumerate(there):
            subset = scores["subsets"].get(key, {})
            if subset.get("score") is not None:
                quality.plot(_percent(key, subset["score"]), row + shift, "o", color=colour)
            if subset.get("ttft_s"):
                times = [1000 * subset["ttft_s"][share] for share in ("p50", "p95")]
                latency.plot(times, [row + shift] * 2, "-", color=colour)
                latency.plot(times[0], row + shift, "o", color=colour)
        quality.plot([], [], "o", color=colour, label=name)
    quality.set_yticks(range(len(there)), there)
    quality.invert_yaxis()
    quality.set_xlim(-2, 102)
    quality.set_xlabel("score, percent of the best possible")
    latency.set_xlim(left=0)
    latency.set_xlabel("time to the first token, ms: median to 95th percentile")
    for axes in (quality, latency):
        axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=max(1, len(runs)))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _percent(subset: str, score: float) -> float:
    return 20 * score if SUBSETS[subset].evaluator == "open" else score
