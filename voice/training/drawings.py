"""Pictures made by us: shapes and digits in plain colors, on paper, screens and bad cameras.

Letters: H, W pixels.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from voice.training.skills import Thing

Color = tuple[int, int, int]
Point = tuple[float, float]

# Hue in degrees, saturation and value, each from … to: far enough apart that nobody would argue.
_RANGES = {
    "red": ((-8, 8), (0.8, 1.0), (0.65, 1.0)),
    "orange": ((24, 36), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((50, 60), (0.7, 1.0), (0.9, 1.0)),
    "green": ((95, 150), (0.6, 1.0), (0.4, 0.9)),
    "blue": ((205, 240), (0.7, 1.0), (0.5, 1.0)),
    "purple": ((270, 295), (0.5, 0.9), (0.4, 0.75)),
    "pink": ((325, 345), (0.3, 0.55), (0.95, 1.0)),
    "brown": ((18, 30), (0.6, 0.8), (0.35, 0.5)),
    "black": ((0, 360), (0.0, 0.5), (0.0, 0.1)),
    "white": ((0, 360), (0.0, 0.03), (0.96, 1.0)),
    "gray": ((0, 360), (0.0, 0.06), (0.42, 0.6)),
}
_LEAST_CONTRAST = 110.0
"""Distance of a thing's color from what lies behind it, in 0 … 255 of red, green and blue."""
_FINER = 3
"""Edges are drawn so many times larger and made smaller, which smooths them."""
_LARGEST, _SMALLEST, _SMALLEST_PLAIN = 0.45, 0.14, 0.3
"""Radius of one thing alone, of the shorter side; several are smaller."""
_TRIES = 200

