"""Muon (Jordan et al. 2024): steps of the momentum's directions alone, all of them equally long.

torch.optim.Muon takes one matrix at a time and no stacks. Here matrices of one shape are
orthogonalised together, which takes two thirds of the time with the small ones of this model, and
those of experts and of pointwise convolutions are matrices like others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
RMS = 0.2
"""Of an update's entries at a learning rate of 1, as AdamW's have it (arXiv 2502.16982): one rate
suits both."""
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_SMALLEST = 16
"""Rows or columns; with fewer there is little to orthogonalise."""


def hidden_matrices(module: nn.Module, classifiers: Iterable[str]) -> list[nn.Parameter]:
    """Trained weights that map one hidden vector to another, stacks of them included.

    Not those of embeddings, of the ``classifiers`` (their names) and of convolutions over time or
    mels: what Muon is for is a layer whose input and output are both dense.
    """
    outside = set(classifiers)
    found = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Embedding) or outside & set(name.split(".")):
            continue
        for weight in layer.parameters(recurse=False):
            if weight.requires_grad and weight.dim() >= 2:
                convolves = isinstance(layer, nn.Conv1d | nn.Conv2d)
                pointwise = convolves and weight[0, 0].numel() == 1
                maps = pointwise or not convolves
                if maps and min(_matrices(weight).shape[-2:]) >= _SMALLEST:
                    found.append(weight)
    return found


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay.

    Args:
        params: matrices [M, N], stacks of them [E, M, N], or pointwise kernels [M, N, 1].
        lr: learning rate, of AdamW's size.
        weight_decay: as in AdamW.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; those without a gradient stay as they are."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"]
                momentum.lerp_(weight.grad, 1 - MOMENTUM)
                update = _matrices(weight.grad.lerp(momentum, MOMENTUM))
                rows, columns = update.shape[-2:]
                alike[min(rows, columns), max(rows, columns)].append((weight, update))
            for (_, longer), pairs in alike.items():
                directions = orthogonal(torch.cat([_wide(update) for _, update in pairs]))
                parts = directions.split([len(update) for _, update in pairs])
                for (weight, update), part in zip(pairs, parts, strict=True):
                    part = part if part.shape == update.shape else part.mT
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    size = group["lr"] * RMS * math.sqrt(longer)
                    weight.add_(part.reshape(weight.shape).to(weight), alpha=-size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Stacks of wide matrices [E, M, N] with nearly all their singular values near 1, bfloat16.

    Newton and Schulz's iteration, its coefficients chosen for speed: they end between 0.7 and 1.2.
    """
    x = matrices.bfloat16()
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        squares = x @ x.mT
        x = torch.baddbmm(x, _B * squares + _C * (squares @ squares), x, beta=_A)
    return x


def _matrices(weight: Tensor) -> Tensor:
    """As a stack [E, M, N]."""
    if weight.dim() > 2 and weight.shape[-1] == 1:  # of a pointwise convolution
        weight = weight.flatten(1)
    return weight.reshape(-1, *weight.shape[-2:])


def _wide(stack: Tensor) -> Tensor:
    return stack.mT if stack.shape[-2] > stack.shape[-1] else stack
