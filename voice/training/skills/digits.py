"""Numbers as functions want them, in digits: sums, spans of time in seconds, counts.

A number word and its digits have nothing in common that could be copied, and few tokens of a call
are digits: they are learnt from lists of them (`sample_digits`), as letters are.
"""

from __future__ import annotations

import random

from voice.training.skills.numbers import number_words

_MINUTES = (*range(1, 21), 25, 30, 40, 45, 50)
SPANS = (
    *((f"{number_words(n)} minute{'s' * (n > 1)}", 60 * n) for n in _MINUTES),
    *((f"{number_words(n)} seconds", n) for n in (*range(2, 21), 30, 40, 45, 50, 60, 90)),
    *((f"{number_words(n)} hour{'s' * (n > 1)}", 3600 * n) for n in range(1, 6)),
    ("half an hour", 1800), ("an hour", 3600), ("a minute", 60), ("half a minute", 30),
)  # fmt: skip
"""How long, as said, and in seconds."""

OPERATORS = {"plus": "+", "minus": "-", "times": "*", "divided by": "/"}


def shots_of_coffee(count: int) -> str:
    """As they are ordered: "two shots"."""
    return f"{number_words(count)} shot{'s' * (count > 1)}"


def sample_sum(rng: random.Random) -> tuple[int, str, int]:
    """Two numbers up to 999 and what stands between them, a key of ``OPERATORS``."""
    most = rng.choice((20, 100, 999))
    words = rng.choice(tuple(OPERATORS))
    a, b = rng.randint(1, most), rng.randint(1, most)
    if OPERATORS[words] == "/":
        a = b * rng.randint(1, max(1, 999 // b))
    return a, words, b


def sample_digits(rng: random.Random) -> tuple[str, str]:
    """A few sums, spans and counts as they are said, and as functions want them."""
    said, written = [], []
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.6:
            a, words, b = sample_sum(rng)
            said.append(f"{number_words(a)} {words} {number_words(b)}")
            written.append(f"{a} {OPERATORS[words]} {b}")
        elif kind < 0.9:
            span, seconds = rng.choice(SPANS)
            said.append(span)
            written.append(str(seconds))
        else:
            count = rng.randint(1, 4)
            said.append(shots_of_coffee(count))
            written.append(str(count))
    return " and ".join(said), "\n".join(written)
