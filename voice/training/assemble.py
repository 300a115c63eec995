"""From the weights of the last stage to a checkpoint that `voice.load` and transformers read."""

from __future__ import annotations

from pathlib import Path

import torch

from omni_core.pictures import VisionConfig
from omni_core.vision import VisionTower
from streaming.config import EncoderConfig
from streaming.encoder import ParakeetEncoder
from voice.checkpoint import raw_config, save_checkpoint
from voice.training.recipe import BESIDE, LLM_CONFIG, SOUND_CONFIG, VISION_CONFIG
from voice.training.run import open_tokenizer
from voice.training.stages import Hearing, Language, Omni, stage_weights


def assemble(run: Path, destination: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Writes the checkpoint of a run.

    The vision tower is random: nothing has taught it to see yet.

    Args:
        run: directory of the run; its stage ``joint`` has run.
        destination: directory of the checkpoint; what is there is replaced.
        dtype: of the stored weights.

    Raises:
        FileNotFoundError: the stage has not run.
    """
    omni = Omni(Hearing(), Language())
    omni.load_state_dict(stage_weights(run / "joint.pt"))
    encoder = ParakeetEncoder(EncoderConfig.from_dict(SOUND_CONFIG))
    encoder.conformer.load_state_dict(omni.hearing.encoder.state_dict())
    tokenizer = open_tokenizer(run)
    config = raw_config(LLM_CONFIG, SOUND_CONFIG, VISION_CONFIG, tokenizer, **BESIDE)
    torch.manual_seed(0)
    vision = VisionTower(VisionConfig.from_dict(config), omni.language.decoder.config.hidden_size)
    save_checkpoint(
        destination,
        config,
        tokenizer=tokenizer,
        decoder=omni.language.decoder,
        encoder=encoder,
        sound_projection=omni.projector,
        vision=vision,
        dtype=dtype,
    )
