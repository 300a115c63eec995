"""The Mamba-2 mixer: causal convolution and state-space scan, for any number of positions.

Mathematics: Dao and Gu, "Transformers are SSMs" (arXiv 2405.21060), section 6 for the chunked form.

Legend: B sessions, T positions, Q positions of a chunk, C conv channels (x, B and C), K conv width,
H heads, P head size, G groups, R heads of a group (H = G·R), N state size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.cache import MambaCache
from omni_core.config import ModelConfig
from omni_core.layers import GatedGroupNorm


class MambaMixer(nn.Module):
    """in_proj → convolution → scan → gated norm → out_proj; the scan runs in float32."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.mamba_num_heads, config.mamba_head_dim
        self.groups, self.state_size = config.n_groups, config.ssm_state_size
        self.chunk = config.chunk_size
        self.inner, self.channels = config.inner_size, config.conv_size
        projected = self.inner + self.channels + self.heads
        self.in_proj = nn.Linear(config.hidden_size, projected, bias=False)
        # Holds the weights under the checkpoint's names; `causal_conv` does the arithmetic.
        self.conv1d = nn.Conv1d(
            self.channels,
            self.channels,
            config.conv_kernel,
            groups=self.channels,
            bias=config.use_conv_bias,
        )
        self.A_log = nn.Parameter(torch.empty(self.heads))
        self.D = nn.Parameter(torch.empty(self.heads))
        self.dt_bias = nn.Parameter(torch.empty(self.heads))
        self.norm = GatedGroupNorm(self.inner, self.groups, config.layer_norm_epsilon)
        self.out_proj = nn.Linear(self.inner, config.hidden_size, bias=False)
        self._reset_dynamics(config)

    @torch.no_grad()
    def _reset_dynamics(self, config: ModelConfig) -> None:
        """As in Mamba-2: A uniform in [1, 16], time steps log-uniform, D one."""
        self.A_log.uniform_(1.0, 16.0).log_()
        self.D.fill_(1.0)
        low, high = math.log(config.time_step_min), math.log(config.time_step_max)
        steps = torch.empty_like(self.dt_bias).uniform_(low, high).exp_()
        steps.clamp_(min=config.time_step_floor)
        self.dt_bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # inverse of softplus

    def forward(self, x: Tensor, cache: MambaCache | None = None) -> Tensor:
        """Maps `x` [B, T, hidden] to the same shape, continuing from `cache` and updating it.

        Without a cache the history is empty.
        """
        z, xbc, dt = self.in_proj(x).split([self.inner, self.channels, self.heads], dim=-1)
        before = None if cache is None else cache.conv
        xbc, window = causal_conv(xbc, self.conv1d.weight, self.conv1d.bias, before)
        bc = self.groups * self.state_size
        u, b, c = F.silu(xbc).float().split([self.inner, bc, bc], dim=-1)
        u = u.unflatten(-1, (self.heads, self.head_size))
        y, final = chunk_scan(
            u,
            F.softplus(dt.float() + self.dt_bias.float()),
            -torch.exp(self.A_log.float()),
            b.unflatten(-1, (self.groups, self.state_size)),
            c.unflatten(-1, (self.groups, self.state_size)),
            None if cache is None else cache.ssm,
            self.chunk,
        )
        if cache is not None:
            cache.conv.copy_(window)
            cache.ssm.copy_(final)
        y = (y + u * self.D.float()[:, None]).flatten(-2)
        return self.out_proj(self.norm(y, z))


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Depthwise causal convolution.

    Args:
        x: [B, T, C].
        weight: [C, 1, K].
        bias: [C] or None.
        before: the K−1 inputs before `x`, [B, K−1, C]; None stands for zeros.

    Returns:
        The output [B, T, C], and the last K−1 inputs [B, K−1, C].
    """
    taps = weight.shape[-1]
    steps = x.shape[1]
    padded = F.pad(x, (0, 0, taps - 1, 0)) if before is None else torch.cat([before, x], dim=1)
    # A few multiplications of whole rows beat the general convolution on [B, T, C] by far.
    out = padded[:, :steps] * weight[:, 0, 0]
    for tap in range(1, taps):
        out = torch.addcmul(out, padded[:, tap : tap + steps], weight[:, 0, tap])
    if bias is not None:
        out = out + bias
    return out, padded[:, steps:]


def chunk_scan(
    u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, initial: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor]:
    """S ← exp(dt·a)·S + dt·u⊗b, y = S·c for every position, chunk by chunk; float32, differentiable.

    Args:
        u: inputs [B, T, H, P].
        dt: time steps [B, T, H], positive.
        a: decay rates [H], negative.
        b: input vectors [B, T, G, N]; head h belongs to group h // R.
        c: output vectors [B, T, G, N].
        initial: S before the first position [B, H, P, N]; None stands for zeros.
        chunk: positions per chunk; the result depends on it only by rounding.

    Returns:
        y [B, T, H, P], and S after the last position [B, H, P, N].
    """
    sessions, steps, heads, size = u.shape
    groups, state = b.shape[-2:]
    q = min(chunk, steps)
    # Padded positions have dt = 0: they neither decay the state nor add to it.
    pad = -steps % q
    n = (steps + pad) // q

    def chunks(tensor: Tensor, *shape: int) -> Tensor:
        """[B, T, …] → [B, n, Q, …]."""
        if pad:
            tensor = F.pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, pad))
        return tensor.reshape(sessions, n, q, *shape)

    v = chunks(u * dt[..., None], groups, -1, size).permute(0, 1, 3, 4, 2, 5)  # [B, n, G, R, Q, P]
    b = chunks(b, groups, state).transpose(2, 3)  # [B, n, G, Q, N]
    c = chunks(c, groups, state).transpose(2, 3)
    decay = chunks(dt * a, groups, heads // groups).permute(0, 1, 3, 4, 2).cumsum(-1)  # [B,n,G,R,Q]

    # Inside a chunk: attention-like scores, weighted with the decay between the two positions.
    between = decay[..., :, None] - decay[..., None, :]
    past = torch.ones(q, q, dtype=torch.bool, device=u.device).tril()
    weights = between.masked_fill(~past, -torch.inf).exp()
    scores = c @ b.transpose(-1, -2)  # [B, n, G, Q, Q]
    y = (scores[:, :, :, None] * weights) @ v  # [B, n, G, R, Q, P]

    # Across chunks: what each adds to the state, and what the state before it adds to the output.
    to_end = (decay[..., -1:] - decay).exp()
    added = (v * to_end[..., None]).transpose(-1, -2) @ b[:, :, :, None]  # [B, n, G, R, P, N]
    whole = decay[..., -1].exp()[..., None, None]  # [B, n, G, R, 1, 1]
    running = (
        torch.zeros_like(added[:, 0])
        if initial is None
        else initial.unflatten(1, (groups, -1)).float()
    )
    befores = []
    for index in range(n):
        befores.append(running)
        running = running * whole[:, index] + added[:, index]
    if n > 1 or initial is not None:
        start = torch.stack(befores, dim=1)  # [B, n, G, R, P, N]
        carried = c[:, :, :, None] @ start.transpose(-1, -2)  # [B, n, G, R, Q, P]
        y = y + carried * decay.exp()[..., None]
    y = y.permute(0, 1, 4, 2, 3, 5).reshape(sessions, n * q, heads, size)[:, :steps]
    return y, running.flatten(1, 2)
