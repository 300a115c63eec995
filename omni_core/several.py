"""Several positions of one session on the CPU in float32: a turn, or a piece of one.

Between single positions (`omni_core.single`) and long prompts: so few positions that torch spends
more on calling its operations than on computing them, enough for products with the weights to be
worth a call. Those are torch's, all else is compiled (`omni_core.row_kernels`).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from omni_core.attention import Attention
from omni_core.cache import KVCache, MambaCache
from omni_core.layers import MLP, RMSNorm
from omni_core.mamba import MambaMixer
from omni_core.moe import MoE
from omni_core.row_kernels import conv_rows, experts_rows, gate_rows, norm_rows, scan_rows
from omni_core.single import CompiledSteps, as_array, norm_arrays


class MambaStage:
    """`MambaMixer` behind its norm.

    Like every stage, it adds its output to the residual `h` [T, hidden] and moves its cache on.
    """

    def __init__(self, norm: RMSNorm, mixer: MambaMixer) -> None:
        self._norm = norm_arrays(norm)
        self._in, self._out = mixer.in_proj.weight.detach().t(), mixer.out_proj.weight.detach().t()
        self._gate_norm, self._groups = as_array(mixer.norm.weight), mixer.groups
        self._inner = mixer.inner

    def __call__(self, h: Tensor, cache: MambaCache) -> None:
        window, ssm, (taps, bias, *dynamics) = cache.arrays
        weight, eps = self._norm
        projected = torch.from_numpy(norm_rows(h.numpy(), weight, eps)) @ self._in
        rows, inner = projected.numpy(), self._inner
        conv = conv_rows(rows, inner, window, taps, bias)
        F.silu(torch.from_numpy(conv), inplace=True)
        time_steps = inner + window.shape[1]
        mixed = scan_rows(conv, rows, time_steps, *dynamics, self._groups, ssm)
        gate = F.silu(projected[:, :inner]).contiguous()
        gate_rows(mixed, gate.numpy(), self._gate_norm, self._groups, eps)
        h.addmm_(torch.from_numpy(mixed), self._out)


class AttentionStage:
    """`Attention` behind its norm."""

    def __init__(self, norm: RMSNorm, mixer: Attention) -> None:
        self._norm, self._mixer = norm_arrays(norm), mixer

    def __call__(self, h: Tensor, cache: KVCache) -> None:
        x = torch.from_numpy(norm_rows(h.numpy(), *self._norm))
        h += self._mixer.resume(x, [cache], [len(h)])


class MLPStage:
    """`MLP` behind its norm."""

    def __init__(self, norm: RMSNorm, mixer: MLP) -> None:
        self._norm = norm_arrays(norm)
        self._up, self._down = (
            mixer.up_proj.weight.detach().t(),
            mixer.down_proj.weight.detach().t(),
        )

    def __call__(self, h: Tensor, cache: None) -> None:
        self.add(torch.from_numpy(norm_rows(h.numpy(), *self._norm)), h)

    def add(self, x: Tensor, h: Tensor) -> None:
        """h += down · relu(up · x)²."""
        h.addmm_((x @ self._up).relu_().square_(), self._down)


class MoEStage:
    """`MoE` behind its norm."""

    def __init__(self, norm: RMSNorm, mixer: MoE) -> None:
        gate, experts = mixer.gate, mixer.experts
        self._shared = MLPStage(norm, mixer.shared_experts)
        self._norm = norm_arrays(norm)
        self._gate = gate.weight.detach().t()
        self._experts: tuple[Any, ...] = (
            as_array(gate.e_score_correction_bias),
            gate.top_k,
            gate.groups,
            gate.top_groups,
            gate.normalise,
            float(gate.scale),
            as_array(experts.up_proj),
            as_array(experts.down_proj),
        )

    def __call__(self, h: Tensor, cache: None) -> None:
        normed = norm_rows(h.numpy(), *self._norm)
        x = torch.from_numpy(normed)
        scores = (x @ self._gate).sigmoid_()
        experts_rows(normed, scores.numpy(), *self._experts, h.numpy())
        self._shared.add(x, h)


class SeveralSteps(CompiledSteps):
    """Some positions at once."""

    stages: ClassVar = {
        MambaMixer: MambaStage,
        Attention: AttentionStage,
        MoE: MoEStage,
        MLP: MLPStage,
    }

    def __call__(self, positions: Tensor, caches: Sequence[Any]) -> Tensor:
        """Moves the caches on by embeddings [T, hidden]; the last position's logits [vocab]."""
        h = positions.clone(memory_format=torch.contiguous_format)
        self._pass(h, caches)
        return self._logits(h[-1].numpy())
