"""Drawings: where their things are, in which colors, and what is told of their patches."""

from __future__ import annotations

import colorsys
import random

import numpy as np
import pytest
import torch

from voice.training.drawings import draw
from voice.training.pictures import CONFIG, NOTHING, draw_labelled
from voice.training.skills import COLORS, KINDS, Thing, sample_crowd, sample_things


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_around_its_center(kind: str) -> None:
    for seed in range(4):
        drawing = draw([Thing(kind, "red")], random.Random(seed), 160, 128, plain=True)
        assert drawing.pixels.shape == (128, 160, 3)
        assert drawing.pixels.dtype == np.uint8
        ((x, y),), (radius,) = drawing.centers, drawing.radii
        assert radius <= x <= 160 - radius
        assert radius <= y <= 128 - radius
        corner = drawing.pixels[0, 0].astype(float)
        differs = np.abs(drawing.pixels - corner).sum(-1) > 150
        rows, columns = np.nonzero(differs)
        assert len(rows) > 0.05 * radius**2
        assert np.hypot(columns - x, rows - y).max() < 1.4 * radius + 3


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="draw a hexagon"):
        draw([Thing("hexagon", "red")], random.Random(0), 64, 64)


@pytest.mark.parametrize("color", COLORS)
def test_things_have_the_colors_that_are_told(color: str) -> None:
    hues = {"red": 0, "orange": 30, "yellow": 55, "green": 122, "blue": 222, "purple": 282}
    for seed in range(6):
        drawing = draw([Thing("circle", color)], random.Random(seed), 128, 128)
        ((x, y),), (radius,) = drawing.centers, drawing.radii
        # Filled or not, a circle has its color in the middle or at its edge.
        places = [(x, y), (x + radius * 0.99, y), (x - radius * 0.99, y)]
        found = [drawing.pixels[int(b), int(a)] / 255 for a, b in places]
        if color in hues:
            apart = [
                abs((colorsys.rgb_to_hsv(*f)[0] * 360 - hues[color] + 180) % 360 - 180)
                for f in found
            ]
            assert min(apart) < 32, (seed, apart)
        elif color in ("black", "gray", "white"):
            values = {"black": (0, 0.25), "gray": (0.25, 0.75), "white": (0.6, 1)}[color]
            assert any(values[0] <= f.mean() <= values[1] for f in found)


def test_same_generator_draws_the_same() -> None:
    first, again = (draw(sample_things(r), r, 96, 96) for r in (random.Random(5), random.Random(5)))
    assert np.array_equal(first.pixels, again.pixels)


def test_patches_are_labelled_with_the_things_in_them() -> None:
    rng = random.Random(2)
    for _ in range(30):
        things = sample_crowd(rng)
        labelled = draw_labelled(things, rng, 10, 14)
        assert labelled.pixels.shape == (3, 10 * CONFIG.patch_size, 14 * CONFIG.patch_size)
        assert labelled.colors.shape == labelled.kinds.shape == (35,)
        there = labelled.kinds != NOTHING
        assert torch.equal(there, labelled.colors != NOTHING)
        found = zip(labelled.kinds[there].tolist(), labelled.colors[there].tolist(), strict=True)
        named = sorted((KINDS[kind - 1], COLORS[color - 1]) for kind, color in found)
        assert named == sorted((thing.kind, thing.color) for thing in things)
        assert torch.equal(
            labelled.covered[:, there], torch.stack((labelled.colors, labelled.kinds))[:, there]
        )
