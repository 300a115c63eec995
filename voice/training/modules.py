"""What is trained, and with which losses: the ear, the decoder, and both with their projector.

N utterances, S encoder steps, B sequences, T positions.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder
from omni_core.moe import Router
from omni_core.projector import Projector
from streaming.config import EncoderConfig
from streaming.conformer import FastConformer
from voice.training.data import SequenceBatch
from voice.training.distance import edit_distance
from voice.training.pieces import BLANK
from voice.training.recipe import (
    LABELS_PER_STEP,
    LLM_CONFIG,
    NUM_PHONEMES,
    SOUND_CONFIG,
    VOCABULARY_SIZE,
)
from voice.training.recordings import SpeechBatch, similar_lengths
from voice.training.sequences import IGNORED
from voice.training.sight import Sight
from voice.training.tokenizer import IMAGE_TOKEN

ROUTER_BALANCE_RATE = 1e-3
"""How fast an expert's correction bias moves against its load (arXiv 2408.15664)."""

PHONEME_LAYER = 5
"""Of the encoder's layers, the one whose output tells phonemes from the stage "pieces" on."""

FROZEN_LAYERS = 3
"""Of the encoder's layers, those that stay as they are while words are learnt."""

WORDS_PHONEME_WEIGHT = 0.5
JOINT_PHONEME_WEIGHT = 0.1
JOINT_PIECE_WEIGHT = 1.0
"""Of the encoder's own tasks beside the main one: they keep the ear from drifting."""

FAINTEST = 6.0
"""How much less probable than certain a piece may be and still be told to the decoder: exp(-6)."""

PROJECTOR_WEIGHT = 2.0
"""Of the projector's own task beside the main one: what it says stays what the decoder reads."""

LOUDNESS_WEIGHT = 0.02
"""How much it matters beside the direction of what the projector says how loud it is: the decoder's
first norm takes most of that out."""

IMAGINED_NOISE = 0.15
"""Deviation of the noise on the embeddings of imagined speech, whose own deviation is 0.5."""


