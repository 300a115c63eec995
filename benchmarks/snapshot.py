"""What it costs to remember a moment, to return to it, and to split a session in two.

Mamba's tensors are copied, and they do not grow. Keys and values are never copied: a snapshot of
them is a length, and forks share the buffers until one side would overwrite the other's. So none of
the three depends on the history, unlike a deep copy of everything or computing it again.
"""

import copy
from collections.abc import Callable, Iterator

import torch

from benchmarks import models
from benchmarks.measure import Candidate, Cell, Row, interleave, require_same
from benchmarks.sizes import Sizes
from omni_core.cache import DecoderState
from omni_core.model import OmniDecoder

DIVERGED = 14
"""Positions taken in and rolled back; about a second of drafts."""


def run(sizes: Sizes) -> Iterator[Row]:
    """Snapshot, rollback and fork after several histories."""
    model = models.decoder(sizes)
    other = models.random_tokens(sizes.decoder, DIVERGED, seed=1)
    for context in sizes.snapshot_contexts:
        tokens = models.random_tokens(sizes.decoder, context)
        yield measure(model, tokens, other, repeats=sizes.few_repeats)


def measure(
    model: OmniDecoder,
    tokens: list[int],
    other: list[int],
    *,
    repeats: int,
    synchronize: Callable[[], None] = lambda: None,
) -> Row:
    """One row, for one history.

    Args:
        model: what keeps the history.
        tokens: the history, may be empty.
        other: what is taken in and rolled back.
        repeats: of what takes long; what takes microseconds is measured ten times as often.
        synchronize: see `interleave`.
    """
    state = model.new_state()
    if tokens:
        model.prefill(state, tokens=tokens)
    _check(model, state, other)
    mark = state.snapshot()

    def diverge() -> None:
        state.rollback(mark)
        model.prefill(state, tokens=other)

    candidates = {
        "snapshot": Candidate(lambda _: state.snapshot()),
        "rollback": Candidate(lambda _: state.rollback(mark), prepare=diverge),
        "fork": Candidate(lambda _: state.fork()),
        "deepcopy": Candidate(lambda _: copy.deepcopy(models.memory(state))),
    }
    times = interleave(candidates, 10 * repeats, synchronize)
    cells: dict[str, Cell] = {"history, tokens": len(tokens)}
    cells |= {f"{name}, ms": spread for name, spread in times.items()}
    if tokens:
        again = Candidate(lambda _: model.prefill(model.new_state(), tokens=tokens))
        prefill = interleave({"again": again}, repeats, synchronize)["again"]
        cells["prefill again, ms"] = prefill
        cells["rollback, times faster than again"] = prefill.median / times["rollback"].median
    return Row(cells, gate="state and next logits bit by bit as before, fork and parent apart")


def _check(model: OmniDecoder, state: DecoderState, other: list[int]) -> None:
    """A rollback leaves no trace, a fork changes nothing in its parent, nor its parent in it."""
    before = [tensor.clone() for tensor in models.memory(state)]
    mark = state.snapshot()
    expected = model.prefill(state, tokens=other)
    state.rollback(mark)
    _require_equal("after rollback", state, before)
    twin = state.fork()
    require_same("logits of a fork", model.prefill(twin, tokens=other), expected)
    _require_equal("after the fork went on", state, before)
    far = [tensor.clone() for tensor in models.memory(twin)]
    require_same("logits after rollback", model.prefill(state, tokens=other), expected)
    state.rollback(mark)
    model.prefill(state, tokens=other[::-1])
    _require_equal("fork, after its parent went elsewhere", twin, far)
    state.rollback(mark)


def _require_equal(when: str, state: DecoderState, tensors: list[torch.Tensor]) -> None:
    for index, (ours, theirs) in enumerate(zip(models.memory(state), tensors, strict=True)):
        require_same(f"tensor {index} of the state {when}", ours, theirs)
