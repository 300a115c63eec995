"""The mixture of experts: a sigmoid router, stacked relu² experts and one shared expert.

Routing after DeepSeek-V3 (arXiv 2412.19437): the correction bias takes part in the choice of the
experts only, not in their weights, so that load can be balanced without an auxiliary loss.

Legend: T positions, E experts, k experts of a position, W expert width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.config import ModelConfig
from omni_core.layers import MLP


class Router(nn.Module):
    """Chooses k experts for each position and weighs them, in float32.

    `load`, None by default, can be set to a zeroed int64 tensor [E]: the router then adds to it how
    often each expert is chosen. A trainer reads it, moves `e_score_correction_bias` against it and
    zeroes it again.
    """

    e_score_correction_bias: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.groups, self.top_groups = config.n_group, config.topk_group
        self.normalise, self.scale = config.norm_topk_prob, config.routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        bound = config.hidden_size**-0.5  # as nn.Linear
        nn.init.uniform_(self.weight, -bound, bound)
        bias = torch.zeros(config.n_routed_experts, dtype=torch.float32)
        self.register_buffer("e_score_correction_bias", bias)
        self.load: Tensor | None = None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the weights (float32) and the indices of the chosen experts of `x` [T, hidden].

        Both are [T, k]. The weights are differentiable with respect to the router's weight.
        """
        scores = F.linear(x.float(), self.weight.float()).sigmoid()
        chosen = self.choose(scores.detach())
        weights = scores.gather(-1, chosen)
        if self.normalise:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        if self.load is not None:
            self.load += torch.bincount(chosen.flatten(), minlength=self.load.numel())
        return weights * self.scale, chosen

    def choose(self, scores: Tensor) -> Tensor:
        """The experts [..., k] with the best corrected `scores` [..., E], in any order."""
        choice = scores + self.e_score_correction_bias
        if self.groups > 1:
            choice = self._mask_groups(choice)
        return choice.topk(self.top_k, dim=-1, sorted=False).indices

    def _mask_groups(self, choice: Tensor) -> Tensor:
        """Leaves the groups whose two best experts sum highest."""
        grouped = choice.unflatten(-1, (self.groups, -1))
        best = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(-1)
        kept = torch.zeros_like(best, dtype=torch.bool)
        kept.scatter_(-1, best.topk(self.top_groups, dim=-1, sorted=False).indices, True)
        return grouped.masked_fill(~kept[..., None], -torch.inf).flatten(-2)


class Experts(nn.Module):
    """All routed experts, stacked: up_proj [E, W, hidden] and down_proj [E, hidden, W]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        experts, width = config.n_routed_experts, config.moe_intermediate_size
        self.up_proj = nn.Parameter(torch.empty(experts, width, config.hidden_size))
        self.down_proj = nn.Parameter(torch.empty(experts, config.hidden_size, width))
        for weight in (self.up_proj, self.down_proj):
            bound = 1 / math.sqrt(weight.shape[-1])  # as nn.Linear
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Sums the chosen experts' outputs [T, hidden], given `weights` and `chosen` [T, k]."""
        # Positions sorted by expert, and where each expert's end; nothing here waits for a device.
        experts, order = chosen.flatten().sort(stable=True)
        every = torch.arange(len(self.up_proj), device=x.device)
        ends = torch.searchsorted(experts, every, right=True, out_int32=True)
        rows = x[order // chosen.shape[-1]]
        inner = F.relu(F.grouped_mm(rows, self.up_proj.transpose(1, 2), offs=ends)).square()
        outs = F.grouped_mm(inner, self.down_proj.transpose(1, 2), offs=ends)
        places = torch.empty_like(order)
        places[order] = torch.arange(order.numel(), device=order.device)
        outs = outs[places].unflatten(0, chosen.shape)  # [T, k, hidden]
        return (outs * weights[..., None]).sum(1).to(x.dtype)


class MoE(nn.Module):
    """The routed experts' weighted sum plus the shared expert, which every position passes."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = Router(config)
        self.experts = Experts(config)
        self.shared_experts = MLP(config.hidden_size, config.moe_shared_expert_intermediate_size)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x` [..., hidden] to the same shape."""
        flat = x.flatten(0, -2)
        return self.experts(flat, *self.gate(flat)).view_as(x) + self.shared_experts(x)
