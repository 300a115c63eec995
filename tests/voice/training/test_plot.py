"""Curves of a run."""

import json

import pytest
from PIL import Image

pytest.importorskip("matplotlib")
pytest.importorskip("espeakng_loader")

from voice.training.plot import plot_run, read_logs


def test_plot_shows_every_stage_that_has_run(tmp_path):
    widths = []
    for stage in ("words", "joint"):
        entries = [{"step": step, "seconds": 1.0, "loss": 1 / step} for step in (50, 100)]
        entries[1]["accuracy"] = 0.5
        (tmp_path / f"{stage}.jsonl").write_text("\n".join(map(json.dumps, entries)))
        plot_run(tmp_path, tmp_path / "curves.png")
        widths.append(Image.open(tmp_path / "curves.png").width)
    assert list(read_logs(tmp_path)) == ["words", "joint"]
    assert widths[1] > widths[0]


def test_plot_of_nothing_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="train first"):
        plot_run(tmp_path, tmp_path / "curves.png")
