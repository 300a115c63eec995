"""Replicas: several processes that train one model together."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from voice.training.recipe import StageSettings
from voice.training.replicas import average, rank, run_replicas
from voice.training.trainer import Trainer

STEPS = 6  # fewer than MEET_EVERY_STEPS: the replicas meet once, at the end
FIRST, SECOND = slice(0, 4), slice(4, 8)


def train_on(batches, directory):
    torch.manual_seed(0)
    module = nn.Linear(4, 4)
    settings = StageSettings(steps=STEPS, batch=8, learning_rate=0.05, warmup_steps=1)

    def loss(batch):
        # Half precision would round the halves of a batch apart from the whole.
        with torch.autocast("cpu", enabled=False):
            return (module(batch) - 2 * batch).square().mean(), {}

    Trainer("stage", module, settings, directory).run(batches, loss, torch.device("cpu"))


def all_batches():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(8, 4, generator=generator) for _ in range(STEPS)]


def train_half(directory):
    half = FIRST if rank() == 0 else SECOND
    train_on((batch[half] for batch in all_batches()), directory)


THREADS_AFTER_TRAINING = """
import sys
from pathlib import Path
from tests.voice.training.test_replicas import train_half
from voice.training.replicas import _join

folder = Path(sys.argv[1])
_join(0, 1, (folder / "meeting").as_uri(), train_half, (folder,))
for thread in Path("/proc/self/task").iterdir():
    print((thread / "comm").read_text())
"""


def fail_alone():
    if rank() == 1:
        raise ValueError("this replica broke")
    average([torch.zeros(1)])


def test_two_replicas_end_with_the_mean_of_what_each_has_learnt(tmp_path):
    for name in ("first", "second", "both"):
        (tmp_path / name).mkdir()
    for name, half in (("first", FIRST), ("second", SECOND)):
        train_on((batch[half] for batch in all_batches()), tmp_path / name)
    run_replicas(2, train_half, tmp_path / "both")
    first, second, both = (
        torch.load(tmp_path / name / "stage.pt", weights_only=True)["module"]
        for name in ("first", "second", "both")
    )
    for name, weight in both.items():
        torch.testing.assert_close(weight, (first[name] + second[name]) / 2)
        assert not torch.equal(first[name], second[name])


def test_replica_that_has_trained_leaves_no_thread_of_its_group(tmp_path):
    # In a process of its own: what others have imported makes no difference there.
    command = [sys.executable, "-c", THREADS_AFTER_TRAINING, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python" in done.stdout
    assert "gloo" not in done.stdout


def test_replica_that_fails_ends_all_with_its_exception():
    with pytest.raises(Exception, match="this replica broke"):
        run_replicas(2, fail_alone)


def test_average_alone_changes_nothing():
    tensor = torch.ones(3)
    average([tensor])
    assert tensor.tolist() == [1.0, 1.0, 1.0]
    assert rank() == 0
