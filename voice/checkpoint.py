"""A checkpoint as a whole: what its `config.json` says, and writing one.

A directory as NVIDIA publishes it: `config.json` with the blocks `llm_config`, `sound_config` and
`vision_config`, weights under the raw names, tokenizer files and `chat_template.jinja`. Files that
transformers has written (`text_config`, `audio_config`) are read as well.

What `save_checkpoint` writes, `transformers.NemotronH_Omni_Reasoning_V3` loads as it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder
from omni_core.pictures import VisionConfig
from omni_core.projector import Projector
from omni_core.vision import VisionTower
from omni_core.weights import CheckpointError, save_tensors
from streaming.config import EncoderConfig
from streaming.encoder import ParakeetEncoder
from voice.prompt import fallback_template

SOUND_ENCODER = "sound_encoder.encoder."
SOUND_PROJECTION = "sound_projection."
LANGUAGE_MODEL = "language_model."

TurnEndSignal = Literal["empty_reply"]
"""How a checkpoint tells that a turn is not over: it begins, and so ends, an empty reply."""

_LAYER_LETTERS = {"linear_attention": "M", "moe": "E", "full_attention": "*", "mlp": "-"}
"""How transformers writes what NVIDIA's `hybrid_override_pattern` says in letters."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FLOAT32_ALWAYS = "e_score_correction_bias"
"""The router's correction is float32 in every checkpoint: it decides ties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """What a checkpoint is made of."""

    decoder: ModelConfig
    encoder: EncoderConfig | None
    """None for a checkpoint without sound."""
    sound_projection_size: int
    """Inner width of the projector from encoder steps to embeddings."""
    vision: VisionConfig | None
    """None for a checkpoint without vision."""
    dtype: torch.dtype
    """What the weights are stored in."""
    stop_token_ids: tuple[int, ...]
    """Tokens that end a reply."""
    turn_end_signal: TurnEndSignal | None = None
    """What the checkpoint was trained to tell about the end of a turn; None: nothing."""


def read_config(directory: str | Path) -> CheckpointConfig:
    """Reads and checks `config.json` and, where there is one, `generation_config.json`.

    Raises:
        CheckpointError: a file is missing or damaged, a value is impossible, or the checkpoint
            needs something that Parley does not implement.
    """
    directory = Path(directory)
    raw = _read_json(directory / "config.json")
    llm = raw.get("llm_config") or raw.get("text_config")
    if not isinstance(llm, dict):
        raise CheckpointError(
            f"{directory}/config.json has no llm_config: it is a {raw.get('model_type')!r} model. "
            "Give the directory of a Nemotron 3 Nano Omni checkpoint"
        )
    quantised = raw.get("quantization_config") or llm.get("quantization_config")
    if quantised:
        raise CheckpointError(
            f"{directory} holds weights quantised by {quantised.get('quant_method', 'a tool')}, "
            "which Parley cannot read; use the BF16 checkpoint"
        )
    sound = raw.get("sound_config") or raw.get("audio_config")
    dtype = raw.get("dtype") or raw.get("torch_dtype") or "bfloat16"
    generation = directory / "generation_config.json"
    stop = (_read_json(generation) if generation.exists() else {}).get("eos_token_id")
    stop = stop if stop is not None else raw.get("eos_token_id", llm.get("eos_token_id"))
    if stop is None:
        raise CheckpointError(
            f"{directory} names no eos_token_id; fetch generation_config.json of the checkpoint"
        )
    try:
        if sound and sound.get("projection_bias"):
            raise ValueError("sound_config has projection_bias=true, which Parley does not know")
        return CheckpointConfig(
            decoder=ModelConfig.from_dict(_with_pattern(llm)),
            encoder=EncoderConfig.from_dict(sound) if sound else None,
            sound_projection_size=int(sound["projection_hidden_size"]) if sound else 0,
            vision=VisionConfig.from_dict(raw) if raw.get("vision_config") else None,
            dtype=_DTYPES[dtype],
            stop_token_ids=tuple(stop) if isinstance(stop, list) else (int(stop),),
            turn_end_signal=_turn_end_signal(raw),
        )
    except KeyError as error:
        raise CheckpointError(f"{directory}/config.json: {error} is missing or unknown") from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{directory}/config.json: {error}") from error


def raw_config(
    llm_config: Mapping[str, Any],
    sound_config: Mapping[str, Any] | None,
    vision_config: Mapping[str, Any] | None,
    tokenizer: PreTrainedTokenizerBase,
    **beside: Any,
) -> dict[str, Any]:
    """A whole `config.json` around the blocks of its parts.

    Args:
        llm_config, sound_config, vision_config: the blocks in NVIDIA's layout; None leaves a
            part out.
        tokenizer: tells the ids of the placeholder tokens.
        beside: other keys of the top level, such as projector_hidden_size, downsample_ratio,
            norm_mean and norm_std, video_pruning_rate.
    """
    ids = tokenizer.get_added_vocab()
    blocks: dict[str, Any] = {"llm_config": {"model_type": "nemotron_h"} | dict(llm_config)}
    if sound_config is not None:
        # The native class of transformers knows this name only; NVIDIA's own code ignores it.
        blocks["sound_config"] = dict(sound_config) | {"model_type": "parakeet_encoder"}
    if vision_config is not None:
        vision = {"model_type": "radio", "video_temporal_patch_size": 2} | dict(vision_config)
        blocks["vision_config"] = vision
        frames = vision["video_temporal_patch_size"]
        blocks |= {"vit_hidden_size": vision["hidden_size"], "video_temporal_patch_size": frames}
    return {
        "architectures": ["NemotronH_Omni_Reasoning_V3"],
        "model_type": "nemotron_h_omni",
        "eos_token_id": tokenizer.eos_token_id,
        "img_context_token": "<image>",
        "img_context_token_id": ids["<image>"],
        "sound_context_token": "<so_embedding>",
        "sound_context_token_id": ids["<so_embedding>"],
        "ps_version": "v2",
        **beside,
        **blocks,
    }


def save_checkpoint(
    directory: str | Path,
    config: Mapping[str, Any],
    *,
    tokenizer: PreTrainedTokenizerBase,
    decoder: OmniDecoder,
    encoder: ParakeetEncoder | None = None,
    sound_projection: Projector | None = None,
    vision: VisionTower | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes a checkpoint that `voice.load` and transformers read.

    Args:
        directory: made if absent; a checkpoint in it is replaced.
        config: the whole `config.json`, as `raw_config` makes it.
        tokenizer: written with its chat template, or with Parley's where it has none.
        decoder, encoder, sound_projection, vision: the parts that `config` names.
        dtype: of the weights in the files.

    Raises:
        CheckpointError: `config` and the parts do not belong together.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    names = {kind: name for name, kind in _DTYPES.items()}
    generation = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": [tokenizer.eos_token_id],
        "pad_token_id": tokenizer.pad_token_id,
    }
    _write_json(directory / "generation_config.json", generation)
    _write_json(directory / "config.json", {**config, "torch_dtype": names[dtype]})
    parts = read_config(directory)
    for part, module, key in (
        (parts.encoder, encoder, "sound_config"),
        (parts.encoder, sound_projection, "sound_config"),
        (parts.vision, vision, "vision_config"),
    ):
        if (part is None) != (module is None):
            raise CheckpointError(f"{key} and the modules given to save_checkpoint do not agree")
    if parts.vision is not None:
        _write_json(directory / "preprocessor_config.json", _preprocessor(parts.vision))
    tensors = _prefixed(LANGUAGE_MODEL, decoder.state_dict())
    if encoder is not None and sound_projection is not None:
        tensors |= _prefixed(SOUND_ENCODER, encoder.conformer.state_dict())
        tensors |= _prefixed(SOUND_PROJECTION, sound_projection.state_dict())
    if vision is not None:
        tensors |= vision.raw_tensors()
    save_tensors(
        {name: _stored(name, tensor, dtype) for name, tensor in tensors.items()}, directory
    )
    tokenizer.save_pretrained(directory)
    template = tokenizer.chat_template or fallback_template()
    (directory / "chat_template.jinja").write_text(template, encoding="utf-8")


def _turn_end_signal(raw: Mapping[str, Any]) -> TurnEndSignal | None:
    signal = raw.get("turn_end_signal")
    known = get_args(TurnEndSignal)
    if signal is not None and signal not in known:
        raise ValueError(
            f"turn_end_signal={signal!r} is none that Parley knows ({', '.join(known)}); take the "
            "key out to have turns end by silence"
        )
    return signal


def _with_pattern(llm: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block with its layers in letters."""
    kinds = llm.get("layers_block_type")
    if "hybrid_override_pattern" in llm or kinds is None:
        return llm
    unknown = sorted({kind for kind in kinds if kind not in _LAYER_LETTERS})
    if unknown:
        raise ValueError(
            f"layers_block_type has unknown layer types {unknown}; Parley knows "
            f"{', '.join(_LAYER_LETTERS)}. Use a NemotronH checkpoint"
        )
    return {**llm, "hybrid_override_pattern": "".join(_LAYER_LETTERS[kind] for kind in kinds)}


def _preprocessor(vision: VisionConfig) -> dict[str, Any]:
    """What transformers' image processor reads."""
    keys = ("patch_size", "downsample_ratio", "min_num_patches", "max_num_patches")
    return {
        "image_processor_type": "NemotronH_Omni_Reasoning_V3ImageProcessor",
        **{key: getattr(vision, key) for key in keys},
        "norm_mean": list(vision.norm_mean),
        "norm_std": list(vision.norm_std),
    }


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _stored(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    return tensor.float() if name.endswith(FLOAT32_ALWAYS) else tensor.to(dtype)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(
            f"{file} cannot be read ({error.strerror}); give the directory of a whole checkpoint"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{file} is damaged ({error}); fetch it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{file} is damaged (no JSON object); fetch it again")
    return value


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
