"""The training loop: it learns, logs, and goes on after a kill."""

import itertools
import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from voice.training.recipe import StageSettings
from voice.training.trainer import (
    LOG_EVERY_STEPS,
    MEET_EVERY_STEPS,
    Trainer,
    learning_rate_factor,
)

CPU = torch.device("cpu")
SIZE = 16


@dataclass
class Numbers:
    x: torch.Tensor

    def to(self, device):
        return Numbers(self.x.to(device))


def batches():
    generator = torch.Generator().manual_seed(0)
    while True:
        yield Numbers(torch.randn(8, SIZE, generator=generator))


def make(tmp_path, steps, mean_steps=1, blend=1.0, muon=False):
    torch.manual_seed(0)
    module = nn.Linear(SIZE, SIZE)
    settings = StageSettings(
        steps=steps,
        batch=8,
        learning_rate=0.05,
        warmup_steps=5,
        mean_steps=mean_steps,
        blend=blend,
        muon=muon,
    )

    def loss(batch):
        value = (module(batch.x).float() - 2 * batch.x).square().mean()
        return value, {"error": float(value.detach())}

    return Trainer("stage", module, settings, tmp_path), module, loss


@pytest.mark.parametrize("muon", [False, True])
def test_training_lowers_the_loss_and_logs_it(tmp_path, muon):
    trainer, _, loss = make(tmp_path, 3 * LOG_EVERY_STEPS, muon=muon)
    trainer.run(batches(), loss, CPU)
    lines = [json.loads(line) for line in (tmp_path / "stage.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [LOG_EVERY_STEPS * i for i in (1, 2, 3)]
    assert lines[-1]["loss"] < 0.2 * lines[0]["loss"]


def test_stage_ends_with_the_mean_of_what_its_weights_were(tmp_path):
    ends, seen = {}, []
    for mean_steps in (1, 1000):
        (tmp_path / str(mean_steps)).mkdir()
        trainer, module, loss = make(tmp_path / str(mean_steps), 24, mean_steps)
        seen.clear()

        def watched(batch, module=module, loss=loss):
            seen.append(module.weight.detach().clone())
            return loss(batch)

        trainer.run(batches(), watched, CPU)
        ends[mean_steps] = module.weight.detach()
    assert MEET_EVERY_STEPS == 8
    torch.testing.assert_close(ends[1000], (seen[8] + seen[16] + ends[1]) / 3)


def test_later_weights_count_more_than_earlier_ones(tmp_path):
    ends = {}
    for mean_steps in (1, 16, 1000):
        (tmp_path / str(mean_steps)).mkdir()
        trainer, module, loss = make(tmp_path / str(mean_steps), 80, mean_steps)
        trainer.run(batches(), loss, CPU)
        ends[mean_steps] = module.weight.detach()
    assert (ends[16] - ends[1]).norm() < 0.5 * (ends[1000] - ends[1]).norm()


def test_blended_stage_ends_between_where_it_began_and_what_it_learnt(tmp_path):
    ends = {}
    for blend in (1.0, 0.25):
        (tmp_path / str(blend)).mkdir()
        trainer, module, loss = make(tmp_path / str(blend), 20, blend=blend)
        began = module.weight.detach().clone()
        trainer.run(batches(), loss, CPU)
        ends[blend] = module.weight.detach()
    torch.testing.assert_close(ends[0.25], 0.75 * began + 0.25 * ends[1.0])


def test_blended_stage_that_is_over_stays_as_it_is(tmp_path):
    trainer, module, loss = make(tmp_path, 20, blend=0.25)
    trainer.run(batches(), loss, CPU)
    again, its_module, loss = make(tmp_path, 20, blend=0.25)
    again.resume()
    again.run(batches(), loss, CPU)
    assert torch.equal(its_module.weight, module.weight)


@pytest.mark.parametrize(
    ("mean_steps", "blend", "muon"),
    [(1, 1.0, False), (1, 0.5, False), (100, 0.5, False), (100, 0.5, True)],
)
def test_training_resumes_after_a_kill_as_if_never_stopped(tmp_path, mean_steps, blend, muon):
    whole, module, loss = make(tmp_path / "whole", 40, mean_steps, blend, muon)
    (tmp_path / "whole").mkdir()
    whole.run(batches(), loss, CPU)
    (tmp_path / "killed").mkdir()
    stream = batches()

    def cut(count):
        yield from itertools.islice(stream, count)
        raise KeyboardInterrupt

    killed, _, its_loss = make(tmp_path / "killed", 40, mean_steps, blend, muon)
    with pytest.raises(KeyboardInterrupt):
        killed.run(cut(15), its_loss, CPU)
    killed.save()
    resumed, again, its_loss = make(tmp_path / "killed", 40, mean_steps, blend, muon)
    assert resumed.resume()
    assert resumed.step == 15
    resumed.run(stream, its_loss, CPU)
    assert torch.equal(again.weight, module.weight)


def test_a_fresh_stage_has_nothing_to_resume(tmp_path):
    trainer, _, _ = make(tmp_path, 5)
    assert not trainer.resume()
    assert not trainer.finished


def test_learning_rate_warms_up_and_falls():
    settings = StageSettings(steps=100, batch=1, learning_rate=1.0, warmup_steps=10)
    factors = [learning_rate_factor(step, settings) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(factors[9], abs=0.02)
    assert factors[-1] == pytest.approx(0.05)
