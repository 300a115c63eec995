"""Random tiny checkpoints of the whole model, and the reference loaded from them."""

import math
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models
from transformers import NemotronH_Omni_Reasoning_V3, PreTrainedTokenizerFast

from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder
from omni_core.pictures import VisionConfig
from omni_core.projector import Projector
from omni_core.vision import VisionTower
from streaming.config import EncoderConfig
from streaming.encoder import ParakeetEncoder
from tests.omni_core.reference import raw_config as raw_llm_config
from tests.streaming.reference import VOCAB, tiny_tdt_reference
from tests.voice.test_tokenizer import small_tokenizer
from voice.checkpoint import raw_config, save_checkpoint

SOUND: dict[str, Any] = {
    "model_type": "parakeet_encoder",
    "hidden_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 40,
    "conv_kernel_size": 5,
    "convolution_bias": False,
    "attention_bias": False,
    "scale_input": False,
    "subsampling_conv_channels": 8,
    "subsampling_conv_kernel_size": 3,
    "subsampling_conv_stride": 2,
    "subsampling_factor": 8,
    "num_mel_bins": 80,
    "projection_hidden_size": 48,
    "projection_bias": False,
    "sampling_rate": 16000,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "mlp_ratio": 2.0,
    "patch_size": 16,
    "max_img_size": 128,
    "video_temporal_patch_size": 2,
    "min_num_patches": 4,
    "max_num_patches": 64,
    "video_target_num_patches": 16,
}
BESIDE: dict[str, Any] = {"projector_hidden_size": 40, "downsample_ratio": 0.5, "patch_size": 16}


def write_tiny(
    directory: Path,
    *,
    seed: int = 0,
    sound: dict[str, Any] | None = SOUND,
    vision: dict[str, Any] | None = VISION,
    dtype: torch.dtype = torch.float32,
    beside: dict[str, Any] | None = None,
    **llm: Any,
) -> Path:
    """Writes a checkpoint with weights that are far from degenerate.

    `beside` are further keys of the top level of config.json, `llm` of its llm_config.
    """
    tokenizer = small_tokenizer()
    block = raw_llm_config(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=11, **llm)
    config = raw_config(block, sound, vision, tokenizer, **BESIDE, **(beside or {}))
    torch.manual_seed(seed)
    decoder = OmniDecoder(ModelConfig.from_dict(block))
    width = block["hidden_size"]
    encoder = projection = tower = None
    if sound is not None:
        encoder = ParakeetEncoder(EncoderConfig.from_dict(sound))
        projection = Projector(sound["hidden_size"], sound["projection_hidden_size"], width, 1e-5)
    if vision is not None:
        tower = VisionTower(VisionConfig.from_dict(config), width)
    for module in (decoder, encoder, projection, tower):
        if module is not None:
            _randomise(module)
    save_checkpoint(
        directory,
        config,
        tokenizer=tokenizer,
        decoder=decoder,
        encoder=encoder,
        sound_projection=projection,
        vision=tower,
        dtype=dtype,
    )
    return directory


def write_tiny_recogniser(directory: Path) -> Path:
    """Writes a random ParakeetForTDT whose every other piece opens a word."""
    tiny_tdt_reference(0, 2).save_pretrained(directory)
    pieces = {f"{'▁' * (index % 2)}p{index}": index for index in range(VOCAB)}
    tokenizer = Tokenizer(models.WordLevel(pieces, unk_token="p0"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(directory)
    return directory


@torch.no_grad()
def _randomise(module: torch.nn.Module) -> None:
    for name, weight in module.named_parameters():
        if "embeddings" in name or "position" in name or "cls_register" in name:
            weight.normal_()
        elif weight.dim() >= 2 and "conv" not in name:
            weight.normal_(std=1.5 / math.sqrt(weight.shape[-1]))
        elif name.endswith(("norm.weight", "norm1.weight", ".D")):
            weight.uniform_(0.5, 1.5)
    for name, buffer in module.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.uniform_(-0.2, 0.2)
        elif name.endswith("running_mean"):
            buffer.uniform_(-0.5, 0.5)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)


def reference(directory: Path) -> NemotronH_Omni_Reasoning_V3:
    """The same checkpoint in transformers, its dt clamp taken off."""
    model = NemotronH_Omni_Reasoning_V3.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    for layer in model.language_model.model.layers:
        if hasattr(layer.mixer, "time_step_limit"):
            # transformers 5.23 clamps dt to time_step_min in prefill but not in decode; the
            # model was trained without a clamp (time_step_limit [0, 1e30] in its config).
            layer.mixer.time_step_limit = (0.0, math.inf)
    return model
