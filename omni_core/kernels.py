"""The arithmetic of one position on the CPU in float32, compiled: plain loops over the weights.

Every function here is machine code (numba): numpy's types and loops, no calls back to Python. The
mathematics is that of the modules; only sums are in another order. The first use on a machine
compiles for some seconds; the result is kept for later ones. `omni_core.single` puts the blocks
together.

Legend: C conv channels, K conv width, H heads, P head size, G groups, N state size, Q query heads,
J key-value heads, D head size, S positions of the history.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import njit

Vector = np.ndarray
Matrix = np.ndarray
Scalar = float | np.float32


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, kept on disk for the next process where there is a place.

    Sums may be reordered, so that they use the CPU's vectors; NaN and infinity stay what they are.
    """
    compiler = partial(njit, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
    try:
        return compiler(cache=True)(function)
    except RuntimeError:  # neither beside the source nor in the user's cache can be written
        return compiler()(function)


@compiled
def _product(matrix: Matrix, x: Vector, out: Vector) -> None:
    """out = matrix · x."""
    for row in range(matrix.shape[0]):
        total = np.float32(0)
        for column in range(matrix.shape[1]):
            total += matrix[row, column] * x[column]
        out[row] = total


@compiled
def _add_product(matrix: Matrix, x: Vector, out: Vector, scale: Scalar) -> None:
    """out += scale · (matrix · x)."""
    for row in range(matrix.shape[0]):
        total = np.float32(0)
        for column in range(matrix.shape[1]):
            total += matrix[row, column] * x[column]
        out[row] += scale * total


@compiled
def _normed(x: Vector, weight: Vector, eps: float) -> Vector:
    """RMSNorm of `x`."""
    total = np.float32(0)
    for index in range(len(x)):
        total += x[index] * x[index]
    scale = np.float32(1 / math.sqrt(total / len(x) + eps))
    out = np.empty_like(x)
    for index in range(len(x)):
        out[index] = x[index] * scale * weight[index]
    return out


@compiled
def _silu(x: Vector) -> None:
    """x · sigmoid(x), in place."""
    for index in range(len(x)):
        x[index] = x[index] / (np.float32(1) + np.exp(-x[index]))


@compiled
def mamba_step(
    h: Vector,
    norm: Vector,
    eps: float,
    in_proj: Matrix,
    taps: Matrix,
    bias: Vector,
    rate: Vector,
    skip: Matrix,
    dt_bias: Vector,
    gate_norm: Vector,
    groups: int,
    out_proj: Matrix,
    window: Matrix,
    ssm: np.ndarray,
) -> None:
    """`MambaMixer` on `h` [hidden]; moves `window` [K−1, C] and `ssm` [H, P, N] on."""
    heads, size, state = ssm.shape
    inner, channels = heads * size, window.shape[1]
    projected = np.empty(in_proj.shape[0], np.float32)
    _product(in_proj, _normed(h, norm, eps), projected)
    z, new, dts = (
        projected[:inner],
        projected[inner : inner + channels],
        projected[inner + channels :],
    )

    # Convolution: the taps on the kept inputs, then on the new one, which moves in.
    kept = len(window)
    conv = np.empty(channels, np.float32)
    for channel in range(channels):
        conv[channel] = bias[channel] + taps[kept, channel] * new[channel]
    for tap in range(kept):
        for channel in range(channels):
            conv[channel] += taps[tap, channel] * window[tap, channel]
    for tap in range(kept - 1):
        window[tap] = window[tap + 1]
    window[kept - 1] = new
    _silu(conv)

    # Recurrence: S ← exp(dt·a)·S + dt·u⊗b, y = S·c + D·u.
    mixed = np.empty(inner, np.float32)
    for head in range(heads):
        dt = np.float32(np.logaddexp(dts[head] + dt_bias[head], np.float32(0)))
        decay = np.exp(dt * rate[head])
        first = inner + head // (heads // groups) * state
        b, c = conv[first : first + state], conv[first + groups * state :][:state]
        for place in range(size):
            u = conv[head * size + place]
            added = dt * u
            total = np.float32(0)
            row = ssm[head, place]
            for index in range(state):
                row[index] = decay * row[index] + added * b[index]
                total += row[index] * c[index]
            mixed[head * size + place] = total + skip[head, 0] * u

    # Gate, then the norm of every group.
    _silu(z)
    width = inner // groups
    for index in range(inner):
        mixed[index] *= z[index]
    for start in range(0, inner, width):
        mixed[start : start + width] = _normed(
            mixed[start : start + width], gate_norm[start : start + width], eps
        )
    _add_product(out_proj, mixed, h, np.float32(1))


@compiled
def attention_scores(
    h: Vector,
    norm: Vector,
    eps: float,
    q_proj: Matrix,
    k_proj: Matrix,
    v_proj: Matrix,
    keys: np.ndarray,
    values: np.ndarray,
    length: int,
) -> Matrix:
    """The first half of `Attention`: scores [Q, S] of the query heads, less the largest of each.

    Position `length` − 1 of `keys` and `values` [J, S, D] is written.
    """
    pairs, _, size = keys.shape
    x = _normed(h, norm, eps)
    queries = np.empty((q_proj.shape[0] // size, size), np.float32)
    _product(q_proj, x, queries.reshape(-1))
    queries *= np.float32(1 / math.sqrt(size))
    repeats = len(queries) // pairs
    scores = np.empty((len(queries), length), np.float32)
    for pair in range(pairs):
        rows = slice(pair * size, (pair + 1) * size)
        _product(k_proj[rows], x, keys[pair, length - 1])
        _product(v_proj[rows], x, values[pair, length - 1])
        for head in range(pair * repeats, (pair + 1) * repeats):
            _product(keys[pair, :length], queries[head], scores[head])
            scores[head] -= scores[head].max()
    return scores


@compiled
def attention_mix(h: Vector, weights: Matrix, values: np.ndarray, o_proj: Matrix) -> None:
    """The second half of `Attention`, from the exponentials of the scores [Q, S]."""
    pairs, _, size = values.shape
    heads, length = weights.shape
    mixed = np.zeros((heads, size), np.float32)
    for head in range(heads):
        out = mixed[head]
        attended = values[head // (heads // pairs)]
        total = np.float32(0)
        for position in range(length):
            weight = weights[head, position]
            total += weight
            for index in range(size):
                out[index] += weight * attended[position, index]
        for index in range(size):
            out[index] /= total
    _add_product(o_proj, mixed.reshape(-1), h, np.float32(1))


@compiled
def _add_mlp(x: Vector, up: Matrix, down: Matrix, h: Vector, scale: Scalar) -> None:
    """h += scale · (down · relu(up · x)²)."""
    inner = np.empty(len(up), np.float32)
    _product(up, x, inner)
    for index in range(len(inner)):
        positive = max(inner[index], np.float32(0))
        inner[index] = positive * positive
    _add_product(down, inner, h, scale)


@compiled
def mlp_step(h: Vector, norm: Vector, eps: float, up: Matrix, down: Matrix) -> None:
    """`MLP` on `h`."""
    _add_mlp(_normed(h, norm, eps), up, down, h, np.float32(1))


@compiled
def _best(values: Vector, count: int) -> Vector:
    """Indices of the `count` largest values; of equal ones the first."""
    rest = values.copy()
    chosen = np.empty(count, np.int64)
    for index in range(count):
        chosen[index] = rest.argmax()
        rest[chosen[index]] = -np.inf
    return chosen


@compiled
def _choose(scores: Vector, bias: Vector, count: int, groups: int, top_groups: int) -> Vector:
    """`Router.choose` for one position."""
    choice = scores + bias
    if groups > 1:
        grouped = choice.reshape(groups, -1)
        sums = np.empty(groups, np.float32)
        for group in range(groups):
            sums[group] = 0
            for expert in _best(grouped[group], min(2, grouped.shape[1])):
                sums[group] += grouped[group, expert]
        kept = _best(sums, top_groups)
        for group in range(groups):
            if not (kept == group).any():
                grouped[group] = -np.inf
    return _best(choice, count)


@compiled
def moe_step(
    h: Vector,
    norm: Vector,
    eps: float,
    gate: Matrix,
    bias: Vector,
    count: int,
    groups: int,
    top_groups: int,
    normalise: bool,
    scale: Scalar,
    ups: np.ndarray,
    downs: np.ndarray,
    up: Matrix,
    down: Matrix,
) -> None:
    """`MoE` on `h`: router, the `count` chosen experts of `ups` and `downs`, the shared one."""
    x = _normed(h, norm, eps)
    scores = np.empty(len(gate), np.float32)
    _product(gate, x, scores)
    for expert in range(len(scores)):
        scores[expert] = np.float32(1) / (np.float32(1) + np.exp(-scores[expert]))
    chosen = _choose(scores, bias, count, groups, top_groups)
    if normalise:
        total = np.float32(1e-20)
        for expert in chosen:
            total += scores[expert]
        scale = scale / total
    for expert in chosen:
        _add_mlp(x, ups[expert], downs[expert], h, np.float32(scores[expert] * scale))
    _add_mlp(x, up, down, h, np.float32(1))


@compiled
def head_step(h: Vector, norm: Vector, eps: float, head: Matrix) -> Vector:
    """The final norm and the logits [vocab]."""
    logits = np.empty(len(head), np.float32)
    _product(head, _normed(h, norm, eps), logits)
    return logits
