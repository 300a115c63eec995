"""The Mamba-2 mixer: causal convolution and state-space scan, for any number of positions.

Mathematics: Dao and Gu, "Transformers are SSMs" (arXiv 2405.21060), section 6 for the chunked form.

Legend: B rows (sessions), T positions, Q positions of a chunk, C conv channels (x, B and C), K conv
width, H heads, P head size, G groups, R heads of a group (H = G·R), N state size.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.cache import MambaCache, MambaConstants
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

    def constants(self) -> MambaConstants:
        """The small weights as the scan uses them, in float32; differentiable."""
        return MambaConstants(
            taps=self.conv1d.weight[:, 0].t().contiguous(),
            bias=self.conv1d.bias,
            rate=-torch.exp(self.A_log.float()),
            skip=self.D.float()[:, None],
            dt_bias=self.dt_bias.float(),
        )

    @torch.inference_mode()
    def new_cache(self, rows: int = 1) -> MambaCache:
        """An empty history of `rows` sessions."""
        weight = self.in_proj.weight
        conv = weight.new_zeros(rows, self.conv1d.kernel_size[0] - 1, self.channels)
        shape = (rows, self.heads, self.head_size, self.state_size)
        ssm = torch.zeros(shape, dtype=torch.float32, device=weight.device)
        return MambaCache(conv, ssm, self.constants())

    def forward(self, x: Tensor) -> Tensor:
        """Maps whole sequences `x` [B, T, hidden] to the same shape; the history is empty."""
        return self.out_proj(self._scan(self.in_proj(x), self.constants()))

    def resume(self, x: Tensor, caches: Sequence[MambaCache], lengths: Sequence[int]) -> Tensor:
        """Maps new positions `x` [Σ rows·T, hidden] to the same shape, and updates the caches.

        Each cache has `rows`·T consecutive rows of `x`, T its entry in `lengths`.
        """
        projected = self.in_proj(x)
        if max(lengths) > 1:
            parts = projected.split([c.rows * t for c, t in zip(caches, lengths, strict=True)])
            mixed = torch.cat(
                [
                    self._scan(part.unflatten(0, (cache.rows, -1)), cache.constants, cache).flatten(
                        0, 1
                    )
                    for part, cache in zip(parts, caches, strict=True)
                ]
            )
        elif len(caches) == 1:
            mixed = self._recur(projected, caches[0])
        else:
            together = MambaCache(
                torch.cat([cache.conv for cache in caches]),
                torch.cat([cache.ssm for cache in caches]),
                caches[0].constants,
            )
            mixed = self._recur(projected, together)
            for row, cache in enumerate(caches):
                cache.restore((together.conv[row : row + 1], together.ssm[row : row + 1]))
        return self.out_proj(mixed)

    def _scan(
        self, projected: Tensor, constants: MambaConstants, cache: MambaCache | None = None
    ) -> Tensor:
        """Everything between the projections for [B, T, ·], any T; updates the cache if given."""
        z, xbc, dt = projected.split([self.inner, self.channels, self.heads], dim=-1)
        xbc, window = causal_conv(xbc, constants, None if cache is None else cache.conv)
        groups, heads = (self.groups, self.state_size), (self.heads, self.head_size)
        bc = self.groups * self.state_size
        u, b, c = F.silu(xbc).float().split([self.inner, bc, bc], dim=-1)
        u = u.unflatten(-1, heads)
        y, final = chunk_scan(
            u,
            F.softplus(dt.float() + constants.dt_bias),
            constants.rate,
            b.unflatten(-1, groups),
            c.unflatten(-1, groups),
            None if cache is None else cache.ssm,
            self.chunk,
        )
        if cache is not None:
            cache.restore((window, final))
        return self.norm((y + u * constants.skip).flatten(-2), z)

    def _recur(self, projected: Tensor, cache: MambaCache) -> Tensor:
        """The same for one position of every row, [B, ·]: the recurrence itself, in place."""
        taps, bias, rate, skip, dt_bias = cache.constants
        rows, heads, size, groups = cache.rows, self.heads, self.head_size, self.groups
        z, xbc, dt = projected.split_with_sizes([self.inner, self.channels, heads], dim=-1)
        window = torch.cat([cache.conv, xbc[:, None]], dim=1)
        cache.conv.copy_(window[:, 1:])
        xbc = (window * taps).sum(1)
        if bias is not None:
            xbc += bias
        bc = groups * self.state_size
        u, b, c = F.silu(xbc).float().split_with_sizes([self.inner, bc, bc], dim=-1)
        dt = F.softplus(dt.float() + dt_bias)
        u = u.view(rows, heads, size)
        # By groups: [B, G, R·P, N], so that b and c of a group meet all its heads at once.
        ssm = cache.ssm
        ssm *= (dt * rate).exp_().view(rows, heads, 1, 1)
        grouped = ssm.view(rows * groups, -1, self.state_size)
        b = b.reshape(rows * groups, 1, self.state_size)
        c = c.reshape(rows * groups, self.state_size, 1)
        grouped.baddbmm_((u * dt[..., None]).view(rows * groups, -1, 1), b)
        y = torch.bmm(grouped, c).view(rows, heads, size)
        return self.norm(y.addcmul_(u, skip).view(rows, -1), z)


def causal_conv(
    x: Tensor, constants: MambaConstants, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Depthwise causal convolution.

    Args:
        x: [B, T, C].
        constants: the taps and the bias.
        before: the K−1 inputs before `x`, [B, K−1, C]; None stands for zeros.

    Returns:
        The output [B, T, C], and the last K−1 inputs [B, K−1, C].
    """
    taps, steps = constants.taps, x.shape[1]
    padded = F.pad(x, (0, 0, len(taps) - 1, 0)) if before is None else torch.cat([before, x], 1)
    # A few multiplications of whole rows beat the general convolution on [B, T, C] by far.
    out = padded[:, :steps] * taps[0]
    for tap in range(1, len(taps)):
        out = torch.addcmul(out, padded[:, tap : tap + steps], taps[tap])
    if constants.bias is not None:
        out = out + constants.bias
    return out, padded[:, steps:]


def chunk_scan(
    u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, initial: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor]:
    """S ← exp(dt·a)·S + dt·u⊗b, y = S·c at every position, in float32, differentiable.

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
