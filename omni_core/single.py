"""One position of one session on the CPU in float32: the decode step of a small machine.

A token of a small model is a few hundred operations on short vectors, and calling them costs more
than computing them. So this step prepares every view and every buffer once, lets torch write its
matrix-vector products into them, and does the short arithmetic in numpy on the same memory, whose
calls cost a third. The mathematics is that of the modules, whose weights it reads in place.

Legend: C conv channels, K conv width, H heads, P head size, G groups, N state size, J key-value
heads, E experts, k experts of a position.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.attention import Attention
from omni_core.cache import KVCache, MambaCache
from omni_core.layers import MLP, RMSNorm
from omni_core.mamba import MambaMixer
from omni_core.moe import MoE


class Stage(Protocol):
    """A mixer's step: adds its output for `x` to the residual `h`, both [hidden]."""

    def __call__(self, x: Tensor, h: Tensor, cache: Any) -> None: ...


class NormStage:
    """RMSNorm of a vector into a buffer of its own."""

    def __init__(self, norm: RMSNorm) -> None:
        self._weight, self._eps = norm.weight.detach().numpy(), norm.eps
        self.out = torch.empty_like(norm.weight)
        self._out = self.out.numpy()

    def __call__(self, h: np.ndarray) -> Tensor:
        scale = 1 / math.sqrt(float(h.dot(h)) / len(h) + self._eps)
        np.multiply(h, scale, out=self._out)
        np.multiply(self._out, self._weight, out=self._out)
        return self.out


