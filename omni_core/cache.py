"""What the decoder remembers of a session: one cache per block that needs one.

Legend: B sessions, K conv width, C conv channels, H heads, P head size, N state size, J key-value
heads, S capacity in positions, D head size.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(slots=True)
class MambaCache:
    """The memory of a Mamba block: fixed in size, overwritten by every position."""

    conv: Tensor
    """The last K−1 inputs of the convolution [B, K−1, C]."""
    ssm: Tensor
    """The state [B, H, P, N], float32 whatever the weights are."""


@dataclass(slots=True)
class KVCache:
    """The memory of an attention block: it grows, and is cut by its length."""

    keys: Tensor
    """[B, J, S, D]."""
    values: Tensor
    """[B, J, S, D]."""
