"""Curves of a run: what each stage logged, as one picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from voice.training.recipe import STAGES

SMOOTHING = 0.8
"""How much of a smoothed figure is the one before it."""

Entry = Mapping[str, float]


def read_logs(run: Path) -> dict[str, list[Entry]]:
    """What the stages of a run have logged; stages that have not are left out.

    Args:
        run: directory of the run.

    Raises:
        FileNotFoundError: no stage has logged anything.
    """
    logs = {name: run / f"{name}.jsonl" for name in STAGES}
    read = {
        name: [json.loads(line) for line in file.read_text().splitlines()]
        for name, file in logs.items()
        if file.exists()
    }
    if not read:
        raise FileNotFoundError(f"{run} holds no log: train first, or name another --directory")
    return read


def plot_run(run: Path, picture: Path) -> None:
    """Draws the loss of every stage, and its other figures, into a PNG file.

    Args:
        run: directory of the run.
        picture: the file to write.

    Raises:
        FileNotFoundError: no stage has logged anything.
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logs = read_logs(run)
    figure, axes = pyplot.subplots(
        2, len(logs), figsize=(3.2 * len(logs), 5), squeeze=False, sharex="col",
        layout="constrained",
    )  # fmt: skip
    for (name, entries), (loss, others) in zip(logs.items(), axes.T, strict=True):
        steps = [entry["step"] for entry in entries]
        loss.set_title(name)
        _draw(loss, steps, [entry["loss"] for entry in entries], "loss")
        for key in dict.fromkeys(key for entry in entries for key in entry):
            if key not in ("step", "seconds", "loss", "reply"):
                known = [entry for entry in entries if key in entry]
                _draw(others, [entry["step"] for entry in known], [e[key] for e in known], key)
        others.set_ylim(0, 1)
        others.set_xlabel("step")
        for each in (loss, others):
            each.grid(alpha=0.3)
            each.legend(fontsize="small")
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)


def _draw(axes, steps: Sequence[float], values: Sequence[float], label: str) -> None:  # type: ignore[no-untyped-def]
    smooth = list(accumulate(values, lambda old, new: SMOOTHING * old + (1 - SMOOTHING) * new))
    (line,) = axes.plot(steps, smooth, label=label)
    axes.plot(steps, values, color=line.get_color(), alpha=0.25)