class MambaStage:
    """The recurrence of `MambaMixer`."""

    def __init__(self, mixer: MambaMixer) -> None:
        inner, channels, heads, groups = mixer.inner, mixer.channels, mixer.heads, mixer.groups
        self._in, self._out = mixer.in_proj.weight, mixer.out_proj.weight
        self._norm, self._eps = mixer.norm.weight.detach().numpy(), mixer.norm.eps
        self._groups = groups
        self._projected = self._in.new_empty(inner + channels + heads)
        self._z, xbc, dt = self._projected.split([inner, channels, heads])
        self._gate, self._xbc, self._dt = self._z.numpy(), xbc.numpy(), dt.numpy()
        self._conv = self._in.new_empty(channels)
        self._convolved = self._conv.numpy()
        bc = groups * mixer.state_size
        u, b, c = self._conv.split([inner, bc, bc])
        self._u = u.view(heads, -1).numpy()
        self._b, self._c = b.view(groups, 1, -1), c.view(groups, -1)
        step = self._in.new_empty(groups, inner // groups, 1)
        self._step, self._stepped = step, step.view(heads, -1).numpy()
        self._y = self._in.new_empty(inner)
        y = self._y.view(groups, -1)
        self._pairs = list(zip(y.unbind(), self._c.unbind(), strict=True))
        self._heads, self._by_group, self._mixed = (
            self._y.view(heads, -1).numpy(),
            [row.numpy() for row in y.unbind()],
            self._y.numpy(),
        )
        self._taps = np.empty((mixer.conv1d.kernel_size[0] - 1, channels), np.float32)
        self._row = np.empty(channels, np.float32)

    def __call__(self, x: Tensor, h: Tensor, cache: MambaCache) -> None:
        window, ssm, grouped, matrices, constants = cache.views(self._groups)
        taps, bias, rate, skip, dt_bias = constants
        torch.mv(self._in, x, out=self._projected)
        # Convolution: the taps on the kept inputs, then on the new one, which moves in.
        xbc, conv = self._xbc, self._convolved
        np.multiply(window, taps[:-1], out=self._taps)
        np.add.reduce(self._taps, axis=0, out=conv)
        np.multiply(xbc, taps[-1], out=self._row)
        np.add(conv, self._row, out=conv)
        if bias is not None:
            np.add(conv, bias, out=conv)
        window[:-1] = window[1:]
        window[-1] = xbc
        F.silu(self._conv, inplace=True)
        # Recurrence: S ← exp(dt·a)·S + dt·u⊗b, y = S·c + D·u.
        dt, u, y = self._dt, self._u, self._heads
        np.add(dt, dt_bias, out=dt)
        np.logaddexp(dt, 0, out=dt)
        np.multiply(ssm, np.exp(dt * rate)[:, None], out=ssm)
        np.multiply(u, dt[:, None], out=self._stepped)
        grouped.baddbmm_(self._step, self._b)
        for matrix, (out, c) in zip(matrices, self._pairs, strict=True):
            torch.mv(matrix, c, out=out)
        np.multiply(u, skip, out=self._stepped)
        np.add(y, self._stepped, out=y)
        # Gate and norm by group.
        F.silu(self._z, inplace=True)
        np.multiply(self._mixed, self._gate, out=self._mixed)
        for row in self._by_group:
            np.multiply(row, 1 / math.sqrt(float(row.dot(row)) / len(row) + self._eps), out=row)
        np.multiply(self._mixed, self._norm, out=self._mixed)
        h.addmv_(self._out, self._y)


class AttentionStage:
    """The single query of `Attention`."""

    def __init__(self, mixer: Attention) -> None:
        weights = (mixer.q_proj.weight, mixer.k_proj.weight, mixer.v_proj.weight)
        size = mixer.head_size
        pairs = weights[1].shape[0] // size
        self._out = mixer.o_proj.weight
        self._products = [(weight, weight.new_empty(len(weight))) for weight in weights]
        q, k, v = (out for _, out in self._products)
        # The queries of a group as so many positions, see `Attention`.
        self._q = q.view(1, pairs, -1, size)
        self._k, self._v = k.view(1, pairs, 1, size), v.view(1, pairs, 1, size)

    def __call__(self, x: Tensor, h: Tensor, cache: KVCache) -> None:
        for weight, out in self._products:
            torch.mv(weight, x, out=out)
        keys, values, _ = cache.append(self._k, self._v)
        mixed = F.scaled_dot_product_attention(self._q, keys, values)
        h.addmv_(self._out, mixed.view(-1))


class MLPStage:
    """The product, square and product of `MLP`."""

    def __init__(self, mlp: MLP) -> None:
        self._up, self._down = mlp.up_proj.weight, mlp.down_proj.weight
        self._inner = self._up.new_empty(len(self._up))
        self._activated = self._inner.numpy()

    def __call__(self, x: Tensor, h: Tensor, cache: None) -> None:
        torch.mv(self._up, x, out=self._inner)
        _relu_squared(self._activated)
        h.addmv_(self._down, self._inner)


class MoEStage:
    """Router, the chosen experts and the shared one of `MoE`."""

    def __init__(self, mixer: MoE) -> None:
        gate = mixer.gate
        self._router = gate
        self._gate = gate.weight
        self._scores = gate.weight.new_empty(len(gate.weight))
        self._ups = mixer.experts.up_proj.unbind()
        self._downs = mixer.experts.down_proj.unbind()
        inner = self._ups[0].new_empty(gate.top_k, self._ups[0].shape[0])
        self._inner = inner.unbind()
        self._activated, self._rows = inner.numpy(), [row.numpy() for row in self._inner]
        self._shared = MLPStage(mixer.shared_experts)

    def __call__(self, x: Tensor, h: Tensor, cache: None) -> None:
        gate, scores = self._router, self._scores
        torch.mv(self._gate, x, out=scores)
        scores.sigmoid_()
        chosen = gate.choose(scores).tolist()
        every = scores.tolist()
        weights = [every[expert] for expert in chosen]
        scale = gate.scale / (sum(weights) + 1e-20) if gate.normalise else gate.scale
        for expert, inner in zip(chosen, self._inner, strict=True):
            torch.mv(self._ups[expert], x, out=inner)
        _relu_squared(self._activated)
        for weight, row in zip(weights, self._rows, strict=True):
            np.multiply(row, weight * scale, out=row)
        for expert, inner in zip(chosen, self._inner, strict=True):
            h.addmv_(self._downs[expert], inner)
        self._shared(x, h, None)


def _relu_squared(x: np.ndarray) -> None:
    np.maximum(x, 0, out=x)
    np.multiply(x, x, out=x)


_STAGES: dict[type[nn.Module], type[Any]] = {
    MambaMixer: MambaStage,
    Attention: AttentionStage,
    MoE: MoEStage,
    MLP: MLPStage,
}


class SingleStep:
    """The blocks and the head for one position, with all buffers prepared.

    It holds views of the weights: changes in place are seen, replaced weights need a new step.

    Args:
        blocks: the decoder's blocks, with `norm` and `mixer`.
        norm: the final norm.
        head: weight of the last product [vocab, hidden].
    """

    def __init__(self, blocks: Sequence[Any], norm: RMSNorm, head: Tensor) -> None:
        self._stages: list[tuple[NormStage, Stage]] = [
            (NormStage(block.norm), _STAGES[type(block.mixer)](block.mixer)) for block in blocks
        ]
        self._norm, self._head = NormStage(norm), head
        self._residual = head.new_empty(head.shape[1])
        self._h = self._residual.numpy()

    def __call__(self, x: Tensor, caches: Sequence[Any]) -> Tensor:
        """Moves the caches on by the embedding `x` [hidden]; the logits [vocab]."""
        h, vector = self._residual, self._h
        h.copy_(x)
        for (norm, stage), cache in zip(self._stages, caches, strict=True):
            stage(norm(vector), h, cache)
        return torch.mv(self._head, self._norm(vector))