class Hearing(nn.Module):
    """The encoder and the classifiers that teach it."""

    def __init__(self) -> None:
        super().__init__()
        config = EncoderConfig.from_dict(SOUND_CONFIG)
        self.encoder = FastConformer(config)
        for layer in self.encoder.subsampling.layers:
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                layer.forward = partial(_convolve_in_float32, layer)  # type: ignore[method-assign]
        self.phoneme_head = nn.Linear(config.hidden_size, LABELS_PER_STEP * NUM_PHONEMES)
        self.piece_head = nn.Linear(config.hidden_size, VOCABULARY_SIZE)

    def sounds_loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of every 20 ms label, and the part of them that is right."""
        return self._phoneme_loss(self.encode(batch)[0], batch.labels)

    def pieces_loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the piece that begins at every step, and of the labels as before."""
        steps, middle = self.encode(batch)
        phonemes, figures = self._phoneme_loss(middle, batch.labels)
        known = batch.pieces != IGNORED
        logits, pieces = self.piece_head(steps[known]).float(), batch.pieces[known]
        figures["pieces"] = _accuracy(logits[pieces != BLANK], pieces[pieces != BLANK])
        return F.cross_entropy(logits, pieces) + WORDS_PHONEME_WEIGHT * phonemes, figures

    def words_loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """CTC loss of the word pieces, and cross entropy of the labels as before."""
        return self.own_loss(*self.encode(batch), batch, 1.0, WORDS_PHONEME_WEIGHT)

    spelling_loss = words_loss

    def freeze_sounds(self) -> None:
        """Keeps what comes before the layers that learn to spell, as far as it is not trained."""
        self.encoder.subsampling.requires_grad_(False)
        for layer in self.encoder.layers[:FROZEN_LAYERS]:
            layer.requires_grad_(False)

    def own_loss(
        self,
        steps: Tensor,
        middle: Tensor,
        batch: SpeechBatch,
        piece_weight: float = JOINT_PIECE_WEIGHT,
        phoneme_weight: float = JOINT_PHONEME_WEIGHT,
    ) -> tuple[Tensor, dict[str, float]]:
        """Both tasks of the encoder for what ``encode`` gave, weighed as in the joint stage."""
        phonemes, figures = self._phoneme_loss(middle, batch.labels)
        pieces, more = self._piece_loss(steps, batch.pieces)
        return piece_weight * pieces + phoneme_weight * phonemes, figures | more

    def encode(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Encoder steps [N, S, D], and what `PHONEME_LAYER` makes of them."""
        middles: list[Tensor] = []
        hook = self.encoder.layers[PHONEME_LAYER - 1].register_forward_hook(
            lambda layer, inputs, output: middles.append(output)
        )
        clips, size, width = *batch.pieces.shape, self.encoder.config.hidden_size
        steps, middle = (batch.features.new_zeros(clips, size, width) for _ in range(2))
        for group in similar_lengths(batch.lengths):
            longest = int(batch.lengths[group].max())
            found = self.encoder(batch.features[group, :longest], batch.lengths[group])[0]
            # Whatever precision autocast left them in.
            steps[group, : found.shape[1]] = found.to(steps)
            middle[group, : found.shape[1]] = middles.pop().to(middle)
        hook.remove()
        return steps, middle

    def known_steps(self, batch: SpeechBatch) -> Tensor:
        """Encoder steps [S, D] of all utterances, padding left out."""
        return self.encode(batch)[0][batch.pieces != IGNORED]

    def _phoneme_loss(self, steps: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        logits = self.phoneme_head(steps).unflatten(-1, (LABELS_PER_STEP, NUM_PHONEMES)).float()
        if (labels == IGNORED).all():  # all of them spoken by an engine that tells no phonemes
            return logits.sum() * 0, {}
        loss = F.cross_entropy(
            logits.flatten(0, 2), labels.flatten(), ignore_index=IGNORED, label_smoothing=0.05
        )
        return loss, {"phonemes": _accuracy(logits, labels)}

    def _piece_loss(self, steps: Tensor, pieces: Tensor) -> tuple[Tensor, dict[str, float]]:
        """CTC (Graves et al. 2006): the pieces in their order, wherever they are surest.

        Their times are known, but a second piece has no sharp beginning: told to find it at one
        step, the encoder divides its belief among several and the blank wins at all of them.
        """
        log_probabilities = self.piece_head(steps).float().log_softmax(-1)
        lengths = (pieces != IGNORED).sum(-1)
        wanted = [row[row > BLANK] for row in pieces]
        counts = torch.tensor([len(row) for row in wanted])
        loss = F.ctc_loss(
            log_probabilities.transpose(0, 1),
            torch.cat(wanted),
            lengths,
            counts,
            blank=BLANK,
            zero_infinity=True,
        )
        errors = sum(
            edit_distance(row.tolist(), best_path(found[:length]))
            for row, found, length in zip(
                wanted, log_probabilities.detach().argmax(-1), lengths.tolist(), strict=True
            )
        )
        return loss, {"piece errors": errors / max(1, int(counts.sum()))}


def best_path(pieces: Tensor) -> list[int]:
    """What CTC reads from the likeliest piece of every step [S]: repetitions and blanks go."""
    return [piece for piece in pieces.unique_consecutive().tolist() if piece != BLANK]


class Language(nn.Module):
    """The decoder."""

    def __init__(self) -> None:
        super().__init__()
        config = ModelConfig.from_dict(LLM_CONFIG)
        self.decoder = OmniDecoder(config)
        # As loud as what the blocks add; at transformers' 0.02 the words drown in it at first.
        nn.init.normal_(self.decoder.backbone.embeddings.weight, std=0.5)
        self.routers = [m for m in self.decoder.modules() if isinstance(m, Router)]

    def loss(self, batch: SequenceBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the learnt tokens when the utterances are read as word pieces."""
        embeddings = self.embeddings(batch)
        if self.training:
            noise = torch.randn_like(embeddings) * IMAGINED_NOISE
            embeddings = embeddings + noise * batch.is_audio[..., None]
        return self.token_loss(batch, embeddings)

    def embeddings(self, batch: SequenceBatch) -> Tensor:
        """Embeddings [B, T, hidden] of the tokens, and what was seen at the places of pictures."""
        embeddings = self.decoder.embed(batch.tokens)
        if batch.seen is None:
            return embeddings
        places = batch.tokens == IMAGE_TOKEN
        return embeddings.masked_scatter(places[..., None], batch.seen.to(embeddings.dtype))

    def token_loss(
        self, batch: SequenceBatch, embeddings: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the learnt tokens for embeddings [B, T, hidden]."""
        hidden = self.decoder.hidden(embeddings)
        learnt = batch.targets != IGNORED
        logits = self.decoder.lm_head(hidden[learnt]).float()
        targets = batch.targets[learnt]
        self._balance_experts()
        loss = F.cross_entropy(logits, targets)
        return loss, {"reply": float(loss.detach()), "accuracy": _accuracy(logits, targets)}

    @torch.no_grad()
    def _balance_experts(self) -> None:
        for router in self.routers:
            load = cast(Tensor, router.load)
            behind = load.float().mean() - load
            router.e_score_correction_bias += ROUTER_BALANCE_RATE * torch.sign(behind)
            load.zero_()


class Omni(nn.Module):
    """Ears, eyes, projector and decoder together."""

    def __init__(self, hearing: Hearing, language: Language, sight: Sight) -> None:
        super().__init__()
        self.hearing = hearing
        self.language = language
        self.sight = sight.requires_grad_(False)  # drawings alone teach it
        self.projector = Projector(
            cast(int, SOUND_CONFIG["hidden_size"]),
            cast(int, SOUND_CONFIG["projection_hidden_size"]),
            cast(int, LLM_CONFIG["hidden_size"]),
            1e-5,
        )

    @torch.no_grad()
    def start_projector(self, steps: Tensor) -> None:
        """Writes the projector down: an inner unit for every word piece, and its embedding.

        The probability of a piece is exp(logit - z), with z the logsumexp of all logits. A unit is
        relu²(1 + (logit - z) / FAINTEST) instead: as large for the surest pieces, nothing for those
        that are less probable than exp(-FAINTEST). z, and the constants that layers without bias
        lack, are linear functions of the step, as far as there are such.

        Args:
            steps: encoder steps [S, D] of speech, on which these functions are fitted.
        """
        head = self.hearing.piece_head
        embeddings = self.language.decoder.backbone.embeddings.weight
        logits = head(steps)
        self.projector.norm.weight.fill_(1)
        normed = self.projector.norm(steps)
        wanted = torch.stack((torch.ones(len(steps)), logits.logsumexp(-1).cpu()), -1)
        one, z = torch.linalg.lstsq(normed.cpu(), wanted).solution.T.to(steps)
        loudness = steps.square().mean(-1).sqrt().mean()
        units = loudness * head.weight + (head.bias + FAINTEST).outer(one) - z
        self.projector.linear1.weight.copy_(units / FAINTEST)
        self.projector.linear2.weight.copy_(embeddings.T)
        said, means = self.projector(steps), logits.softmax(-1) @ embeddings
        self.projector.linear2.weight.mul_((said * means).sum() / said.square().sum())

    def projector_loss(self, batch: SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Distance of what the projector says from what the decoder is used to reading."""
        with torch.no_grad():
            steps = self.hearing.known_steps(batch)
        return self._distance(steps, self.projector(steps))

    def listening_loss(self, batch: SequenceBatch) -> tuple[Tensor, dict[str, float]]:
        """Loss of the learnt tokens for an ear that is not trained."""
        if batch.steps is None:
            return self._read_loss(batch)
        return self._heard_loss(batch, self.projector(batch.steps))

    def _distance(self, steps: Tensor, said: Tensor) -> tuple[Tensor, dict[str, float]]:
        """How far from the mean embedding of the pieces that the classifier finds, in direction
        (1 - cosine) and, a little, in loudness.

        Blanks count half. ``steps`` [S, D] of the encoder, ``said`` [S, hidden] by the projector.
        """
        with torch.no_grad():
            found = self.hearing.piece_head(steps).float().softmax(-1)
            wanted = found @ self.language.decoder.backbone.embeddings.weight.float()
        loudness = said.float().norm(dim=-1).clamp(min=1e-3).log() - wanted.norm(dim=-1).log()
        directions = 1 - F.cosine_similarity(said.float(), wanted, dim=-1)
        errors = directions + LOUDNESS_WEIGHT * loudness.square()
        begins = found.argmax(-1) != BLANK
        loss = _mean(errors[begins]) + 0.5 * _mean(errors[~begins])
        return loss, {"direction": float(_mean(directions[begins]).detach())}

    def _read_loss(self, batch: SequenceBatch) -> tuple[Tensor, dict[str, float]]:
        """Loss of the learnt tokens of a batch without sound."""
        loss, figures = self.language.loss(batch)
        return loss, {f"read {name}": value for name, value in figures.items()}

    def _heard_loss(self, batch: SequenceBatch, said: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Loss of the learnt tokens; ``said`` [S, hidden] of the utterances by the projector."""
        return self.language.token_loss(batch, self.heard_embeddings(batch, said))

    def heard_embeddings(self, batch: SequenceBatch, said: Tensor) -> Tensor:
        """Embeddings [B, T, hidden] with ``said`` [S, hidden] at the places of audio."""
        embeddings = self.language.embeddings(batch)
        return embeddings.masked_scatter(batch.is_audio[..., None], said.to(embeddings.dtype))

    def joint_loss(self, batch: SequenceBatch | SpeechBatch) -> tuple[Tensor, dict[str, float]]:
        """Loss of the learnt tokens when the utterances are heard, and of the encoder's tasks."""
        if isinstance(batch, SpeechBatch):
            speech = batch
        elif batch.speech is None:
            return self._read_loss(batch)
        else:
            speech = batch.speech
        steps, middle = self.hearing.encode(speech)
        loss, figures = self.hearing.own_loss(steps, middle, speech)
        known = steps[speech.pieces != IGNORED]
        said = self.projector(known)
        distance, more = self._distance(known, said)
        loss, figures = loss + PROJECTOR_WEIGHT * distance, figures | more
        if isinstance(batch, SequenceBatch):
            heard, more = self._heard_loss(batch, said)
            loss, figures = loss + heard, figures | more
        return loss, figures


def _convolve_in_float32(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """On CPUs the gradient of a depthwise convolution takes five times as long in bfloat16."""
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(
            x.float(), conv.weight, conv.bias, conv.stride, conv.padding, 1, conv.groups
        )


def _mean(values: Tensor) -> Tensor:
    """Of nothing: nothing."""
    return values.sum() / max(1, values.numel())


def _accuracy(logits: Tensor, targets: Tensor) -> float:
    right = logits.detach().argmax(-1) == targets
    return float(right.sum() / (targets != IGNORED).sum().clamp(min=1))
