"""The eye: a small vision tower that learns from drawings, and says what it sees in words.

As the ear says which word piece begins at a step, the eye says which thing has its center in a
patch: there the decoder gets the mean embeddings of the pieces of its color's and its kind's word,
and that of a blank everywhere else.

B pictures, N merged patches, H, W pixels.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from omni_core.vision import VisionTower
from voice.training.data import Batches
from voice.training.pictures import CONFIG, GRIDS, NOTHING, Labelled, draw_labelled
from voice.training.pieces import BLANK
from voice.training.recipe import LLM_CONFIG
from voice.training.skills import COLORS, KINDS, sample_crowd, sample_one, sample_things

LABELS = 1 + len(COLORS), 1 + len(KINDS)
PLAIN_SHARE = 0.6
"""Of the batches, those of plain drawings of one thing: shapes are learnt from them, ten times
sooner than from all the others."""
PLAIN_GRID = 8, 8
CROWD_SHARE = 0.5
"""Of the others, those with many things."""
COVER_WEIGHT = 0.5
POSITION_SIZE = 0.5
"""Of the waves that tell patches' places in the beginning."""
WORDS_WEIGHT = 2.0
"""Of the distance of what the projector says from the words, beside finding the things."""


@dataclass(slots=True)
class PictureBatch:
    """Drawings, and what they show where.

    Attributes:
        pixels: normalised, [B, 3, H, W].
        colors, kinds: [B, N]; covered: [B, 2, N]; as in `Labelled`.
    """

    pixels: Tensor
    colors: Tensor
    kinds: Tensor
    covered: Tensor

    def to(self, device: torch.device) -> PictureBatch:
        """The same batch on a device."""
        held = self.pixels, self.colors, self.kinds, self.covered
        return PictureBatch(*(tensor.to(device) for tensor in held))


class PictureBatches(Batches):
    """Drawings, every batch of one size."""

    POOL = 1  # nothing to sort

    def _start(self, rng: random.Random) -> None:
        pass

    def _examples(self, rng: random.Random, count: int) -> list:
        if rng.random() < PLAIN_SHARE:
            return [
                draw_labelled(sample_one(rng), rng, *PLAIN_GRID, plain=True)
                for _ in range(self._batch)
            ]
        h, w = rng.choice(GRIDS)
        return [self._draw(rng, h, w) for _ in range(self._batch)]

    def _draw(self, rng: random.Random, h: int, w: int) -> Labelled:
        sample = sample_crowd if rng.random() < CROWD_SHARE else sample_things
        return draw_labelled(sample(rng), rng, h, w)

    def _kind_and_length(self, example: tuple) -> tuple[int, int]:
        return 0, 0

    def _collate(self, examples: list, rng: random.Random) -> PictureBatch:
        return PictureBatch(*map(torch.stack, zip(*examples, strict=True)))


class Sight(nn.Module):
    """The vision tower with its projector, and the classifiers that teach it."""

    words: Tensor

    def __init__(self) -> None:
        super().__init__()
        hidden_size = cast(int, LLM_CONFIG["hidden_size"])
        self.tower = VisionTower(CONFIG, hidden_size)
        self._start_tower()
        merged = CONFIG.hidden_size * CONFIG.merge**2
        self.center_head = nn.Linear(merged, sum(LABELS))
        self.cover_head = nn.Linear(merged, sum(LABELS))
        self.register_buffer("words", torch.zeros(sum(LABELS), hidden_size), persistent=False)

    def _start_tower(self) -> None:
        """As quiet as transformers begins, little is learnt, and places hardly at all."""
        for name, parameter in self.tower.named_parameters():
            if "layer_scale" in name:  # the checkpoint's format has none
                parameter.requires_grad_(False)
        for module in self.tower.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        table = self.tower.radio.embeddings.position_embedding
        side = CONFIG.max_img_size // CONFIG.patch_size
        places = (torch.arange(side) + 0.5) / side
        waves = math.pi * torch.logspace(0, math.log2(side / 2), table.shape[-1] // 4, base=2)
        angles = places[:, None] * waves
        along = torch.cat((angles.sin(), angles.cos()), -1)
        down, across = along[:, None].expand(side, side, -1), along.expand(side, side, -1)
        with torch.no_grad():
            table.copy_(POSITION_SIZE * torch.cat((down, across), -1).view_as(table))

    @torch.no_grad()
    def repeat_frames(self) -> None:
        """Lets videos be seen as the mean of the frames that come in one group."""
        embeddings = self.tower.radio.embeddings
        count = CONFIG.video_temporal_patch_size
        weight = embeddings.patch_projection.weight / count
        assert embeddings.video_patch_projection is not None
        embeddings.video_patch_projection.weight.copy_(weight.repeat(1, count))

    def learn_words(self, tokenizer: PreTrainedTokenizerBase, embeddings: Tensor) -> None:
        """Takes the decoder's ``embeddings`` [vocabulary, hidden] of the words for what is seen."""

        def of(words: Sequence[str]) -> Tensor:
            ids = [tokenizer.encode(f" {word}", add_special_tokens=False) for word in words]
            return torch.stack([embeddings[each].mean(0) for each in ids])

        blank = embeddings[BLANK][None] / 2  # once for the color and once for the kind
        self.words.copy_(torch.cat((blank, of(COLORS), blank, of(KINDS))).detach())

    def loss(self, batch: PictureBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of color and kind in every patch, and the distance from their words.

        What a patch lies on is easier to tell, and told of more patches, than what has its center
        there: it is learnt beside that, and first.

        Logged are the parts of the things whose color and kind are found, the part of the empty
        patches that are found empty, and the distance relative to the words' own size.
        """
        patches = self.tower.patches(batch.pixels)
        said = self.tower.projector(patches)
        there = batch.kinds != NOTHING
        normed = self.tower.projector.norm(patches)
        found = self.center_head(normed).float().split(LABELS, -1)
        colors, kinds = (each.argmax(-1) for each in found)
        loss = _cross_entropy(found, (batch.colors, batch.kinds))
        covered = self.cover_head(normed).float().split(LABELS, -1)
        loss = loss + COVER_WEIGHT * _cross_entropy(covered, batch.covered.unbind(1))
        words = self.words[batch.colors] + self.words[len(COLORS) + 1 + batch.kinds]
        errors = (said.float() - words).square().mean(-1)
        relative = errors[there].mean() / words[there].square().mean()
        figures = {
            "colors": _share(colors == batch.colors, there),
            "kinds": _share(kinds == batch.kinds, there),
            "empty": _share(kinds == batch.kinds, ~there),
            "relative": float(relative.detach()),
        }
        return loss + WORDS_WEIGHT * errors.mean(), figures


def _cross_entropy(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Of logits [B, N, labels], for colors and for kinds."""
    losses = (
        F.cross_entropy(found.flatten(0, 1), wanted.flatten())
        for found, wanted in zip(logits, labels, strict=True)
    )
    return sum(losses, logits[0].new_zeros(()))


def _share(right: Tensor, among: Tensor) -> float:
    return float(right[among].float().mean())
