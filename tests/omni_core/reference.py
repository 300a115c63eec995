"""Random tiny checkpoints, and the same weights in transformers' NemotronH."""

import math
from typing import Any

import torch
from transformers import NemotronHConfig, NemotronHForCausalLM

from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder

BASE: dict[str, Any] = {
    "hybrid_override_pattern": "MEM*E",
    "hidden_size": 32,
    "vocab_size": 61,
    "max_position_embeddings": 4096,
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "n_groups": 2,
    "ssm_state_size": 16,
    "conv_kernel": 4,
    "chunk_size": 8,
    "use_conv_bias": True,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "moe_shared_expert_intermediate_size": 40,
    "routed_scaling_factor": 2.5,
    "intermediate_size": 48,
}

SHAPES: dict[str, dict[str, Any]] = {
    "base": {},
    "one_group": {"n_groups": 1, "mamba_num_heads": 3, "mamba_head_dim": 8},
    "four_groups": {"n_groups": 4, "mamba_num_heads": 8, "ssm_state_size": 24},
    "one_expert": {"num_experts_per_tok": 1, "hybrid_override_pattern": "ME*ME"},
    "many_experts": {"n_routed_experts": 16, "num_experts_per_tok": 6},
    "expert_groups": {"n_routed_experts": 12, "n_group": 3, "topk_group": 2},
    "no_conv_bias": {"use_conv_bias": False, "hybrid_override_pattern": "MM*EM"},
    "wide_heads": {"num_key_value_heads": 1, "head_dim": 24, "hybrid_override_pattern": "M*M*-E"},
    "raw_weights": {"norm_topk_prob": False, "routed_scaling_factor": 1.0, "conv_kernel": 3},
}
"""What the parity tests vary; `expert_groups` and "-" blocks occur in sibling checkpoints."""


def raw_config(**changes: Any) -> dict[str, Any]:
    """An `llm_config` block as it stands in a checkpoint's config.json."""
    return {**BASE, **changes}


def random_decoder(seed: int = 0, **changes: Any) -> OmniDecoder:
    """A float32 decoder whose outputs are far from degenerate.

    Fresh weights leave logits near zero and the router nearly indifferent; these are louder.
    """
    torch.manual_seed(seed)
    model = OmniDecoder(ModelConfig.from_dict(raw_config(**changes)))
    with torch.no_grad():
        model.backbone.embeddings.weight.normal_()
        for name, weight in model.named_parameters():
            if weight.dim() >= 2 and "conv1d" not in name and "embeddings" not in name:
                weight.normal_(std=1.5 / math.sqrt(weight.shape[-1]))
            elif name.endswith("norm.weight") or name.endswith(".D"):
                weight.uniform_(0.5, 1.5)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.uniform_(-0.2, 0.2)
    return model.eval()


def in_transformers(model: OmniDecoder, **changes: Any) -> NemotronHForCausalLM:
    """The reference with the weights of `model`, which was made with the same `changes`."""
    config = NemotronHConfig(**raw_config(**changes), attn_implementation="eager")
    reference = NemotronHForCausalLM(config).eval()
    weights = {
        name.replace("backbone.", "model.", 1): tensor
        for name, tensor in model.state_dict().items()
    }
    reference.load_state_dict(weights, strict=True)
    for layer in reference.model.layers:
        if hasattr(layer.mixer, "time_step_limit"):
            # transformers 5.23 clamps dt to time_step_min in prefill but not in decode; the
            # model was trained without a clamp (time_step_limit [0, 1e30] in its config).
            layer.mixer.time_step_limit = (0.0, math.inf)
    return reference
