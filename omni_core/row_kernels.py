"""The arithmetic of several positions on the CPU in float32, compiled: what lies between products.

As `omni_core.kernels`, whose loops it shares; matrix products with dense weights are left to torch,
which is at its best there. `omni_core.several` puts the blocks together.

Legend: T positions, C conv channels, K conv width, H heads, P head size, G groups, N state size,
E experts, k experts of a position, W expert width.
"""

import math

import numpy as np

from omni_core.kernels import Matrix, Scalar, Vector, _choose, compiled

TOGETHER = 4
"""Positions that share a pass over an expert's weights."""


@compiled
def norm_rows(x: Matrix, weight: Vector, eps: float) -> Matrix:
    """RMSNorm of every row of `x` [T, hidden]."""
    out = np.empty_like(x)
    for row in range(len(x)):
        total = np.float32(0)
        for index in range(len(weight)):
            total += x[row, index] * x[row, index]
        scale = np.float32(1 / math.sqrt(total / len(weight) + eps))
        for index in range(len(weight)):
            out[row, index] = x[row, index] * scale * weight[index]
    return out


@compiled
def conv_rows(projected: Matrix, first: int, window: Matrix, taps: Matrix, bias: Vector) -> Matrix:
    """Mamba's convolution of columns `first` … `first` + C; [T, C]. Moves `window` [K−1, C] on."""
    count, kept, channels = len(projected), len(window), window.shape[1]
    out = np.empty((count, channels), np.float32)
    for row in range(count):
        for channel in range(channels):
            out[row, channel] = (
                bias[channel] + taps[kept, channel] * projected[row, first + channel]
            )
        for tap in range(kept):
            before = row + tap - kept
            if before < 0:
                for channel in range(channels):
                    out[row, channel] += taps[tap, channel] * window[before + kept, channel]
            else:
                for channel in range(channels):
                    out[row, channel] += taps[tap, channel] * projected[before, first + channel]
    for tap in range(kept):
        before = count + tap - kept
        if before < 0:  # fewer new inputs than the window is long
            window[tap] = window[before + kept]
        else:
            window[tap] = projected[before, first : first + channels]
    return out


@compiled
def scan_rows(
    conv: Matrix,
    projected: Matrix,
    first: int,
    rate: Vector,
    skip: Matrix,
    dt_bias: Vector,
    groups: int,
    ssm: np.ndarray,
) -> Matrix:
    """Mamba's recurrence over the rows; [T, H·P]. Moves `ssm` [H, P, N] on.

    `conv` [T, C] holds u, b and c; the time steps are columns `first` … `first` + H of `projected`.
    """
    heads, size, state = ssm.shape
    out = np.empty((len(conv), heads * size), np.float32)
    for head in range(heads):
        begin = heads * size + head // (heads // groups) * state
        for row in range(len(conv)):
            dt = np.float32(
                np.logaddexp(projected[row, first + head] + dt_bias[head], np.float32(0))
            )
            decay = np.exp(dt * rate[head])
            b = conv[row, begin : begin + state]
            c = conv[row, begin + groups * state : begin + groups * state + state]
            for place in range(size):
                u = conv[row, head * size + place]
                added = dt * u
                total = np.float32(0)
                memory = ssm[head, place]
                for index in range(state):
                    memory[index] = decay * memory[index] + added * b[index]
                    total += memory[index] * c[index]
                out[row, head * size + place] = total + skip[head, 0] * u
    return out


@compiled
def gate_rows(mixed: Matrix, gate: Matrix, weight: Vector, groups: int, eps: float) -> None:
    """mixed · gate, then RMSNorm of every group of columns, in place."""
    width = mixed.shape[1] // groups
    for row in range(len(mixed)):
        for start in range(0, mixed.shape[1], width):
            total = np.float32(0)
            for index in range(start, start + width):
                mixed[row, index] *= gate[row, index]
                total += mixed[row, index] * mixed[row, index]
            scale = np.float32(1 / math.sqrt(total / width + eps))
            for index in range(start, start + width):
                mixed[row, index] = mixed[row, index] * scale * weight[index]


@compiled
def _products(matrix: Matrix, rows: Matrix, chosen: Vector, out: Matrix) -> None:
    """out[i] = matrix · rows[chosen[i]], some rows at a time: weights are read less often."""
    width = matrix.shape[1]
    whole = len(chosen) - len(chosen) % TOGETHER
    for line in range(matrix.shape[0]):
        weights = matrix[line]
        for start in range(0, whole, TOGETHER):
            x0, x1 = rows[chosen[start]], rows[chosen[start + 1]]
            x2, x3 = rows[chosen[start + 2]], rows[chosen[start + 3]]
            s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for column in range(width):
                weight = weights[column]
                s0 += weight * x0[column]
                s1 += weight * x1[column]
                s2 += weight * x2[column]
                s3 += weight * x3[column]
            out[start, line], out[start + 1, line] = s0, s1
            out[start + 2, line], out[start + 3, line] = s2, s3
        for place in range(whole, len(chosen)):
            x, total = rows[chosen[place]], np.float32(0)
            for column in range(width):
                total += weights[column] * x[column]
            out[place, line] = total


@compiled
def experts_rows(
    x: Matrix,
    scores: Matrix,
    bias: Vector,
    count: int,
    groups: int,
    top_groups: int,
    normalise: bool,
    scale: Scalar,
    ups: np.ndarray,
    downs: np.ndarray,
    h: Matrix,
) -> None:
    """h += the `count` chosen experts of every row of `x` [T, hidden], weighed by `scores` [T, E].

    Expert by expert, as each has the rows that chose it: its weights are read once.
    """
    rows, experts = scores.shape
    chosen = np.empty((rows, count), np.int64)
    weights = np.empty((rows, count), np.float32)
    ends = np.zeros(experts + 1, np.int64)
    for row in range(rows):
        chosen[row] = _choose(scores[row], bias, count, groups, top_groups)
        total = np.float32(1e-20)
        for place in range(count):
            weights[row, place] = scores[row, chosen[row, place]]
            total += weights[row, place]
            ends[chosen[row, place] + 1] += 1
        factor = scale / total if normalise else scale
        for place in range(count):
            weights[row, place] *= factor
    for expert in range(experts):
        ends[expert + 1] += ends[expert]
    members = np.empty(rows * count, np.int64)
    shares = np.empty(rows * count, np.float32)
    free = ends.copy()
    for row in range(rows):
        for place in range(count):
            expert = chosen[row, place]
            members[free[expert]] = row
            shares[free[expert]] = weights[row, place]
            free[expert] += 1
    for expert in range(experts):
        mine = members[ends[expert] : ends[expert + 1]]
        if len(mine) == 0:
            continue
        inner = np.empty((len(mine), ups.shape[1]), np.float32)
        _products(ups[expert], x, mine, inner)
        for place in range(len(mine)):
            for index in range(inner.shape[1]):
                positive = max(inner[place, index], np.float32(0))
                inner[place, index] = positive * positive
        out = np.empty((len(mine), x.shape[1]), np.float32)
        _products(downs[expert], inner, np.arange(len(mine)), out)
        for place in range(len(mine)):
            share = shares[ends[expert] + place]
            for index in range(x.shape[1]):
                h[mine[place], index] += share * out[place, index]
