"""Grouped-query attention without positions: order reaches the model through Mamba alone.

Legend: B rows (sessions), T new positions, S positions in the history, H query heads, J key-value
heads, D head size.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.cache import KVCache
from omni_core.config import ModelConfig

FIRST_CAPACITY = 256
"""Positions a fresh cache can hold before it grows."""


class KVLike(Protocol):
    """A cache of `rows` sessions that advance together."""

    @property
    def rows(self) -> int:
        """Sessions in this cache."""

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Adds [B, J, T, D]; returns what to attend to [B, J, S, D] and a mask, if T is 1."""


class Attention(nn.Module):
    """Causal softmax attention, scaled by D^-½, without bias and without rotary embedding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_size = config.head_dim
        queries = config.num_attention_heads * config.head_dim
        pairs = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, pairs, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, pairs, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)

    def new_cache(self) -> KVCache:
        """An empty history of one session."""
        weight = self.k_proj.weight
        shape = (1, weight.shape[0] // self.head_size, FIRST_CAPACITY, self.head_size)
        return KVCache(weight.new_empty(shape), weight.new_empty(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Maps whole sequences `x` [B, T, hidden] to the same shape; the history is empty."""
        q, k, v = (part.transpose(1, 2) for part in self._project(x))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    def resume(self, x: Tensor, caches: Sequence[KVLike], lengths: Sequence[int]) -> Tensor:
        """Maps new positions `x` [Σ rows·T, hidden] to the same shape, and extends the caches.

        Each cache has `rows`·T consecutive rows of `x`, T its entry in `lengths`.
        """
        q, k, v = self._project(x)
        outs, start = [], 0
        for cache, steps in zip(caches, lengths, strict=True):
            end = start + cache.rows * steps
            shape = (cache.rows, steps)
            mine = [part[start:end].unflatten(0, shape) for part in (q, k, v)]
            outs.append(self._attend(mine[0], mine[1], mine[2], cache))
            start = end
        return self.o_proj(outs[0] if len(outs) == 1 else torch.cat(outs))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [..., H, D], keys and values [..., J, D] of `x` [..., hidden]."""
        size = self.head_size
        return (
            self.q_proj(x).unflatten(-1, (-1, size)),
            self.k_proj(x).unflatten(-1, (-1, size)),
            self.v_proj(x).unflatten(-1, (-1, size)),
        )

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, cache: KVLike) -> Tensor:
        """Attention [B·T, H·D] of T new positions over the history and themselves."""
        rows, steps = q.shape[:2]
        keys, values, mask = cache.append(k.transpose(1, 2), v.transpose(1, 2))
        if steps == 1:
            # The queries of a group as so many positions: the keys need no repetition.
            grouped = q.view(rows, keys.shape[1], -1, self.head_size)
            out = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask)
            return out.view(rows, -1)
        history = keys.shape[2]
        past = torch.ones(steps, history, dtype=torch.bool, device=q.device)
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2), keys, values, attn_mask=past.tril(history - steps), enable_gqa=True
        )
        return out.transpose(1, 2).reshape(rows * steps, -1)
