"""Grouped-query attention without positions: order reaches the model through Mamba alone.

Legend: B sessions, T new positions, S positions in the history, H query heads, J key-value heads,
D head size.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.cache import KVCache
from omni_core.config import ModelConfig


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

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """Maps `x` [B, T, hidden] to the same shape; offline, or after the history in `cache`."""
        q, k, v = (
            proj(x).unflatten(-1, (-1, self.head_size)).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(out.transpose(1, 2).flatten(2))
