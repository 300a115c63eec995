"""`voice.load`: from a name to an assistant that is ready to listen."""

from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from omni_core.model import OmniDecoder
from omni_core.projector import Projector
from omni_core.vision import VisionTower
from omni_core.weights import Checkpoint, CheckpointError, checkpoint_directory
from streaming.encoder import ParakeetEncoder
from voice.assistant import Assistant
from voice.checkpoint import (
    FLOAT32_ALWAYS,
    LANGUAGE_MODEL,
    SOUND_ENCODER,
    SOUND_PROJECTION,
    CheckpointConfig,
    read_config,
)

BUILTIN = "builtin"
SOUND_PROJECTION_EPS = 1e-5
"""Of the projector's norm; NVIDIA's code sets it, no file does."""
_UNUSED_SOUND = "feature_extractor."
"""Filterbank and window that NVIDIA stores along; the front end computes its own."""
_UNUSED_TOP = ("vision_model.summary_idxs",)
"""What transformers stores of its vision tower beyond NVIDIA's names."""

M = TypeVar("M", bound=nn.Module)


def load_assistant(
    name_or_path: str | Path = BUILTIN,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Assistant:
    """Loads a checkpoint; see `voice.load`."""
    if str(name_or_path) == BUILTIN:
        directory = Path(str(files("voice").joinpath("builtin")))
        if not (directory / "config.json").exists():
            raise CheckpointError(
                "this installation of Parley has no built-in model; `parley train` makes it, or "
                "load another checkpoint by its directory or Hub id"
            )
    else:
        directory = checkpoint_directory(name_or_path)
    config = read_config(directory)
    device = torch.device(device)
    if dtype is None:
        # Without tensor cores half precision saves memory and costs time and accuracy.
        dtype = torch.float32 if device.type == "cpu" else config.dtype
    model, encoder, sound_projection, vision = build_modules(config)
    checkpoint = Checkpoint(directory)
    checkpoint.load_into(_allocated(model, device, dtype), LANGUAGE_MODEL)
    if encoder is not None and sound_projection is not None:
        unused = [
            name.removeprefix(SOUND_ENCODER)
            for name in checkpoint.names
            if name.startswith(SOUND_ENCODER + _UNUSED_SOUND)
        ]
        _allocated(encoder, device, dtype)
        checkpoint.load_into(encoder.conformer, SOUND_ENCODER, ignore=unused)
        checkpoint.load_into(_allocated(sound_projection, device, dtype), SOUND_PROJECTION)
    if vision is not None:
        _allocated(vision, device, dtype)
        vision.load_raw(checkpoint)
    checkpoint.finish(ignore=_UNUSED_TOP.__contains__)
    model.warm_up()
    if encoder is not None:
        encoder.warm_up()
    return Assistant(
        model=model,
        tokenizer=_open_tokenizer(directory),
        encoder=encoder,
        sound_projection=sound_projection,
        vision=vision,
        config=config,
    )


def build_modules(
    config: CheckpointConfig,
) -> tuple[OmniDecoder, ParakeetEncoder | None, Projector | None, VisionTower | None]:
    """Decoder, encoder, sound projection and vision tower on the meta device, without weights."""
    encoder = sound_projection = vision = None
    width = config.decoder.hidden_size
    with torch.device("meta"):
        model = OmniDecoder(config.decoder)
        if config.encoder is not None:
            encoder = ParakeetEncoder(config.encoder)
            sound_projection = Projector(
                config.encoder.hidden_size,
                config.sound_projection_size,
                width,
                SOUND_PROJECTION_EPS,
            )
        if config.vision is not None:
            vision = VisionTower(config.vision, width)
    return model, encoder, sound_projection, vision


def _allocated(module: M, device: torch.device, dtype: torch.dtype) -> M:
    """The module off the meta device, for inference, its weights not yet set."""
    module.eval().requires_grad_(False).to(dtype)
    for name, buffer in list(module.named_buffers()):
        if name.endswith(FLOAT32_ALWAYS):
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, buffer.float())
    return module.to_empty(device=device)


def _open_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    # By its own class: AutoTokenizer would first ask for the code that NVIDIA's config.json names.
    try:
        return PreTrainedTokenizerFast.from_pretrained(directory)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{directory} has no tokenizer that can be read ({error}); fetch tokenizer.json and "
            "tokenizer_config.json of the same checkpoint"
        ) from error
