"""From the weights of the last stage to a checkpoint that `voice.load` and transformers read, and
back: a checkpoint can be trained further."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from omni_core.weights import CheckpointError
from streaming.config import EncoderConfig
from streaming.encoder import ParakeetEncoder
from voice.checkpoint import raw_config, save_checkpoint
from voice.loading import load_assistant
from voice.training.modules import Hearing, Language, Omni
from voice.training.recipe import (
    BESIDE,
    LLM_CONFIG,
    SOUND_CONFIG,
    STAGES,
    TOGETHER,
    VISION_CONFIG,
)
from voice.training.run import open_tokenizer
from voice.training.sight import Sight
from voice.training.stages import EARS, LAST_EAR, stage_weights
from voice.training.template import builtin_template

HEADS = Path("training", "heads.safetensors")
"""Beside a checkpoint's own files: the classifiers that teach ear and eye. Nothing but training
reads them, and packages leave them out."""
_HEAD_NAMES = ("phoneme_head.", "piece_head.", "center_head.", "cover_head.")


def assemble(run: Path, destination: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Writes the checkpoint of a run.

    Args:
        run: directory of the run; the last of its stages is taken, at least ``listening``.
        destination: directory of the checkpoint; what is there is replaced.
        dtype: of the stored weights.

    Raises:
        FileNotFoundError: the stage has not run.
    """
    omni = Omni(Hearing(), Language(), Sight())
    stages = (run / f"{stage}.pt" for stage in reversed(TOGETHER[1:]))
    last = next((file for file in stages if file.exists()), run / "joint.pt")
    omni.load_state_dict(stage_weights(last))
    encoder = ParakeetEncoder(EncoderConfig.from_dict(SOUND_CONFIG))
    encoder.conformer.load_state_dict(omni.hearing.encoder.state_dict())
    tokenizer = open_tokenizer(run)
    tokenizer.chat_template = builtin_template()
    config = raw_config(LLM_CONFIG, SOUND_CONFIG, VISION_CONFIG, tokenizer, **BESIDE)
    omni.sight.repeat_frames()
    save_checkpoint(
        destination,
        config,
        tokenizer=tokenizer,
        decoder=omni.language.decoder,
        encoder=encoder,
        sound_projection=omni.projector,
        vision=omni.sight.tower,
        dtype=dtype,
    )
    heads = {
        name: weight.to(dtype)
        for part in (omni.hearing, omni.sight)
        for name, weight in part.state_dict().items()
        if name.startswith(_HEAD_NAMES)
    }
    (destination / HEADS).parent.mkdir(exist_ok=True)
    save_file(heads, destination / HEADS)


FURTHER_STAGES = ("words", "spelling", "language", "sight", *TOGETHER)
"""Stages that can go on from a checkpoint."""


def start_from(checkpoint: Path, run: Path, stages: Sequence[str] = ("joint",)) -> None:
    """Makes a run whose stages begin with the weights of a checkpoint.

    Args:
        checkpoint: a directory that ``assemble`` has written, by the same recipe.
        run: directory of the new run.
        stages: those that will be trained; of ``FURTHER_STAGES``. Without ``projector``, that of
            the checkpoint is kept: it fits an ear and a decoder that change little.

    Raises:
        ValueError: the stages don't go together.
        FileExistsError: there is a run in it.
        FileNotFoundError: the checkpoint has no classifiers.
        CheckpointError: the checkpoint is of other sizes, or none.
    """
    if refused := sorted(set(stages) - set(FURTHER_STAGES)):
        raise ValueError(f"the stage {refused[0]} is for a model that knows nothing yet")
    together = [stage for stage in TOGETHER if stage in stages]
    ears = [stage for stage in EARS if stage in stages]
    apart = bool(ears or {"language", "sight"} & set(stages))
    if apart and together and together[0] not in ("projector", "listening"):
        raise ValueError("ear, decoder and eye are trained apart first: add the stage listening")
    before = TOGETHER[: TOGETHER.index(together[0])] if together else ()
    for stage, expected in zip(together, TOGETHER[len(before) :], strict=False):
        if stage != expected:
            raise ValueError(f"the stage {stage} goes on from the stage {expected}: add it")
    if any((run / f"{stage}.pt").exists() for stage in STAGES):
        raise FileExistsError(f"{run} holds a run already: name another --directory")
    if not (checkpoint / HEADS).exists():
        raise FileNotFoundError(f"{checkpoint / HEADS} is missing: take a checkpoint that holds it")
    assistant = load_assistant(checkpoint)
    assert assistant.sound_projection is not None
    omni = Omni(Hearing(), Language(), Sight())
    try:
        omni.hearing.encoder.load_state_dict(assistant.encoder.conformer.state_dict())
        omni.language.decoder.load_state_dict(assistant.model.state_dict())
        omni.sight.tower.load_state_dict(assistant.vision.state_dict())
        if "projector" not in stages:
            omni.projector.load_state_dict(assistant.sound_projection.state_dict())
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint} is not of this recipe: {error}") from error
    heads = load_file(checkpoint / HEADS)
    omni.hearing.load_state_dict(heads, strict=False)
    omni.sight.load_state_dict(heads, strict=False)
    run.mkdir(parents=True, exist_ok=True)
    assistant.tokenizer.save_pretrained(run / "tokenizer")
    finished = EARS[ears[0]] if ears else LAST_EAR
    assert finished is not None  # the first one is for a model that knows nothing yet
    parts: dict[str, nn.Module] = {finished: omni.hearing}
    parts |= {"language": omni.language, "sight": omni.sight}
    parts |= dict.fromkeys(before, omni)
    for stage, part in parts.items():
        step = 0 if stage in stages else STAGES[stage].steps
        saved = {"module": part.state_dict(), "optimizers": None, "step": step}
        torch.save(saved, run / f"{stage}.pt")
