"""What lies between the matrix products of a FastConformer layer, on the CPU in float32, compiled.

`streaming.tower` puts the layers together.

Legend: T steps, D hidden size, H heads, K width of the convolution.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, kept on disk where there is a place for it.

    Sums may be reordered, so that they use the CPU's vectors; NaN and infinity stay what they are.
    """
    compiler = partial(njit, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
    try:
        return compiler(cache=True)(function)
    except RuntimeError:  # neither beside the source nor in the user's cache can be written
        return compiler()(function)


@compiled
def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    """LayerNorm of every row of `x` [T, D]."""
    out = np.empty_like(x)
    width = x.shape[1]
    for row in range(len(x)):
        total = np.float32(0)
        for index in range(width):
            total += x[row, index]
        mean = total / np.float32(width)
        total = np.float32(0)
        for index in range(width):
            centred = x[row, index] - mean
            total += centred * centred
        scale = np.float32(1 / math.sqrt(total / width + eps))
        for index in range(width):
            out[row, index] = (x[row, index] - mean) * scale * weight[index] + bias[index]
    return out


@compiled
def biased_queries(
    q: np.ndarray, content: np.ndarray, position: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """(q + u)·scale and (q + v)·scale, both [H, T, D/H], of `q` [T, D] and biases [H, D/H]."""
    heads, size = content.shape
    by_content = np.empty((heads, len(q), size), np.float32)
    by_position = np.empty_like(by_content)
    factor = np.float32(scale)
    for head in range(heads):
        for row in range(len(q)):
            for index in range(size):
                value = q[row, head * size + index]
                by_content[head, row, index] = (value + content[head, index]) * factor
                by_position[head, row, index] = (value + position[head, index]) * factor
    return by_content, by_position


@compiled
def add_shifted(scores: np.ndarray, by_position: np.ndarray) -> None:
    """scores[h, i, j] += by_position[h, i, T−1−i+j]: the column of the distance i − j."""
    heads, steps, _ = scores.shape
    for head in range(heads):
        for row in range(steps):
            first = steps - 1 - row
            for column in range(steps):
                scores[head, row, column] += by_position[head, row, first + column]


@compiled
def depthwise(x: np.ndarray, taps: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Every channel of `x` [T, D] with its own `taps` [K, D], centred, zeros around."""
    steps, width = x.shape
    before = len(taps) // 2
    out = np.empty_like(x)
    for row in range(steps):
        for index in range(width):
            out[row, index] = bias[index]
        for tap in range(max(0, before - row), min(len(taps), steps + before - row)):
            source = row + tap - before
            for index in range(width):
                out[row, index] += taps[tap, index] * x[source, index]
    return out
