"""The NemotronH decoder: embeddings and token ids in, logits out."""

import torch
from torch import Tensor, nn

from omni_core.attention import Attention
from omni_core.config import LayerKind, ModelConfig
from omni_core.layers import MLP, RMSNorm
from omni_core.mamba import MambaMixer
from omni_core.moe import MoE


def _mixer(kind: LayerKind, config: ModelConfig) -> nn.Module:
    match kind:
        case LayerKind.MAMBA:
            return MambaMixer(config)
        case LayerKind.ATTENTION:
            return Attention(config)
        case LayerKind.MOE:
            return MoE(config)
        case LayerKind.MLP:
            return MLP(config.hidden_size, config.intermediate_size)


class Block(nn.Module):
    """x + mixer(RMSNorm(x)); one norm per block."""

    def __init__(self, kind: LayerKind, config: ModelConfig) -> None:
        super().__init__()
        self.kind = kind
        self.norm = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mixer = _mixer(kind, config)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x` [B, T, hidden] to the same shape."""
        return x + self.mixer(self.norm(x))


class Backbone(nn.Module):
    """Embeddings, blocks and the final norm, under the checkpoint's names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.embeddings.weight, std=config.initializer_range)
        self.layers = nn.ModuleList(Block(kind, config) for kind in config.layers)
        self.norm_f = RMSNorm(config.hidden_size, config.layer_norm_epsilon)


class OmniDecoder(nn.Module):
    """The language model of Nemotron 3 Nano Omni.

    Parameter names are those of the checkpoint below `language_model.`, with the routed experts
    stacked (see `omni_core.moe.Experts`).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings [..., hidden] of `tokens` [...], unscaled."""
        return self.backbone.embeddings(tokens)

    def hidden(self, embeddings: Tensor) -> Tensor:
        """Final hidden states [B, T, hidden] of whole sequences, offline, causal, differentiable.

        `lm_head` of them gives the logits. Every position takes part: pad on the right, where
        causality keeps the padding away from what comes before it.
        """
        x = embeddings
        for block in self.backbone.layers:
            x = block(x)
        return self.backbone.norm_f(x)
