"""Drawings as the vision tower gets them, with what is to be found where.

h, w patches, N merged patches, H, W pixels.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from omni_core.pictures import VisionConfig, prepare
from voice.training.drawings import draw
from voice.training.recipe import BESIDE, VISION_CONFIG
from voice.training.skills import COLORS, KINDS, Thing

CONFIG = VisionConfig.from_dict({"vision_config": VISION_CONFIG, **BESIDE})
GRIDS = (8, 8), (8, 10), (10, 8), (10, 10), (10, 14), (10, 18), (12, 12), (12, 16), (14, 14)
"""Patches (h, w) of pictures: those of small ones, of cameras and of screens."""
NOTHING = 0
"""The label of a patch without a thing."""
_COVERED = 0.8
"""How much of its radius a thing covers, whatever its shape."""


class Labelled(NamedTuple):
    """A drawing and what is in its merged patches.

    Attributes:
        pixels: normalised, [3, H, W].
        colors, kinds: [N]; 1 + the place in `COLORS` and `KINDS` of the thing whose center lies in
            the patch, or NOTHING.
        covered: [2, N]; color and kind of the thing on which the patch lies.
    """

    pixels: Tensor
    colors: Tensor
    kinds: Tensor
    covered: Tensor


def draw_labelled(
    things: Sequence[Thing], rng: random.Random, h: int, w: int, plain: bool = False
) -> Labelled:
    """Draws things at centers that lie in merged patches of their own."""
    side, across = CONFIG.patch_size * CONFIG.merge, w // CONFIG.merge
    while True:
        drawing = draw(things, rng, w * CONFIG.patch_size, h * CONFIG.patch_size, plain)
        places = [int(y) // side * across + int(x) // side for x, y in drawing.centers]
        if len(set(places)) == len(places):
            break
    centered, covered = torch.full((2, 2, h // CONFIG.merge * across), NOTHING)
    for place, thing, center, radius in zip(
        places, things, drawing.centers, drawing.radii, strict=True
    ):
        label = torch.tensor([1 + COLORS.index(thing.color), 1 + KINDS.index(thing.kind)])
        centered[:, place] = label
        for patch in range(centered.shape[1]):
            middle = (patch % across + 0.5) * side, (patch // across + 0.5) * side
            if patch == place or math.dist(middle, center) < _COVERED * radius:
                covered[:, patch] = label
    frames = torch.from_numpy(drawing.pixels.copy()).permute(2, 0, 1)[None].float()
    colors, kinds = centered
    return Labelled(prepare(frames, h, w, CONFIG)[0], colors, kinds, covered)
