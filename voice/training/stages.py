"""The stages of the recipe: what each trains, on which batches, with which loss.

1. encoder: FastConformer → the phoneme of every 20 ms. Frame-aligned labels are dense and come free
   with the synthesiser, so the encoder learns in minutes what a sequence loss needs hours for.
2. language: phoneme labels, embedded by a table, → live captions, transcriptions and answers. No
   sound is involved, so this stage runs beside the first.
3. projector: encoder steps → the embeddings that the table gives to the true labels.
4. joint: sound → answers, everything trained together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder
from omni_core.moe import Router
from omni_core.projector import Projector
from streaming.config import SUBSAMPLING, EncoderConfig
from streaming.conformer import FastConformer
from voice.training.data import (
    SequenceBatch,
    SequenceBatches,
    SpeechBatch,
    SpeechBatches,
    load_batches,
)
from voice.training.recipe import (
    LABELS_PER_STEP,
    LLM_CONFIG,
    NUM_PHONEMES,
    SOUND_CONFIG,
    STAGES,
    StageSettings,
)
from voice.training.replicas import rank
from voice.training.sequences import IGNORED, NO_CAPTION
from voice.training.trainer import Batch, LossFunction, Trainer

ROUTER_BALANCE_RATE = 1e-3
"""How fast an expert's correction bias moves against its load (arXiv 2408.15664)."""

CAPTION_WEIGHT = 1.0
"""Of the live captions' loss beside the replies'."""

PHONEME_WEIGHT = 0.3
"""Of the encoder's own task in the joint stage: it keeps the ear from drifting."""


class Hearing(nn.Module):
    """The encoder and the phoneme classifier that teaches it."""

    def __init__(self) -> None:
        super().__init__()
        config = EncoderConfig.from_dict(SOUND_CONFIG)
        self.encoder = FastConformer(config)
        self.encoder.dropout = 0.05
        self.phoneme_head = nn.Linear(config.hidden_size, LABELS_PER_STEP * NUM_PHONEMES)

    def loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of every 20 ms label, and the part of them that is right."""
        return self.phoneme_loss(self.encode(batch), batch.labels)

    def encode(self, batch: SpeechBatch) -> Tensor:
        """Encoder steps [N, S, D] of the batch, with SpecAugment while training."""
        features = batch.features
        if self.training:
            features = mask_spectrum(features, batch.lengths)
        return self.encoder(features, batch.lengths)[0]

    def phoneme_loss(self, steps: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Loss of ``labels`` [N, S, 4] for encoder steps [N, S, D]."""
        logits = self.phoneme_head(steps).unflatten(-1, (LABELS_PER_STEP, NUM_PHONEMES)).float()
        loss = F.cross_entropy(
            logits.flatten(0, 2), labels.flatten(), ignore_index=IGNORED, label_smoothing=0.05
        )
        return loss, {"phonemes": _accuracy(logits, labels)}


