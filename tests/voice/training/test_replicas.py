"""Replicas: several processes that train together are one that sees all their data."""

import pytest
import torch
from torch import nn

from voice.training.recipe import StageSettings
from voice.training.replicas import average, rank, run_replicas
from voice.training.trainer import Trainer

STEPS = 6


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
    half = slice(0, 4) if rank() == 0 else slice(4, 8)
    train_on((batch[half] for batch in all_batches()), directory)


def fail_alone():
    if rank() == 1:
        raise ValueError("this replica broke")
    average([torch.zeros(1)])


def test_two_replicas_equal_one_process_with_their_data(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    train_on(iter(all_batches()), tmp_path / "one")
    run_replicas(2, train_half, tmp_path / "two")
    one, two = (
        torch.load(tmp_path / name / "stage.pt", weights_only=True)["module"]
        for name in ("one", "two")
    )
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-4, atol=1e-5)


def test_replica_that_fails_ends_all_with_its_exception():
    with pytest.raises(Exception, match="this replica broke"):
        run_replicas(2, fail_alone)


def test_average_alone_changes_nothing():
    tensor = torch.ones(3)
    average([tensor])
    assert tensor.tolist() == [1.0, 1.0, 1.0]
    assert rank() == 0
