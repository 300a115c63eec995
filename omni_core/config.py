"""The decoder's shape, read from the `llm_config` block of a checkpoint's `config.json`."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any


class LayerKind(Enum):
    """What one block mixes with; the value is its letter in `hybrid_override_pattern`."""

    MAMBA = "M"
    MOE = "E"
    ATTENTION = "*"
    MLP = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Sizes of a NemotronH decoder, under the names of NVIDIA's `config.json`.

    Keys that no implementation applies are not read: `rope_theta` and `partial_rotary_factor` (the
    attention knows no positions) and `expand` (the inner width is heads × head size).

    Raises:
        ValueError: a size that does not fit the others, or a feature Parley does not implement;
            the message names the key.
    """

    hybrid_override_pattern: str
    """One letter per block, see `LayerKind`."""
    hidden_size: int
    vocab_size: int
    max_position_embeddings: int = 262144
    """The longest history of one session, in positions."""
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    """Standard deviation of fresh embeddings."""

    mamba_num_heads: int
    mamba_head_dim: int
    n_groups: int
    ssm_state_size: int
    conv_kernel: int = 4
    chunk_size: int = 128
    """Positions per chunk of the scan; speed only, the result does not depend on it."""
    use_conv_bias: bool = True
    time_step_min: float = 0.001
    time_step_max: float = 0.1
    time_step_floor: float = 1e-4
    """Bounds of a fresh layer's time steps; a running layer does not clamp them."""

    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int

    n_routed_experts: int
    num_experts_per_tok: int
    moe_intermediate_size: int
    moe_shared_expert_intermediate_size: int
    routed_scaling_factor: float = 1.0
    norm_topk_prob: bool = True
    n_group: int = 1
    topk_group: int = 1

    intermediate_size: int = 0
    """Width of a dense MLP block ("-"); unused where the pattern has none."""

    def __post_init__(self) -> None:
        known = {kind.value for kind in LayerKind}
        strange = sorted(set(self.hybrid_override_pattern) - known)
        if strange or not self.hybrid_override_pattern:
            raise ValueError(
                f"hybrid_override_pattern {self.hybrid_override_pattern!r} has unknown layer types "
                f"{strange}; Parley knows M (Mamba-2), E (mixture of experts), * (attention) and "
                "- (MLP). Use a NemotronH checkpoint"
            )
        for whole, part in (
            ("mamba_num_heads", "n_groups"),
            ("num_attention_heads", "num_key_value_heads"),
            ("n_routed_experts", "n_group"),
        ):
            if getattr(self, part) < 1 or getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole}={getattr(self, whole)} must be a multiple of "
                    f"{part}={getattr(self, part)}"
                )
        allowed = self.n_routed_experts // self.n_group * self.topk_group
        if not 1 <= self.num_experts_per_tok <= allowed:
            raise ValueError(
                f"num_experts_per_tok={self.num_experts_per_tok} must lie in 1..{allowed}, "
                "the experts of topk_group groups"
            )
        if self.conv_kernel < 2:
            raise ValueError(f"conv_kernel={self.conv_kernel} must be at least 2")
        if LayerKind.MLP in self.layers and self.intermediate_size < 1:
            raise ValueError(
                "the pattern has dense MLP blocks (-) but intermediate_size is missing"
            )

    @property
    def layers(self) -> tuple[LayerKind, ...]:
        """The kind of each block, first to last."""
        return tuple(LayerKind(letter) for letter in self.hybrid_override_pattern)

    @property
    def inner_size(self) -> int:
        """Channels of x and z in a Mamba block."""
        return self.mamba_num_heads * self.mamba_head_dim

    @property
    def conv_size(self) -> int:
        """Channels of the Mamba convolution: x, B and C."""
        return self.inner_size + 2 * self.n_groups * self.ssm_state_size

    @classmethod
    def from_dict(cls, llm_config: Mapping[str, Any]) -> "ModelConfig":
        """Reads the raw `llm_config` block; unknown keys are ignored.

        Raises:
            ValueError: a key is missing, or switches on something Parley does not implement.
        """
        for key, only in _FIXED.items():
            if llm_config.get(key, only) != only:
                raise ValueError(
                    f"llm_config has {key}={llm_config[key]!r}, but Parley implements only "
                    f"{only!r}; use a Nemotron 3 Nano checkpoint"
                )
        values = {f.name: llm_config[f.name] for f in fields(cls) if f.name in llm_config}
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise ValueError(
                f"llm_config lacks {', '.join(missing)}; is this the config.json of a "
                "Nemotron Omni checkpoint?"
            )
        return cls(**values)


_FIXED: dict[str, object] = {
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "use_bias": False,
    "mamba_proj_bias": False,
    "mamba_hidden_act": "silu",
    "mlp_hidden_act": "relu2",
    "n_shared_experts": 1,
    "moe_latent_size": None,
    "sliding_window": None,
    "residual_in_fp32": False,
}
"""Keys whose other values would need other arithmetic."""
