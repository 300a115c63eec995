"""Quality against latency, one point a subset, one colour a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voice.voicebench.extras import require
from voice.voicebench.score import Scores
from voice.voicebench.subsets import LEADERBOARD, SUBSETS


def plot_runs(path: Path, runs: Mapping[str, Scores]) -> None:
    """Draws each subset's score against its median time to the first token into a PNG file.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require("matplotlib", "plotting").use("Agg")
    pyplot = require("matplotlib.pyplot", "plotting")
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, scores in runs.items():
        points = [
            (subset["ttft_s"]["p50"] * 1000, _percent(key, subset["score"]), key)
            for key, subset in scores["subsets"].items()
            if subset["ttft_s"] and subset["score"] is not None and key in LEADERBOARD
        ]
        if not points:
            continue
        axes.scatter([x for x, _, _ in points], [y for _, y, _ in points], label=name)
        for x, y, key in points:
            axes.annotate(key, (x, y), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.set_xlabel("time to the first token, median, ms")
    axes.set_ylabel("score, percent of the best possible")
    axes.set_ylim(0, 105)
    axes.set_xlim(left=0)
    if axes.collections:
        axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _percent(subset: str, score: float) -> float:
    return 20 * score if SUBSETS[subset].evaluator == "open" else score
