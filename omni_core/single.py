"""Single positions of one session on the CPU in float32: the decode step of a small machine.

A token of a small model is a few hundred operations on short vectors, and calling them costs more
than computing them. So every block is one or two compiled functions (`omni_core.kernels`), which
read the weights in place.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from omni_core.attention import Attention
from omni_core.cache import KVCache, MambaCache
from omni_core.kernels import (
    attention_mix,
    attention_scores,
    head_step,
    mamba_step,
    mlp_step,
    moe_step,
)
from omni_core.layers import MLP, RMSNorm
from omni_core.mamba import MambaMixer
from omni_core.moe import MoE


class MambaStage:
    """`mamba_step` with the weights of a block.

    Like every stage, it adds its output to the residual `h` [hidden] and moves its cache on.
    """

    def __init__(self, norm: RMSNorm, mixer: MambaMixer) -> None:
        self._before: tuple[Any, ...] = (*norm_arrays(norm), as_array(mixer.in_proj.weight))
        self._after: tuple[Any, ...] = (
            as_array(mixer.norm.weight),
            mixer.groups,
            as_array(mixer.out_proj.weight),
        )

    def __call__(self, h: np.ndarray, cache: MambaCache) -> None:
        window, ssm, constants = cache.arrays
        mamba_step(h, *self._before, *constants, *self._after, window, ssm)


class AttentionStage:
    """`attention_scores` and `attention_mix` with the weights of a block."""

    def __init__(self, norm: RMSNorm, mixer: Attention) -> None:
        self._norm, self._eps = norm_arrays(norm)
        projections = (mixer.q_proj, mixer.k_proj, mixer.v_proj, mixer.o_proj)
        self._q, self._k, self._v, self._o = (as_array(each.weight) for each in projections)

    def __call__(self, h: np.ndarray, cache: KVCache) -> None:
        keys, values = cache.advance(1).arrays
        scores = attention_scores(
            h, self._norm, self._eps, self._q, self._k, self._v, keys, values, cache.length
        )
        np.exp(scores, out=scores)  # numpy's uses the CPU's vectors, numba's does not
        attention_mix(h, scores, values, self._o)


class MLPStage:
    """`mlp_step` with the weights of a block."""

    def __init__(self, norm: RMSNorm, mixer: MLP) -> None:
        self._weights: tuple[Any, ...] = (
            *norm_arrays(norm),
            as_array(mixer.up_proj.weight),
            as_array(mixer.down_proj.weight),
        )

    def __call__(self, h: np.ndarray, cache: None) -> None:
        mlp_step(h, *self._weights)


class MoEStage:
    """`moe_step` with the weights of a block."""

    def __init__(self, norm: RMSNorm, mixer: MoE) -> None:
        gate, experts, shared = mixer.gate, mixer.experts, mixer.shared_experts
        self._weights: tuple[Any, ...] = (
            *norm_arrays(norm),
            as_array(gate.weight),
            as_array(gate.e_score_correction_bias),
            gate.top_k,
            gate.groups,
            gate.top_groups,
            gate.normalise,
            float(gate.scale),
            as_array(experts.up_proj),
            as_array(experts.down_proj),
            as_array(shared.up_proj.weight),
            as_array(shared.down_proj.weight),
        )

    def __call__(self, h: np.ndarray, cache: None) -> None:
        moe_step(h, *self._weights)


def as_array(weight: Tensor) -> np.ndarray:
    """The same memory; a weight that is not contiguous would be compiled for a second time."""
    assert weight.is_contiguous()
    return weight.detach().numpy()


def norm_arrays(norm: RMSNorm) -> tuple[np.ndarray, float]:
    """Weight and epsilon."""
    return as_array(norm.weight), norm.eps


class CompiledSteps:
    """The blocks and the head by stages, one per block; subclasses say by which.

    It holds views of the weights: changes in place are seen, replaced weights need a new object.

    Args:
        blocks: the decoder's blocks, with `norm` and `mixer`.
        norm: the final norm.
        head: weight of the last product [vocab, hidden].
    """

    stages: ClassVar[dict[type[nn.Module], type[Any]]]
    """Mixer → its stage."""

    def __init__(self, blocks: Sequence[Any], norm: RMSNorm, head: Tensor) -> None:
        self._stages = [self.stages[type(block.mixer)](block.norm, block.mixer) for block in blocks]
        self._last: tuple[Any, ...] = (*norm_arrays(norm), as_array(head))

    def _pass(self, h: Any, caches: Sequence[Any]) -> None:
        """Moves the residual `h` through the stages, and the caches on."""
        for stage, cache in zip(self._stages, caches, strict=True):
            stage(h, cache)

    def _logits(self, h: np.ndarray) -> Tensor:
        """Logits [vocab] of the last stage's output [hidden]."""
        return torch.from_numpy(head_step(h, *self._last))


class SingleStep(CompiledSteps):
    """Position by position."""

    stages: ClassVar = {
        MambaMixer: MambaStage,
        Attention: AttentionStage,
        MoE: MoEStage,
        MLP: MLPStage,
    }

    def __call__(self, positions: Tensor, caches: Sequence[Any]) -> Tensor:
        """Moves the caches on by embeddings [T, hidden]; the last position's logits [vocab]."""
        for x in positions.numpy():
            h = x.copy()
            self._pass(h, caches)
        return self._logits(h)