_STROKES: dict[str, tuple[tuple[Point, ...], ...]] = {
    "zero": (((0, -1), (-0.5, -0.6), (-0.55, 0.5), (0, 1), (0.5, 0.6), (0.55, -0.5), (0, -1)),),
    "one": (((-0.35, -0.6), (0.05, -1), (0.05, 1)),),
    "two": (((-0.5, -0.6), (-0.1, -1), (0.45, -0.7), (0.35, -0.1), (-0.5, 1), (0.55, 1)),),
    "three": (
        ((-0.45, -0.8), (0.1, -1), (0.5, -0.6), (0.0, -0.1), (0.55, 0.4), (0.1, 1), (-0.5, 0.75)),
    ),
    "four": (((0.1, -1), (-0.55, 0.35), (0.6, 0.35)), ((0.25, -0.3), (0.25, 1))),
    "five": (
        ((0.5, -1), (-0.4, -1), (-0.45, -0.1), (0.1, -0.2), (0.55, 0.3), (0.2, 0.95), (-0.5, 0.8)),
    ),
    "six": (((0.4, -1), (-0.35, -0.2), (-0.45, 0.6), (0, 1), (0.5, 0.5), (0.1, 0.0), (-0.4, 0.4)),),
    "seven": (((-0.55, -1), (0.55, -1), (-0.1, 1)),),
    "eight": (
        ((0, -0.05), (-0.45, -0.5), (0, -1), (0.45, -0.5), (0, -0.05), (-0.5, 0.5), (0, 1)),
        ((0, 1), (0.5, 0.5), (0, -0.05)),
    ),
    "nine": (
        ((0.45, -0.45), (0.0, -0.05), (-0.45, -0.5), (0, -1), (0.45, -0.45), (0.3, 0.4), (0.1, 1)),
    ),
}
"""Digits as a pen writes them, within −1 … 1, y downwards."""
_FIGURES = {word: str(figure) for figure, word in enumerate(_STROKES)}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture, and where its things are.

    Attributes:
        pixels: uint8 RGB [H, W, 3].
        centers: of the things, (x, y) in pixels. radii: of what lies around them.
    """

    pixels: np.ndarray
    centers: tuple[Point, ...]
    radii: tuple[float, ...]


def draw(
    things: Sequence[Thing], rng: random.Random, width: int, height: int, plain: bool = False
) -> Drawing:
    """Draws things beside each other.

    Args:
        things: one or more; what is to be seen.
        rng: of places, sizes, tints and the faults of the camera.
        width, height: of the picture, in pixels.
        plain: large, on white paper or a black screen, without the faults.
    """
    if plain:
        dark = {"white", "yellow"} & {thing.color for thing in things}
        background = (0, 0, 0) if dark else (255, 255, 255)
    else:
        background = _background(rng, [thing.color for thing in things])
    colors = [_tint(thing.color, rng, background) for thing in things]
    image = Image.new("RGB", (width * _FINER, height * _FINER), background)
    smallest = _SMALLEST_PLAIN if plain else _SMALLEST
    radius, centers = _places(len(things), rng, width, height, smallest)
    radii = tuple(radius * rng.uniform(0.8, 1.0) for _ in things)
    for thing, color, (x, y), size in zip(things, colors, centers, radii, strict=True):
        center = x * _FINER, y * _FINER
        _draw_thing(image, thing.kind, color, center, size * _FINER, rng)
    small = image.resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(small) if plain else _photographed(small, rng)
    return Drawing(pixels, tuple(centers), radii)


def _tint(name: str, rng: random.Random, background: Color) -> Color:
    """A color of that name, as far from the background as can be had."""
    tints = [_random_tint(name, rng) for _ in range(6)]
    return max(tints, key=lambda tint: min(math.dist(tint, background), _LEAST_CONTRAST))


def _random_tint(name: str, rng: random.Random) -> Color:
    hue, saturation, value = (rng.uniform(low, high) for low, high in _RANGES[name])
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _background(rng: random.Random, colors: Sequence[str]) -> Color:
    """Paper, a dark screen or any color from which all the things stand out."""
    for _ in range(_TRIES):
        kind = rng.random()
        if kind < 0.5:
            background = _random_tint("white", rng)
        elif kind < 0.65:
            background = _random_tint("black", rng)
        else:
            background = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        tints = [_random_tint(color, rng) for color in colors for _ in range(3)]
        if all(math.dist(tint, background) >= _LEAST_CONTRAST for tint in tints):
            return background
    return _random_tint("gray" if "gray" not in colors else "white", rng)


def _places(
    count: int, rng: random.Random, width: int, height: int, smallest: float
) -> tuple[float, list[Point]]:
    """A radius, and centers at which circles of it neither meet nor leave the picture."""
    side = min(width, height)
    largest = _LARGEST / (1 + 0.45 * (count - 1))
    radius = side * rng.uniform(min(smallest, largest * 0.7), largest)
    while True:
        centers: list[Point] = []
        for _ in range(_TRIES):
            center = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
            if all(math.dist(center, other) > 2.1 * radius for other in centers):
                centers.append(center)
            if len(centers) == count:
                return radius, centers
        radius *= 0.9


def _draw_thing(
    image: Image.Image, kind: str, color: Color, center: Point, size: float, rng: random.Random
) -> None:
    """Draws a shape or a digit of radius ``size``."""
    if kind in _STROKES:
        _draw_digit(image, kind, color, center, size, rng)
        return
    points = [(center[0] + size * x, center[1] + size * y) for x, y in _outline(kind, rng)]
    pen = ImageDraw.Draw(image)
    if rng.random() < 0.75:
        pen.polygon(points, fill=color)
    else:
        thick = max(2, round(size * rng.uniform(0.12, 0.3)))
        pen.line([*points, points[0], points[1]], fill=color, width=thick, joint="curve")


def _outline(kind: str, rng: random.Random) -> list[Point]:
    """Points around a shape, within the unit circle, turned a little."""
    turn = rng.uniform(-0.2, 0.2)
    match kind:
        case "circle":
            points = _star_points(48, 1.0, 1.0)
        case "square":
            points = [(-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)]
        case "rectangle":
            short = rng.uniform(0.3, 0.52)
            points = [(-0.85, -short), (0.85, -short), (0.85, short), (-0.85, short)]
            turn += rng.choice((0, math.pi / 2))
        case "diamond":
            wide = rng.uniform(0.6, 0.9)
            points = [(0, -1), (wide, 0), (0, 1), (-wide, 0)]
            turn *= 0.5
        case "triangle":
            points = [(0, -1), (rng.uniform(0.75, 0.9), 0.7), (-rng.uniform(0.75, 0.9), 0.7)]
            turn += rng.choice((0, 0, 0, math.pi))
        case "star":
            points = _star_points(5, 1.0, rng.uniform(0.38, 0.5))
        case "cross":
            arm = rng.uniform(0.18, 0.32)
            quarter = [(-arm, -0.95), (arm, -0.95), (arm, -arm)]
            points = [_turned(p, k * math.pi / 2) for k in range(4) for p in quarter]
            turn += rng.choice((0, 0, math.pi / 4))
        case "heart":
            points = [_heart(2 * math.pi * step / 48) for step in range(48)]
        case _:
            raise ValueError(f"nobody knows how to draw a {kind}")
    return [_turned(point, turn) for point in points]


def _turned(point: Point, angle: float) -> Point:
    (x, y), c, s = point, math.cos(angle), math.sin(angle)
    return x * c - y * s, x * s + y * c


def _star_points(tips: int, outer: float, inner: float) -> list[Point]:
    angles = [math.pi * step / tips for step in range(2 * tips)]
    radii = [outer if step % 2 == 0 else inner for step in range(2 * tips)]
    return [(r * math.sin(a), -r * math.cos(a)) for r, a in zip(radii, angles, strict=True)]


def _heart(angle: float) -> Point:
    x = 16 * math.sin(angle) ** 3
    y = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle)
    return x / 17, (math.cos(4 * angle) - y) / 17


def _draw_digit(
    image: Image.Image, word: str, color: Color, center: Point, size: float, rng: random.Random
) -> None:
    """Prints or writes a digit."""
    angle = rng.uniform(-0.2, 0.2)
    if rng.random() < 0.5:
        font = ImageFont.load_default(size * 1.9)
        layer = Image.new("L", (round(size * 2.4),) * 2)
        middle = layer.width / 2
        heavy = round(size * rng.uniform(0.0, 0.06))
        ImageDraw.Draw(layer).text(
            (middle, middle), _FIGURES[word], 255, font, anchor="mm", stroke_width=heavy
        )
        layer = layer.rotate(math.degrees(angle), Image.Resampling.BICUBIC)
        corner = round(center[0] - middle), round(center[1] - middle)
        image.paste(Image.new("RGB", layer.size, color), corner, layer)
        return
    slant, wide = rng.uniform(-0.25, 0.1), rng.uniform(0.8, 1.2)
    thick = max(2, round(size * rng.uniform(0.12, 0.3)))
    pen = ImageDraw.Draw(image)
    for stroke in _STROKES[word]:
        shaken = [(x + rng.gauss(0, 0.04), y + rng.gauss(0, 0.04)) for x, y in stroke]
        smooth = _rounded(shaken) if len(stroke) > 3 else shaken
        turned = [_turned((0.9 * wide * (x - slant * y), 0.9 * y), angle) for x, y in smooth]
        points = [(center[0] + size * x, center[1] + size * y) for x, y in turned]
        pen.line(points, fill=color, width=thick, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=color)


def _rounded(points: list[Point]) -> list[Point]:
    """Corners cut twice (Chaikin 1974); the ends stay."""
    for _ in range(2):
        cut = [points[0]]
        for (ax, ay), (bx, by) in pairwise(points):
            cut += [(0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by)]
            cut += [(0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by)]
        points = [*cut, points[-1]]
    return points


def _photographed(image: Image.Image, rng: random.Random) -> np.ndarray:
    """With uneven light, a soft lens and noise, or as it is."""
    if rng.random() < 0.3:
        return np.asarray(image)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.006) * min(image.size)))
    pixels = np.asarray(image, dtype=np.float64)
    noise = np.random.default_rng(rng.getrandbits(32))
    height, width, _ = pixels.shape
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    light = 1 - rng.uniform(0, 0.15) + rng.uniform(-0.12, 0.12) * across
    light = light + rng.uniform(-0.12, 0.12) * down
    pixels = pixels * light[..., None]
    pixels += noise.normal(0, rng.uniform(0, 10), pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
