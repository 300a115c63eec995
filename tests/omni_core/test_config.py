"""Reading `llm_config`: what is taken, and what is refused with which words."""

import pytest

from omni_core.config import LayerKind, ModelConfig
from tests.omni_core.reference import raw_config


def test_config_reads_the_raw_block_and_ignores_what_nobody_applies() -> None:
    config = ModelConfig.from_dict(raw_config(rope_theta=10000, expand=2, time_step_limit=[0, 1]))
    assert config.layers == (
        LayerKind.MAMBA,
        LayerKind.MOE,
        LayerKind.MAMBA,
        LayerKind.ATTENTION,
        LayerKind.MOE,
    )
    assert (config.inner_size, config.conv_size) == (64, 128)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hybrid_override_pattern": "MEX*"}, r"unknown layer types \['X'\]"),
        ({"hybrid_override_pattern": ""}, "unknown layer types"),
        ({"n_groups": 3}, "mamba_num_heads=4 must be a multiple of n_groups=3"),
        ({"num_key_value_heads": 3}, "num_attention_heads=4 must be a multiple"),
        ({"num_experts_per_tok": 9}, r"must lie in 1\.\.8"),
        ({"n_routed_experts": 8, "n_group": 4, "num_experts_per_tok": 3}, r"must lie in 1\.\.2"),
        ({"conv_kernel": 1}, "conv_kernel"),
        ({"hybrid_override_pattern": "M-", "intermediate_size": 0}, "intermediate_size"),
        ({"attention_bias": True}, "attention_bias=True"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings=True"),
        ({"mlp_hidden_act": "silu"}, "mlp_hidden_act='silu'"),
    ],
)
def test_config_that_parley_cannot_run_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(raw_config(**change))


def test_config_with_missing_keys_names_them() -> None:
    raw = raw_config()
    del raw["hidden_size"], raw["head_dim"]
    with pytest.raises(ValueError, match="lacks hidden_size, head_dim"):
        ModelConfig.from_dict(raw)
