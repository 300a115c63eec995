"""FastConformer: normalised features → encoder steps, offline and differentiable.

Gulati et al. 2020 (arXiv 2005.08100), Rekesh et al. 2023 (arXiv 2305.05084), with the relative
positions of Transformer-XL (arXiv 1901.02860). Parameters and buffers carry the names of NVIDIA's
checkpoint below `sound_encoder.encoder.`; layers start from PyTorch's own initialisation, because
the σ = 0.02 that transformers uses does not learn.

Letters: B clips, T steps (F features before the subsampling), D hidden size, H heads, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streaming.config import SUBSAMPLING, EncoderConfig


class FastConformer(nn.Module):
    """The tower below `sound_encoder.encoder.`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.subsampling = Subsampling(config)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encodes a batch of clips; what lies beyond a clip's length never reaches its steps.

        Args:
            features: normalised log-mels [B, F, mels].
            lengths: features per clip [B], each at least 1; None means that all are F long.

        Returns:
            The encoder steps [B, T, D], zero beyond each clip's end, and the steps per clip [B].
        """
        batch, count, _ = features.shape
        valid = None
        step_lengths = torch.full((batch,), count_steps(count), device=features.device)
        if lengths is not None:
            lengths = lengths.to(features.device)
            step_lengths = -(-lengths // SUBSAMPLING)
        x = self.subsampling(features, lengths)
        if lengths is not None:
            valid = length_mask(step_lengths, x.shape[1])
        if self.config.scale_input:
            x = x * self.config.hidden_size**0.5
        positions = relative_positions(x.shape[1], self.config.hidden_size, x.device).to(x.dtype)
        for layer in self.layers:
            x = layer(x, positions, valid)
        if valid is not None:
            x = x.masked_fill(~valid[..., None], 0.0)
        return x, step_lengths


class Subsampling(nn.Module):
    """Three strided convolutions, each halving time and mels, and a projection to D."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        channels = config.subsampling_conv_channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels),
            nn.Conv2d(channels, channels, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels),
            nn.Conv2d(channels, channels, kernel_size=1),
            nn.ReLU(inplace=True),
        )
        self.linear = nn.Linear(channels * (config.num_mel_bins // SUBSAMPLING), config.hidden_size)

    def forward(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """[B, F, mels] → [B, T, D] with T = ⌈F / 8⌉."""
        # [B, F, mels, 1] in memory: channels last makes depthwise convolutions 2-5× faster on CPUs.
        x = features[..., None].permute(0, 3, 1, 2)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d) and layer.stride[0] > 1 and lengths is not None:
                # A strided convolution must see zeros beyond the clip, as at the clip's end.
                x = x * length_mask(lengths, x.shape[2])[:, None, :, None]
                lengths = -(-lengths // layer.stride[0])
            x = layer(x)
        return self.linear(x.transpose(1, 2).flatten(2))  # channel-major: channel · mels/8 + mel


class ConformerLayer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward; a norm before each."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.feed_forward1 = FeedForward(config)
        self.self_attn = RelativeAttention(config)
        self.conv = ConvolutionModule(config)
        self.feed_forward2 = FeedForward(config)
        self.norm_feed_forward1 = nn.LayerNorm(config.hidden_size)
        self.norm_self_att = nn.LayerNorm(config.hidden_size)
        self.norm_conv = nn.LayerNorm(config.hidden_size)
        self.norm_feed_forward2 = nn.LayerNorm(config.hidden_size)
        self.norm_out = nn.LayerNorm(config.hidden_size)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """[B, T, D] → [B, T, D]; `positions` [2T, D], `valid` [B, T] or None for all."""
        x = torch.add(x, self.feed_forward1(self.norm_feed_forward1(x)), alpha=0.5)
        x = x + self.self_attn(self.norm_self_att(x), positions, valid)
        x = x + self.conv(self.norm_conv(x), valid)
        x = torch.add(x, self.feed_forward2(self.norm_feed_forward2(x)), alpha=0.5)
        return self.norm_out(x)


class FeedForward(nn.Module):
    """Linear → SiLU → linear."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        inner, bias = config.intermediate_size, config.attention_bias
        self.linear1 = nn.Linear(config.hidden_size, inner, bias=bias)
        self.linear2 = nn.Linear(inner, config.hidden_size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] → [..., D]."""
        return self.linear2(F.silu(self.linear1(x)))


class RelativeAttention(nn.Module):
    """Full attention of a clip: score[i, j] = ((q_i + u)·k_j + (q_i + v)·r_{i−j}) / √head_dim."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width, bias = config.hidden_size, config.attention_bias
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        self.q_proj = nn.Linear(width, width, bias=bias)
        self.k_proj = nn.Linear(width, width, bias=bias)
        self.v_proj = nn.Linear(width, width, bias=bias)
        self.o_proj = nn.Linear(width, width, bias=bias)
        self.relative_k_proj = nn.Linear(width, width, bias=False)
        self.bias_u = nn.Parameter(torch.zeros(self.heads, self.head_dim))
        self.bias_v = nn.Parameter(torch.zeros(self.heads, self.head_dim))

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """[B, T, D] → [B, T, D]; `positions` [2T, D] from T−1 down to −T."""
        batch, steps, width = x.shape
        q, k, v = (
            proj(x).view(batch, steps, self.heads, self.head_dim).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )  # [B, H, T, head_dim]
        q = q * self.head_dim**-0.5
        scale = self.head_dim**-0.5
        r = self.relative_k_proj(positions).view(2 * steps, self.heads, self.head_dim)
        by_position = (q + (self.bias_v * scale)[:, None]) @ r.permute(1, 2, 0)  # [B, H, T, 2T]
        by_content = (q + (self.bias_u * scale)[:, None]) @ k.transpose(2, 3)  # [B, H, T, T]
        scores = by_content + shift_relative(by_position)
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None, None, :], float("-inf"))
        mixed = scores.softmax(-1) @ v
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, steps, width))


class ConvolutionModule(nn.Module):
    """Pointwise → GLU → depthwise → BatchNorm → SiLU → pointwise, along time."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width, bias = config.hidden_size, config.convolution_bias
        kernel = config.conv_kernel_size
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1, bias=bias)
        self.depthwise_conv = nn.Conv1d(
            width, width, kernel, padding=kernel // 2, groups=width, bias=bias
        )
        self.norm = nn.BatchNorm1d(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1, bias=bias)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """[B, T, D] → [B, T, D]."""
        x = F.glu(_pointwise(self.pointwise_conv1, x), dim=-1)
        if valid is not None:
            x = x.masked_fill(~valid[..., None], 0.0)
        x = self.depthwise_conv(x.transpose(1, 2)).transpose(1, 2)
        return _pointwise(self.pointwise_conv2, F.silu(self._normalise(x, valid)))

    def _normalise(self, x: Tensor, valid: Tensor | None) -> Tensor:
        if self.training and valid is not None:
            # Statistics of the batch over real steps only, so that padding teaches nothing.
            return torch.zeros_like(x).masked_scatter(valid[..., None], self.norm(x[valid]))
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


def _pointwise(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """A 1-wide convolution of [B, T, D] is a linear layer, without the two transpositions."""
    return F.linear(x, conv.weight.squeeze(-1), conv.bias)


def relative_positions(steps: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids [2·steps, width] of the distances steps−1 … −steps, sine and cosine interleaved.

    Attention needs the distances down to −(steps−1); one more makes the shift below a pure view.
    """
    distances = torch.arange(steps - 1, -steps - 1, -1, device=device, dtype=torch.float32)
    exponents = torch.arange(0, width, 2, device=device, dtype=torch.float32) / width
    frequencies = 10000.0**-exponents
    angles = distances[:, None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


def shift_relative(by_position: Tensor) -> Tensor:
    """[B, H, T, 2T], whose column p is the distance T−1−p, as [B, H, T, T] over keys.

    Query i finds key j in column T−1−i+j, which in the flattened matrix is T−1 + i·(2T−1) + j: a
    view with rows one shorter (Transformer-XL, appendix B, without its padding and copy).
    """
    steps = by_position.shape[2]
    row = 2 * steps - 1
    flat = by_position.flatten(2)[:, :, steps - 1 : steps - 1 + steps * row]
    return flat.unflatten(2, (steps, row))[..., :steps]


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """True where a position lies inside its clip: [B, size]."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def count_steps(features: int) -> int:
    """Encoder steps of a clip of so many features: ⌈features / 8⌉."""
    return -(-features // SUBSAMPLING)
