"""Word pieces along time: where speech would place them, and how an imperfect ear finds them."""

from __future__ import annotations

import random
from itertools import groupby
from operator import itemgetter

BLANK = 0
"""The piece of an encoder step at which no word piece begins (the padding token)."""
LONGEST_PIECE_STEPS = 2.0
"""The pieces of a word follow each other at most at this distance, however slowly it is said."""


def place_pieces(
    words: list[list[int]], starts: list[float], end: float, num_steps: int
) -> list[int]:
    """The word piece that begins at every encoder step: a transcript laid along the sound.

    Args:
        words: tokens of every word.
        starts: the step at which each word begins, fractions allowed; words that begin together
            share the time until the next one.
        end: the step at which the last word has been said.
        num_steps: of the utterance; what would begin later is left out.
    """
    placed = [BLANK] * num_steps
    groups = [
        (start, [token for _, tokens in group for token in tokens])
        for start, group in groupby(zip(starts, words, strict=True), key=itemgetter(0))
    ]
    free = 0
    for (start, tokens), (following, _) in zip(groups, [*groups[1:], (end, [])], strict=True):
        spacing = min((following - start) / len(tokens), LONGEST_PIECE_STEPS)
        for index, token in enumerate(tokens):
            step = max(free, int(start + index * spacing))
            if step < num_steps:
                placed[step] = token
            free = step + 1
    return placed


def imagine_pieces(words: list[list[int]], text: str, rng: random.Random) -> list[int]:
    """Pieces as speech would place them, without any: for a decoder that has no ears yet."""
    # Speech so fast that piece follows piece is easier to read: some of it all the way through.
    steps_per_letter = rng.choice((0.0, rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)))
    starts = []
    step = float(rng.randint(0, 6))
    for tokens, word in zip(words, text.split(), strict=True):
        starts.append(step)
        step += max(len(tokens), len(word) * steps_per_letter)
    return place_pieces(words, starts, step, int(step) + rng.randint(1, 6))


def mishear(pieces: list[int], rng: random.Random, vocabulary: range) -> list[int]:
    """Pieces as an imperfect ear would give them: some are others, some are missing."""
    rate = rng.choice((0.0, 0.0, rng.uniform(0.0, 0.12)))
    return [
        rng.choice((BLANK, rng.choice(vocabulary), rng.choice(vocabulary)))
        if piece != BLANK and rng.random() < rate
        else piece
        for piece in pieces
    ]
