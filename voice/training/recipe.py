"""The recipe of the built-in checkpoint: its sizes and its stages, in one place.

A small copy of how large omni models are made: an encoder that first learns what sounds, a decoder
that first learns to read and answer, then both together. `parley train` runs the stages in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice.training.speech import PHONEMES

VOCABULARY_SIZE = 2048
LABELS_PER_STEP = 4  # 20 ms labels in an 80 ms encoder step
NUM_PHONEMES = len(PHONEMES)

SOUND_CONFIG = {
    "model_type": "parakeet_encoder",
    "hidden_size": 208,
    "num_attention_heads": 4,
    "num_hidden_layers": 8,
    "intermediate_size": 640,
    "conv_kernel_size": 9,
    "convolution_bias": False,
    "attention_bias": False,
    "scale_input": False,
    "subsampling_conv_channels": 64,
    "subsampling_conv_kernel_size": 3,
    "subsampling_conv_stride": 2,
    "subsampling_factor": 8,
    "num_mel_bins": 80,
    "projection_hidden_size": VOCABULARY_SIZE,  # an inner unit for every word piece
    "projection_bias": False,
    "sampling_rate": 16000,
}

LLM_CONFIG = {
    "model_type": "nemotron_h",
    "hidden_size": 256,
    "num_hidden_layers": 6,
    "vocab_size": VOCABULARY_SIZE,
    "tie_word_embeddings": False,
    "hybrid_override_pattern": "M*EM*E",
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 8192,
    "sliding_window": None,
    "mamba_num_heads": 8,
    "mamba_head_dim": 64,
    "n_groups": 2,
    "ssm_state_size": 64,
    "conv_kernel": 4,
    "expand": 2,
    "chunk_size": 32,
    "use_conv_bias": True,
    "mamba_proj_bias": False,
    "mamba_hidden_act": "silu",
    "time_step_min": 0.001,
    "time_step_max": 0.1,
    "time_step_floor": 0.0001,
    "time_step_limit": [0.0, 1e30],
    "n_routed_experts": 32,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 256,
    "n_shared_experts": 1,
    "moe_shared_expert_intermediate_size": 384,
    "norm_topk_prob": True,
    "routed_scaling_factor": 1.0,
    "n_group": 1,
    "topk_group": 1,
    "intermediate_size": 384,
    "mlp_hidden_act": "relu2",
    "mlp_bias": False,
    "norm_eps": 1e-5,
    "layer_norm_epsilon": 1e-5,
    "residual_in_fp32": False,
    "attention_bias": False,
    "use_bias": False,
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 11,
    "pad_token_id": 0,
    "initializer_range": 0.02,
}

VISION_CONFIG = {
    "version": "c-radio_v4-h",
    "hidden_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "mlp_ratio": 4.0,
    "patch_size": 8,
    "max_img_size": 128,
    "video_temporal_patch_size": 2,
    "video_target_num_patches": 64,
    "video_maintain_aspect_ratio": True,
    "min_num_patches": 64,
    "max_num_patches": 196,
}
BESIDE = {
    "projector_hidden_size": 256,
    "downsample_ratio": 0.5,
    "patch_size": 8,
    "norm_mean": [0.48145466, 0.4578275, 0.40821073],
    "norm_std": [0.26862954, 0.26130258, 0.27577711],
    "video_pruning_rate": 0.7,
    "max_sequence_length": 8192,
    "turn_end_signal": "empty_reply",
}
"""Keys of config.json beside the blocks of the three parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """One stage of the recipe.

    Attributes:
        steps: optimiser steps. batch: utterances or conversations in one.
        learning_rate: peak, after warmup_steps; then it falls along a cosine to a twentieth.
        workers: processes that make the data.
        max_positions: longer sequences are left out.
        heard: part of the sequences that are heard; the others are read.
        speech: part of the examples that are utterances for the ear alone.
        plays: how often a batch is learnt from; speech takes long to make.
        mean_steps: the weights that a stage ends with are the mean over about so many steps, later
            ones counting more (Polyak and Juditsky 1992).
        blend: part of that mean in them; the rest is what the stage began with.
        muon: whether Muon trains the hidden matrices, and AdamW only the rest.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int = 300
    weight_decay: float = 0.01
    workers: int = 1
    max_positions: int = 640
    heard: float = 0.0
    speech: float = 0.0
    plays: int = 1
    mean_steps: int = 200
    blend: float = 1.0
    muon: bool = False


STAGES = {
    # What sounds at every 20 ms, from espeak's own phoneme events.
    "sounds": StageSettings(steps=1000, batch=24, learning_rate=1.5e-3),
    # Which word piece begins at every encoder step.
    "pieces": StageSettings(steps=3800, batch=24, learning_rate=1.2e-3, warmup_steps=100),
    # The word pieces in their order.
    "words": StageSettings(steps=6000, batch=24, learning_rate=6e-4, warmup_steps=100, muon=True),
    # The same of words that are drawn evenly: most are seldom met in sentences.
    "spelling": StageSettings(
        steps=5000, batch=24, learning_rate=6e-4, warmup_steps=100, muon=True
    ),
    # Reading transcripts as if they were heard: transcription and every skill.
    "language": StageSettings(steps=12_000, batch=16, learning_rate=8e-4, warmup_steps=200),
    # What drawings show where, in the decoder's words.
    "sight": StageSettings(steps=6000, batch=24, learning_rate=2e-3, plays=2),
    # The projector learns the embeddings that the decoder gives to the word pieces. It begins as a
    # formula that is nearly right; at ten times this rate it gets worse.
    "projector": StageSettings(steps=500, batch=24, learning_rate=1e-4, warmup_steps=50),
    # The decoder learns to read what the ear, which stays as it is, makes of sound.
    "listening": StageSettings(
        steps=6000, batch=16, learning_rate=5e-4, warmup_steps=100, heard=0.6, plays=3
    ),
    # Everything together, from sound to answer.
    "joint": StageSettings(
        steps=6000, batch=16, learning_rate=4e-4, warmup_steps=100, heard=0.4, speech=0.35
    ),
    # Replies that are drawn and judged by rule.
    "rewards": StageSettings(
        steps=400, batch=16, learning_rate=4e-5, warmup_steps=20, max_positions=200, heard=1.0
    ),
}

TOGETHER = ("projector", "listening", "joint", "rewards")
"""The stages of all parts; each goes on from the one before."""
