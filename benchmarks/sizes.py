"""How large the benchmarks are. The defaults are what is published; tests run something smaller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

DECODER: Mapping[str, Any] = MappingProxyType(
    {
        "hybrid_override_pattern": "MEME*MEM*EME",
        "hidden_size": 192,
        "vocab_size": 2048,
        "max_position_embeddings": 8192,
        "mamba_num_heads": 6,
        "mamba_head_dim": 64,
        "n_groups": 2,
        "ssm_state_size": 64,
        "chunk_size": 64,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "n_routed_experts": 16,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": 80,
        "moe_shared_expert_intermediate_size": 160,
    }
)
"""A decoder of 5.1 million parameters with the proportions of the real one."""

ENCODER: Mapping[str, Any] = MappingProxyType(
    {
        "hidden_size": 208,
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "intermediate_size": 640,
        "num_mel_bins": 80,
        "subsampling_conv_channels": 64,
    }
)
"""The built-in model's encoder, 5 million parameters."""

QUESTIONS = (
    "Hello, who are you?",
    "What is the capital of France?",
    "What is seven plus five?",
    "What is the opposite of hot?",
    "What day comes after Tuesday?",
    "Could you please tell me what the capital city of Portugal is?",
)
"""What the pipeline is asked, the last for about three seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of all parts; positions and tokens unless the name says otherwise."""

    decoder: Mapping[str, Any] = field(default_factory=lambda: DECODER)
    repeats: int = 15
    """Measurements that count."""
    few_repeats: int = 9
    """The same where a baseline takes seconds."""

    contexts: tuple[int, ...] = (128, 2048)
    new_tokens: int = 64
    sessions: tuple[int, ...] = (1, 4, 16)

    histories: tuple[int, ...] = (0, 256, 1024, 4096)
    turn: int = 40
    """A spoken turn of three seconds."""

    prefill: int = 448
    chunks: tuple[int, ...] = (1, 2, 7, 14, 64)

    snapshot_contexts: tuple[int, ...] = (0, 1024, 4096)

    encoder: Mapping[str, Any] = field(default_factory=lambda: ENCODER)
    clips_s: tuple[float, ...] = (1, 3, 10, 30)
    stream_s: float = 10
    stream_chunks_ms: tuple[int, ...] = (160, 320, 1120)

    vad_snrs_db: tuple[float, ...] = (60, 20, 10, 0)
    """Noise below speech; 60 dB is a quiet room."""
    vad_noise_s: float = 20
    vad_voices: tuple[str, ...] = ("en-us", "en-gb-x-rp+f3")

    model: str = "builtin"
    """What the pipeline loads."""
    questions: tuple[str, ...] = QUESTIONS
    max_reply_tokens: int = 64
