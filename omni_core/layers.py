"""The small parts of a block: RMSNorm, the gated group norm of Mamba-2, the relu² MLP."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """RMSNorm with mean square and weight product in float32, cast to the input's dtype last."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last axis of `x` [..., size]."""
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps).to(x.dtype)


class GatedGroupNorm(nn.Module):
    """y·SiLU(z), then RMSNorm per group of channels, in float32 (gate first, as in Mamba-2)."""

    def __init__(self, size: int, groups: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.groups = groups
        self.eps = eps

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Returns [..., size] in z's dtype from `y`, float32, and the gate `z` of that shape."""
        gated = (y * F.silu(z.float())).unflatten(-1, (self.groups, -1))
        normed = F.rms_norm(gated, gated.shape[-1:], None, self.eps).flatten(-2)
        return (normed * self.weight).to(z.dtype)


class MLP(nn.Module):
    """down(relu(up x)²), without gate and without bias."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.up_proj = nn.Linear(hidden_size, width, bias=False)
        self.down_proj = nn.Linear(width, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x` [..., hidden] to the same shape."""
        return self.down_proj(F.relu(self.up_proj(x)).square())
