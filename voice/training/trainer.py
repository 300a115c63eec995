"""One training loop for every stage: schedule, mixed precision, log, checkpoints after a kill.

With replicas, all of them run it: their weights are averaged, and the first one logs and saves.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from voice.training.muon import Muon, hidden_matrices
from voice.training.recipe import StageSettings
from voice.training.replicas import average, rank

SAVE_EVERY_S = 60.0
LOG_EVERY_STEPS = 50
CLASSIFIERS = "lm_head", "piece_head", "phoneme_head", "center_head", "cover_head"
"""Layers of the model's parts that Muon leaves to AdamW."""
MEET_EVERY_STEPS = 8
"""Replicas average their weights this often (local SGD, arXiv 1805.09767). Averaging gradients at
every step would cost as much time as the second replica saves."""


class Batch(Protocol):
    """What the data workers make: tensors that move to a device together."""

    def to(self, device: torch.device) -> Any: ...


LossFunction = Callable[[Any], tuple[Tensor, dict[str, float]]]
"""Batch → (loss to minimise, figures to log)."""


def learning_rate_factor(step: int, settings: StageSettings) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    warmup = min(1.0, (step + 1) / settings.warmup_steps)
    progress = min(1.0, step / settings.steps)
    return warmup * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16; CPUs that only imitate it are ten times slower."""
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()


class Trainer:
    """Trains a module through one stage.

    Args:
        name: of the stage; its files are ``<name>.pt`` and ``<name>.jsonl`` in the directory.
        module: what is trained, already on its device.
        settings: steps, batch, learning rate.
        directory: where checkpoints and the log go.
    """

    def __init__(
        self, name: str, module: nn.Module, settings: StageSettings, directory: Path
    ) -> None:
        self._name = name
        self._module = module
        self._settings = settings
        self._file = directory / f"{name}.pt"
        self._log = directory / f"{name}.jsonl"
        matrices = hidden_matrices(module, CLASSIFIERS) if settings.muon else []
        by_muon = {id(matrix) for matrix in matrices}
        groups: dict[float, list[nn.Parameter]] = {}
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in by_muon:
                # Norms, biases and other vectors are not decayed: it would regularise nothing.
                decay = settings.weight_decay if parameter.dim() >= 2 else 0.0
                groups.setdefault(decay, []).append(parameter)
        adam_groups = [
            {"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()
        ]
        rate, decay = settings.learning_rate, settings.weight_decay
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(adam_groups, lr=rate, betas=(0.9, 0.999), fused=True)
        ]
        if matrices:
            self._optimizers.append(Muon(matrices, rate, decay))
        self.step = 0
        self._mean = [weight.clone() for weight in self._weights()]
        # Of a stage that is resumed, too: it is made anew from what it goes on from.
        self._beginning = [weight.clone() for weight in self._mean] if settings.blend < 1 else []

    def _weights(self) -> list[Tensor]:
        """What is trained, and the statistics that layers keep of what passed through them."""
        weights = [p.detach() for p in self._module.parameters() if p.requires_grad]
        return weights + [b for b in self._module.buffers() if b.is_floating_point()]

    @property
    def finished(self) -> bool:
        """Whether the stage has run all its steps."""
        return self.step >= self._settings.steps

    def resume(self) -> bool:
        """Goes on from the stage's checkpoint, if there is one."""
        if not self._file.exists():
            return False
        saved = torch.load(self._file, weights_only=True)
        self._module.load_state_dict(saved["module"])
        if saved["optimizers"] is not None:
            for optimizer, state in zip(self._optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            self._mean = [weight.to(self._mean[0].device) for weight in saved["mean"]]
        self.step = saved["step"]
        return True

    def _write_log(self, entry: dict[str, float]) -> None:
        if rank() == 0:
            with self._log.open("a") as log:
                log.write(json.dumps(entry) + "\n")

    def save(self) -> None:
        """Writes the checkpoint; a kill while writing leaves the one before."""
        if rank() > 0:
            return
        partial = self._file.with_suffix(".part")
        module = self._module.state_dict()
        saved: dict[str, Any] = {"module": module, "optimizers": None, "step": self.step}
        if not self.finished:
            states = [optimizer.state_dict() for optimizer in self._optimizers]
            saved |= {"optimizers": states, "mean": self._mean}
        torch.save(saved, partial)
        partial.replace(self._file)

    def run(
        self, batches: Iterator[Batch], loss_function: LossFunction, device: torch.device
    ) -> None:
        """Trains to the last step; call ``resume`` first to go on from a checkpoint."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        sums: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        saved_at = started = time.monotonic()
        with Progress(*columns, disable=rank() > 0) as progress:
            task = progress.add_task(
                self._name, total=self._settings.steps, completed=self.step, figures=""
            )
            while not self.finished:
                figures = self._train_step(next(batches), loss_function, device)
                sums.update(figures)
                counts.update(figures.keys())
                if self.step % LOG_EVERY_STEPS == 0:
                    means = {name: round(sums[name] / count, 4) for name, count in counts.items()}
                    sums.clear()
                    counts.clear()
                    elapsed = round(time.monotonic() - started, 1)
                    self._write_log({"step": self.step, "seconds": elapsed} | means)
                    shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
                    progress.update(task, figures=shown)
                progress.update(task, completed=self.step)
                if time.monotonic() - saved_at > SAVE_EVERY_S:
                    self.save()
                    saved_at = time.monotonic()
        self.save()

    def _meet(self) -> None:
        """Averages over the replicas, and over what the weights were before."""
        weights = self._weights()
        average(weights)
        share = min(1.0, MEET_EVERY_STEPS / min(self.step, self._settings.mean_steps))
        for mean, weight in zip(self._mean, weights, strict=True):
            mean.lerp_(weight, share)

    def _end(self) -> None:
        """Gives the module what it is to keep of the stage."""
        beginning = self._beginning or self._mean
        for weight, mean, began in zip(self._weights(), self._mean, beginning, strict=True):
            weight.copy_(torch.lerp(began, mean, self._settings.blend))

    def _train_step(
        self, batch: Batch, loss_function: LossFunction, device: torch.device
    ) -> dict[str, float]:
        factor = learning_rate_factor(self.step, self._settings)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._settings.learning_rate * factor
        halves = has_fast_bfloat16(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=halves):
            loss, figures = loss_function(batch.to(device))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self._module.parameters(), 1.0)
        for optimizer in self._optimizers:
            if torch.isfinite(norm):
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % MEET_EVERY_STEPS == 0 or self.finished:
            self._meet()
        if self.finished:
            self._end()
        return {"loss": float(loss.detach())} | figures
