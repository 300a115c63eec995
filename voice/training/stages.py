"""The stages of the recipe: what each trains, on which batches, with which loss.

1. sounds: FastConformer → the phoneme of every 20 ms. Frame-aligned labels are dense and come free
   with the synthesiser, so the encoder learns in minutes what a sequence loss needs hours for.
2. pieces: the same tower goes on to the word piece that begins at every step; the phonemes move to
   a layer below the top, so that the layers above can put them together.
3. words: the pieces in their order, wherever the tower is surest of them.
4. spelling: the same of words drawn evenly from the lexicon. The layers below tell sounds by then
   and stay as they are, which spares half of a step.
5. language: the decoder reads transcripts, laid out as speech would lay them, and answers. No sound
   is involved, so this stage can run beside those of the ear.
6. sight: the vision tower says in words what drawings show.
7. projector: encoder steps → the decoder's embeddings of the word pieces found there.
8. listening: sound → answers, ear and projector as they are: the decoder learns to read what the
   ear makes of sound, doubts and mistakes included, and of drawings. Between it, transcripts as
   before.
9. joint: sound → answers, everything trained together. Between it transcripts, and speech for the
   ear alone: conversations hold little of it.
10. rewards: replies that the model draws are judged by rule, and made likelier or less likely.
"""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from omni_core.moe import Router
from voice.training.data import Batches, SequenceBatches, SpeechBatches, load_batches
from voice.training.modules import Hearing, Language, Omni
from voice.training.recipe import TOGETHER, StageSettings
from voice.training.recordings import SpeechBatch, random_utterance, random_words
from voice.training.replay import replay
from voice.training.replicas import rank
from voice.training.rewards import PromptBatches, Rewarded
from voice.training.sight import PictureBatches, Sight
from voice.training.trainer import LossFunction, Trainer

EARS = {"sounds": None, "pieces": "sounds", "words": "pieces", "spelling": "words"}
"""Stages of the encoder alone, in order → the one that each goes on from."""
LAST_EAR = list(EARS)[-1]
"""The last of them."""

FITTED_BATCHES = 16
"""Of speech, on which the projector's beginning is fitted."""


def train_stage(
    name: str,
    settings: StageSettings,
    directory: Path,
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device,
    seed: int = 0,
) -> None:
    """Runs one stage to its end, from its checkpoint where there is one."""
    torch.manual_seed(seed)
    hearing, language, sight = Hearing(), Language(), Sight()
    module: nn.Module
    loss: LossFunction
    if name in EARS:
        module, loss = hearing, getattr(hearing, f"{name}_loss")
        if name == "spelling":
            hearing.freeze_sounds()
        if before := EARS[name]:
            hearing.load_state_dict(stage_weights(directory / f"{before}.pt"))
    elif name == "language":
        module, loss = language, language.loss
    elif name == "sight":
        module, loss = sight, sight.loss
        language.load_state_dict(stage_weights(directory / "language.pt"))
        sight.learn_words(tokenizer, language.decoder.backbone.embeddings.weight)
    else:
        module = omni = Omni(hearing, language, sight)
        if name == "projector":
            load_parts(omni, directory)
            language.requires_grad_(False)
        else:
            before = TOGETHER[TOGETHER.index(name) - 1]
            omni.load_state_dict(stage_weights(directory / f"{before}.pt"))
            if name == "listening":  # the projector may be that of an ear and a decoder before
                load_parts(omni, directory)
        if name != "joint":
            hearing.eval().requires_grad_(False)
            omni.projector.requires_grad_(name == "projector")
        loss = (
            Rewarded(omni, tokenizer).loss if name == "rewards" else getattr(omni, f"{name}_loss")
        )
    module.to(device)
    for router in module.modules():
        if isinstance(router, Router):
            router.load = torch.zeros_like(router.e_score_correction_bias, dtype=torch.long)
    trainer = Trainer(name, module, settings, directory)
    trainer.resume()
    data: Batches
    if name in ("language", "listening", "joint", "rewards"):
        ear = CopiedEar(hearing) if name in ("listening", "rewards") else None
        kind = PromptBatches if name == "rewards" else SequenceBatches
        data = kind(
            tokenizer,
            settings.batch,
            seed,
            settings.heard,
            settings.max_positions,
            ear,
            settings.speech,
            None if name == "language" else CopiedEye(sight),
        )
    elif name == "sight":
        data = PictureBatches(settings.batch, seed)
    else:
        draw = random_words if name == "spelling" else random_utterance
        # What the first two learn from, other engines don't tell.
        engines = name not in ("sounds", "pieces")
        data = SpeechBatches(tokenizer, settings.batch, seed, draw, engines)
    # Every replica has data of its own, and a stage that goes on does not see the old ones again.
    data.reseed(rank(), trainer.step)
    fresh = load_batches(data, settings.workers)
    batches = replay(fresh, settings.plays, random.Random(f"{seed}-{rank()}-{trainer.step}"))
    if name == "projector" and trainer.step == 0:
        with torch.no_grad():
            heard = [hearing.known_steps(next(batches).to(device)) for _ in range(FITTED_BATCHES)]
        omni.start_projector(torch.cat(heard))
    trainer.run(batches, loss, device)


def goes_on(name: str) -> bool:
    """Whether all that a stage trains begins with what another one has learnt."""
    return EARS.get(name) is not None or name in TOGETHER[1:]


def load_parts(omni: Omni, directory: Path) -> None:
    """Gives ear, decoder and eye what the last of their own stages have learnt."""
    ears = [directory / f"{stage}.pt" for stage in EARS]
    last = next((file for file in reversed(ears) if file.exists()), ears[-1])
    omni.hearing.load_state_dict(stage_weights(last))
    omni.language.load_state_dict(stage_weights(directory / "language.pt"))
    omni.sight.load_state_dict(stage_weights(directory / "sight.pt"))


class CopiedEar:
    """Speech → encoder steps [N, S, D], on the CPU, for the processes that make the data."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = deepcopy(hearing).cpu().eval()

    def __call__(self, speech: SpeechBatch) -> Tensor:
        """Encodes a batch."""
        return self._hearing.encode(speech)[0]


class CopiedEye:
    """Pixels [B, 3, H, W] → embeddings [B, N, hidden], on the CPU, for the same processes."""

    def __init__(self, sight: Sight) -> None:
        self._tower = deepcopy(sight.tower).cpu().eval()

    def __call__(self, pixels: Tensor) -> Tensor:
        """Looks at pictures of one size."""
        return self._tower.embed(pixels)


def stage_weights(file: Path) -> dict[str, Tensor]:
    """What a stage has learnt; ``file`` is its checkpoint."""
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing: run the stage {file.stem!r} first")
    return torch.load(file, weights_only=True)["module"]
