"""FastConformer for one clip on the CPU in float32: the encoder of a small machine.

Live speech is encoded a few seconds at a time, many times over. A small tower then spends more on
calling its operations than on computing them, so its layers make as few calls as they can: products
are torch's, what lies between is compiled (`streaming.tower_kernels`). The mathematics is that of
`streaming.conformer`; only roundings differ.

Letters: T steps, D hidden size, H heads.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streaming.conformer import ConformerLayer, FastConformer, FeedForward, relative_positions
from streaming.tower_kernels import add_shifted, biased_queries, depthwise, layer_norm

MOST_STEPS = 384
"""More than a full clip has; relative positions are projected for so many steps, once."""

MOST_PARAMETERS = 50_000_000
"""The largest tower that gains; in larger ones the products outweigh the calls."""


class Tower:
    """A FastConformer's weights, prepared; most are views, so that changes in place are seen."""

    def __init__(self, conformer: FastConformer) -> None:
        self._subsampling = conformer.subsampling
        self._copied = _copied(conformer)
        self._versions = list(map(_version, self._copied))
        config = conformer.config
        self._scale = config.hidden_size**0.5 if config.scale_input else None
        positions = relative_positions(MOST_STEPS, config.hidden_size, torch.device("cpu"))
        self._layers = [_Layer(layer, positions) for layer in _layers(conformer)]

    @staticmethod
    def takes(conformer: FastConformer) -> bool:
        """Whether a tower of this kind, on its device and in its dtype, is gone through here."""
        weight, config = conformer.subsampling.linear.weight, conformer.config
        return (
            weight.device.type == "cpu"
            and weight.dtype == torch.float32
            and not (config.attention_bias or config.convolution_bias)
            and sum(each.numel() for each in conformer.parameters()) <= MOST_PARAMETERS
        )

    @property
    def up_to_date(self) -> bool:
        """Whether the weights of which something computed is kept are what they were."""
        return self._versions == list(map(_version, self._copied))

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """Encodes normalised features [F, mels], at most `MOST_STEPS` steps of them: [T, D]."""
        x = self._subsampling(features[None], None)[0]
        if self._scale is not None:
            x = x * self._scale
        x = x.contiguous()
        for layer in self._layers:
            x = layer(x)
        return x


def _version(weight: Tensor) -> int:
    """Grows with every change in place; tensors made for inference alone do not count theirs."""
    return 0 if weight.is_inference() else weight._version


def _layers(conformer: FastConformer) -> list[ConformerLayer]:
    return list(conformer.layers)  # type: ignore[arg-type]


def _copied(conformer: FastConformer) -> list[Tensor]:
    """The weights of which `Tower` keeps something computed; all others are read in place."""
    found: list[Tensor] = []
    for layer in _layers(conformer):
        norm = layer.conv.norm
        found += [layer.self_attn.relative_k_proj.weight, layer.conv.depthwise_conv.weight]
        found += [norm.weight, norm.bias]
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            found.append(statistic)
    return found


class _Layer:
    """One ConformerLayer."""

    def __init__(self, layer: ConformerLayer, positions: Tensor) -> None:
        self._norms = [
            _norm(norm)
            for norm in (
                layer.norm_feed_forward1,
                layer.norm_self_att,
                layer.norm_conv,
                layer.norm_feed_forward2,
                layer.norm_out,
            )
        ]
        self._before, self._after = _pair(layer.feed_forward1), _pair(layer.feed_forward2)
        attention = layer.self_attn
        self._q, self._k, self._v, self._o = (
            _transposed(each.weight)
            for each in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
        )
        self._heads, self._head_dim = attention.heads, attention.head_dim
        biases = attention.bias_u, attention.bias_v
        self._biases: tuple[Any, ...] = (*map(_array, biases), attention.head_dim**-0.5)
        keys = F.linear(positions, attention.relative_k_proj.weight.detach())
        keys = keys.view(len(positions), self._heads, self._head_dim)
        self._position_keys = keys.permute(1, 2, 0).contiguous()  # [H, D/H, 2·MOST_STEPS]
        conv, norm = layer.conv, layer.conv.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        # The batch norm is part of the taps.
        factor = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        self._taps = (conv.depthwise_conv.weight.detach()[:, 0].t() * factor).contiguous().numpy()
        self._bias = (norm.bias.detach() - norm.running_mean * factor).numpy()
        self._pointwise1 = _transposed(conv.pointwise_conv1.weight[..., 0])
        self._pointwise2 = _transposed(conv.pointwise_conv2.weight[..., 0])

    def __call__(self, x: Tensor) -> Tensor:
        """[T, D] → [T, D]; `x` is overwritten."""
        before, attention, conv, after, last = self._norms
        self._feed_forward(x, before, self._before)
        self._attend(x, attention)
        self._convolve(x, conv)
        self._feed_forward(x, after, self._after)
        return torch.from_numpy(layer_norm(x.numpy(), *last))

    def _feed_forward(self, x: Tensor, norm: tuple[Any, ...], pair: tuple[Tensor, Tensor]) -> None:
        inner = torch.from_numpy(layer_norm(x.numpy(), *norm)) @ pair[0]
        x.addmm_(F.silu(inner, inplace=True), pair[1], alpha=0.5)

    def _attend(self, x: Tensor, norm: tuple[Any, ...]) -> None:
        steps, split = len(x), (len(x), self._heads, self._head_dim)
        normed = torch.from_numpy(layer_norm(x.numpy(), *norm))
        by_content, by_position = biased_queries((normed @ self._q).numpy(), *self._biases)
        keys = (normed @ self._k).view(split).permute(1, 2, 0)
        scores = torch.from_numpy(by_content) @ keys
        # Distances T−1 … −T of those that were prepared.
        known = self._position_keys[:, :, MOST_STEPS - steps : MOST_STEPS + steps]
        placed = torch.from_numpy(by_position) @ known
        add_shifted(scores.numpy(), placed.numpy())
        mixed = scores.softmax(-1) @ (normed @ self._v).view(split).transpose(0, 1)
        x.addmm_(mixed.transpose(0, 1).reshape(x.shape), self._o)

    def _convolve(self, x: Tensor, norm: tuple[Any, ...]) -> None:
        normed = torch.from_numpy(layer_norm(x.numpy(), *norm))
        gated = F.glu(normed @ self._pointwise1, dim=-1)
        mixed = torch.from_numpy(depthwise(gated.numpy(), self._taps, self._bias))
        x.addmm_(F.silu(mixed, inplace=True), self._pointwise2)


def _pair(feed_forward: FeedForward) -> tuple[Tensor, Tensor]:
    return _transposed(feed_forward.linear1.weight), _transposed(feed_forward.linear2.weight)


def _transposed(weight: Tensor) -> Tensor:
    return weight.detach().t()


def _array(weight: Tensor) -> np.ndarray:
    return weight.detach().numpy()


def _norm(norm: nn.LayerNorm) -> tuple[np.ndarray, np.ndarray, float]:
    return _array(norm.weight), _array(norm.bias), norm.eps
