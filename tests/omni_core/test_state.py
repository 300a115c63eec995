"""The laws of the state: any split, rollback, fork, company, and what is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from omni_core import model as model_module
from omni_core.cache import ContextFull, DecoderState, KVCache, MambaCache
from omni_core.model import OmniDecoder
from tests.omni_core.reference import random_decoder

pytestmark = pytest.mark.usefixtures("each_way")

MODEL = random_decoder()
tokens_lists = st.lists(st.integers(0, MODEL.config.vocab_size - 1), min_size=1, max_size=20)
few = settings(max_examples=25, deadline=None)


def begun(*parts: list[int], model: OmniDecoder = MODEL) -> DecoderState:
    """A session that has taken in these parts."""
    state = model.new_state()
    for part in parts:
        model.prefill(state, tokens=part)
    return state


def contents(state: DecoderState) -> list[Tensor]:
    """Copies of everything a session remembers."""
    assert state.logits is not None
    tensors = [state.logits.clone(), torch.tensor([state.position, state.pending or -1])]
    for cache in state.caches:
        if isinstance(cache, MambaCache):
            tensors += cache.snapshot()
        elif isinstance(cache, KVCache):
            tensors += [used.clone() for used in cache.used]
    return tensors


def assert_same(ours: list[Tensor], theirs: list[Tensor], tolerance: float = 0.0) -> None:
    """Bitwise by default."""
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def diverge(state: DecoderState, actions: list[list[int]]) -> None:
    """Prefills, generation cut short, forks that go their own way."""
    for index, part in enumerate(actions):
        match index % 3:
            case 0:
                MODEL.prefill(state, tokens=part)
            case 1:
                for _ in zip(MODEL.generate(state, max_new_tokens=9), part, strict=False):
                    pass
            case _:
                MODEL.prefill(state.fork(), tokens=part)


@few
@given(tokens_lists, st.lists(st.integers(1, 7), max_size=6))
def test_any_split_of_prefill_equals_whole(tokens: list[int], sizes: list[int]) -> None:
    parts, rest = [], tokens
    for size in sizes:
        if len(rest) > size:
            parts.append(rest[:size])
            rest = rest[size:]
    assert_same(contents(begun(*parts, rest)), contents(begun(tokens)), 2e-5)


@few
@given(tokens_lists, st.lists(tokens_lists, max_size=5), tokens_lists)
def test_rollback_makes_what_followed_never_have_happened(
    before: list[int], actions: list[list[int]], after: list[int]
) -> None:
    state, plain = begun(before), begun(before)
    mark = state.snapshot()
    for _ in range(2):  # a mark serves any number of times
        diverge(state, actions)
        state.rollback(mark)
        assert_same(contents(state), contents(plain))
    MODEL.prefill(state, tokens=after)
    MODEL.prefill(plain, tokens=after)
    assert_same(contents(state), contents(plain))


@few
@given(tokens_lists, st.lists(tokens_lists, min_size=1, max_size=5), tokens_lists, st.booleans())
def test_fork_never_touches_its_parent(
    before: list[int], actions: list[list[int]], after: list[int], parent_first: bool
) -> None:
    parent = begun(before)
    past = parent.snapshot()
    MODEL.prefill(parent, tokens=after)
    twin, kept = parent.fork(), contents(parent)
    if parent_first:  # the twin holds on to a past that the parent gives up
        parent.rollback(past)
        MODEL.prefill(parent, tokens=actions[0])
        assert_same(contents(twin), kept)
        kept = contents(parent)
    diverge(twin, actions)
    assert_same(contents(parent), kept)
    twin.rollback(past)
    diverge(twin, actions)
    assert_same(contents(parent), kept)


@few
@given(st.lists(st.tuples(tokens_lists, tokens_lists), min_size=2, max_size=4))
def test_sessions_in_one_pass_equal_each_alone(pairs: list[tuple[list[int], list[int]]]) -> None:
    together = [begun(before) for before, _ in pairs]
    logits = MODEL.extend(together, [after for _, after in pairs])
    stepped = MODEL.step(together, [after[0] for _, after in pairs])
    for row, (before, after) in enumerate(pairs):
        alone = begun(before)
        first = MODEL.prefill(alone, tokens=after)
        second = MODEL.prefill(alone, tokens=after[:1])
        torch.testing.assert_close(logits[row], first, rtol=2e-5, atol=2e-5)
        torch.testing.assert_close(stepped[row], second, rtol=2e-5, atol=2e-5)
        assert_same(contents(together[row]), contents(alone), 2e-5)


def test_long_prefill_in_blocks_equals_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    long = torch.randint(0, MODEL.config.vocab_size, (300,), generator=generator)
    whole = begun(long.tolist())
    monkeypatch.setattr(model_module, "PREFILL_BLOCK", 64)
    monkeypatch.setattr(model_module, "SEVERAL_BLOCK", 64)
    states = [MODEL.new_state(), begun([5])]
    MODEL.extend(states, [long, [6, 7]])
    assert_same(contents(states[0]), contents(whole), 1e-4)
    assert_same(contents(states[1]), contents(begun([5, 6, 7])), 1e-4)


def test_history_beyond_the_first_capacity_is_kept() -> None:
    state = begun(list(range(50)) * 5)
    for token in range(30):  # crosses 256 positions one by one
        MODEL.prefill(state, tokens=[token])
    assert_same(contents(state), contents(begun(list(range(50)) * 5 + list(range(30)))), 1e-4)


def test_dropped_fork_leaves_its_parent_the_buffers() -> None:
    parent = begun([1, 2, 3])
    twin = parent.fork()
    MODEL.prefill(twin, tokens=[4])
    stores = [cache._store for cache in parent.caches if isinstance(cache, KVCache)]
    del twin
    MODEL.prefill(parent, tokens=[5])
    assert [c._store for c in parent.caches if isinstance(c, KVCache)] == stores


def test_rollback_to_a_void_or_foreign_mark_is_refused() -> None:
    state = begun([1, 2])
    early = state.snapshot()
    MODEL.prefill(state, tokens=[3])
    late = state.snapshot()
    state.rollback(early)
    with pytest.raises(ValueError, match="new snapshot"):
        state.rollback(late)
    with pytest.raises(ValueError, match="new snapshot"):
        begun([1, 2]).rollback(early)
    state.rollback(early)


def test_full_context_is_refused_and_changes_nothing() -> None:
    model = random_decoder(max_position_embeddings=8)
    state = begun([1, 2, 3, 4, 5], model=model)
    kept = contents(state)
    with pytest.raises(ContextFull, match="Roll back"):
        model.prefill(state, tokens=[1, 2, 3, 4])
    other = begun([1], model=model)
    with pytest.raises(ContextFull):
        model.extend([other, state], [[1], [1, 2, 3, 4]])
    assert other.position == 1
    assert_same(contents(state), kept)
    generator = model.generate(state, max_new_tokens=10)
    yielded = [next(generator) for _ in range(4)]
    with pytest.raises(ContextFull):
        next(generator)
    assert state.pending == yielded[-1]
    assert state.position == 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tokens": []}, "one id or more"),
        ({"tokens": [MODEL.config.vocab_size]}, "outside 0..60"),
        ({"tokens": [-1]}, "outside 0..60"),
        ({"tokens": [1.5]}, "integers"),
        ({"tokens": torch.ones(2, 2, dtype=torch.long)}, "shape"),
        ({"tokens": torch.ones(2, dtype=torch.bool)}, "integers"),
        ({"embeddings": torch.zeros(0, 32)}, "at least one position"),
        ({"embeddings": torch.zeros(3, 31)}, "positions, 32"),
        ({"embeddings": torch.zeros(1, 3, 32)}, "positions, 32"),
        ({"embeddings": torch.full((3, 32), torch.nan)}, "NaN"),
        ({"tokens": [1], "embeddings": torch.zeros(3, 32)}, "exactly one"),
        ({}, "exactly one"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(wrong: dict[str, Tensor], message: str) -> None:
    state = begun([1, 2])
    kept = contents(state)
    with pytest.raises(ValueError, match=message):
        MODEL.prefill(state, **wrong)
    assert_same(contents(state), kept)


def test_one_state_twice_in_a_call_is_refused() -> None:
    state = begun([1])
    with pytest.raises(ValueError, match="twice"):
        MODEL.step([state, state], [1, 2])