class LabelEmbedding(nn.Module):
    """Phoneme labels as decoder embeddings: one table for each of a step's four places, summed."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.tables = nn.Embedding(LABELS_PER_STEP * NUM_PHONEMES, hidden_size)
        nn.init.normal_(self.tables.weight, std=0.5 / LABELS_PER_STEP**0.5)

    def forward(self, labels: Tensor) -> Tensor:
        """[S, 4] → [S, hidden]."""
        places = torch.arange(LABELS_PER_STEP, device=labels.device) * NUM_PHONEMES
        return self.tables(labels + places).sum(-2)


class Language(nn.Module):
    """The decoder, and the table that stands for ears while there are none."""

    def __init__(self) -> None:
        super().__init__()
        config = ModelConfig.from_dict(LLM_CONFIG)
        self.decoder = OmniDecoder(config)
        self.labels = LabelEmbedding(config.hidden_size)
        self.routers = [m for m in self.decoder.modules() if isinstance(m, Router)]

    def loss(self, batch: SequenceBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the learnt tokens when the utterances are read as labels."""
        return self.token_loss(batch, self.labels(batch.labels))

    def token_loss(
        self, batch: SequenceBatch, audio_embeddings: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the learnt tokens, ``audio_embeddings`` [sum of S, hidden] in place."""
        embeddings = self.decoder.embed(batch.tokens)
        embeddings = embeddings.masked_scatter(
            batch.is_audio[..., None], audio_embeddings.to(embeddings.dtype)
        )
        hidden = self.decoder.hidden(embeddings)
        learnt = batch.targets != IGNORED
        logits = self.decoder.lm_head(hidden[learnt]).float()
        targets = batch.targets[learnt]
        is_caption = batch.is_audio[learnt]
        self._balance_experts()
        losses = F.cross_entropy(logits, targets, reduction="none")
        reply = losses[~is_caption].mean()
        caption = losses[is_caption].mean() if is_caption.any() else reply.new_zeros(())
        words = is_caption & (targets != NO_CAPTION)
        figures = {
            "reply": float(reply.detach()),
            "accuracy": _accuracy(logits[~is_caption], targets[~is_caption]),
            "captions": _accuracy(logits[words], targets[words]),
        }
        return reply + CAPTION_WEIGHT * caption, figures

    @torch.no_grad()
    def _balance_experts(self) -> None:
        for router in self.routers:
            load = cast(Tensor, router.load)
            behind = load.float().mean() - load
            router.e_score_correction_bias += ROUTER_BALANCE_RATE * torch.sign(behind)
            load.zero_()


class Omni(nn.Module):
    """Ears, projector and decoder together."""

    def __init__(self, hearing: Hearing, language: Language) -> None:
        super().__init__()
        self.hearing = hearing
        self.language = language
        self.projector = Projector(
            cast(int, SOUND_CONFIG["hidden_size"]),
            cast(int, SOUND_CONFIG["projection_hidden_size"]),
            cast(int, LLM_CONFIG["hidden_size"]),
            1e-5,
        )

    def projector_loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Squared distance from the embeddings of the true labels."""
        real = batch.labels[..., 0] != IGNORED
        with torch.no_grad():
            wanted = self.language.labels(batch.labels[real]).float()
            steps = self.hearing.encode(batch)
        loss = F.mse_loss(self.projector(steps[real]).float(), wanted)
        return loss, {"relative": float(loss.detach() / wanted.var())}

    def joint_loss(self, batch: SequenceBatch) -> tuple[Tensor, dict[str, float]]:
        """Loss of the learnt tokens when the utterances are heard, and still of their phonemes."""
        if batch.speech is None:  # every turn of every sequence was typed
            return self.language.loss(batch)
        steps = self.hearing.encode(batch.speech)
        lengths = -(-batch.speech.lengths // SUBSAMPLING)
        real = torch.arange(steps.shape[1], device=steps.device) < lengths[:, None]
        loss, figures = self.language.token_loss(batch, self.projector(steps[real]))
        phonemes, more = self.hearing.phoneme_loss(steps, batch.speech.labels)
        return loss + PHONEME_WEIGHT * phonemes, figures | more


def mask_spectrum(features: Tensor, lengths: Tensor) -> Tensor:
    """SpecAugment (arXiv 1904.08779): a few bands and moments are silenced at random."""
    batch, _, mels = features.shape
    masked = features.clone()
    for index in range(batch):
        for _ in range(2):
            width = int(torch.randint(0, 12, ()))
            at = int(torch.randint(0, mels - width, ()))
            masked[index, :, at : at + width] = 0
        for _ in range(2):
            width = int(torch.randint(0, 8, ()))
            at = int(torch.randint(0, max(1, int(lengths[index]) - width), ()))
            masked[index, at : at + width] = 0
    return masked


def _accuracy(logits: Tensor, targets: Tensor) -> float:
    right = logits.detach().argmax(-1) == targets
    return float(right.sum() / (targets != IGNORED).sum().clamp(min=1))


def train_stage(
    name: str,
    directory: Path,
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device,
    seed: int = 0,
) -> None:
    """Runs one stage to its end, from its checkpoint where there is one."""
    settings = STAGES[name]
    torch.manual_seed(seed)
    hearing, language = Hearing(), Language()
    if name == "encoder":
        _run(name, hearing, hearing.loss, _speech(settings, seed), settings, directory, device)
    elif name == "language":
        batches = _sequences(settings, seed, tokenizer, sound=False)
        _run(name, language, language.loss, batches, settings, directory, device)
    else:
        omni = Omni(hearing, language)
        if name == "projector":
            hearing.load_state_dict(stage_weights(directory / "encoder.pt"))
            language.load_state_dict(stage_weights(directory / "language.pt"))
            hearing.eval().requires_grad_(False)
            language.requires_grad_(False)
            batches = _speech(settings, seed)
            _run(name, omni, omni.projector_loss, batches, settings, directory, device)
        else:
            omni.load_state_dict(stage_weights(directory / "projector.pt"))
            batches = _sequences(settings, seed, tokenizer, sound=True)
            _run(name, omni, omni.joint_loss, batches, settings, directory, device)


def stage_weights(file: Path) -> dict[str, Tensor]:
    """What a stage has learnt; ``file`` is its checkpoint."""
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing: run the stage {file.stem!r} first")
    return torch.load(file, weights_only=True)["module"]


def _speech(settings: StageSettings, seed: int) -> Iterator[Batch]:
    return load_batches(SpeechBatches(settings.batch, _data_seed(seed)), settings.workers)


def _sequences(
    settings: StageSettings, seed: int, tokenizer: PreTrainedTokenizerBase, sound: bool
) -> Iterator[Batch]:
    dataset = SequenceBatches(
        tokenizer, settings.batch, _data_seed(seed), sound, settings.max_positions
    )
    return load_batches(dataset, settings.workers)


def _data_seed(seed: int) -> int:
    """Of this replica: each has data of its own."""
    return seed + 7919 * rank()


def _run(
    name: str,
    module: nn.Module,
    loss: LossFunction,
    batches: Iterator[Batch],
    settings: StageSettings,
    directory: Path,
    device: torch.device,
) -> None:
    module.to(device)
    for router in module.modules():
        if isinstance(router, Router):
            router.load = torch.zeros_like(router.e_score_correction_bias, dtype=torch.long)
    trainer = Trainer(name, module, settings, directory)
    trainer.resume()
    trainer.run(batches, loss, device)
