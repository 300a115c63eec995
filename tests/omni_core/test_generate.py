"""Generation and sampling: what is chosen, and what the state holds afterwards."""

import pytest
import torch

from omni_core.cache import DecoderState
from omni_core.sampling import Sampler, SamplingConfig
from tests.omni_core.reference import random_decoder

MODEL = random_decoder()
LOGITS = torch.tensor([0.1, 2.0, 1.0, -1.0, 1.5])
CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("each_way")


def begun() -> DecoderState:
    state = MODEL.new_state()
    MODEL.prefill(state, tokens=[1, 2, 3])
    return state


def drawn(count: int = 400, **settings: object) -> set[int]:
    """The tokens that these settings ever choose."""
    sampler = Sampler(SamplingConfig(seed=1, **settings), 5, CPU)  # type: ignore[arg-type]
    return {int(sampler.choose(LOGITS)) for _ in range(count)}


def test_sampling_with_zero_temperature_is_greedy() -> None:
    assert drawn() == {1}


def test_sampling_with_high_temperature_reaches_every_token() -> None:
    assert drawn(temperature=3.0) == {0, 1, 2, 3, 4}


def test_sampling_with_tiny_temperature_stays_finite() -> None:
    assert drawn(temperature=1e-30) == {1}


def test_top_k_keeps_the_k_likeliest() -> None:
    assert drawn(temperature=2.0, top_k=2) == {1, 4}
    assert drawn(temperature=2.0, top_k=99) == {0, 1, 2, 3, 4}


def test_top_p_keeps_the_fewest_that_reach_the_sum() -> None:
    # Probabilities at temperature 1: 0.46, 0.28, 0.17, 0.07, 0.02 for tokens 1, 4, 2, 0, 3.
    assert drawn(temperature=1.0, top_p=0.45) == {1}
    assert drawn(temperature=1.0, top_p=0.5) == {1, 4}
    assert drawn(temperature=1.0, top_p=0.8) == {1, 2, 4}


def test_draws_follow_the_probabilities() -> None:
    sampler = Sampler(SamplingConfig(temperature=1.0, seed=3), 5, CPU)
    counts = torch.zeros(5)
    for _ in range(4000):
        counts[int(sampler.choose(LOGITS))] += 1
    torch.testing.assert_close(counts / 4000, LOGITS.softmax(0), rtol=0, atol=0.03)


def test_forbidden_tokens_are_never_chosen() -> None:
    assert drawn(forbidden=[1]) == {4}
    assert drawn(temperature=3.0, forbidden=[1, 3]) == {0, 2, 4}


def test_stop_tokens_wait_for_the_least_number_of_tokens() -> None:
    config = SamplingConfig(stop=[1], min_new_tokens=2)
    sampler = Sampler(config, 5, CPU)
    assert [int(sampler.choose(LOGITS)) for _ in range(3)] == [4, 4, 1]


def test_repetition_penalty_lowers_what_was_seen() -> None:
    sampler = Sampler(SamplingConfig(repetition_penalty=2.0), 5, CPU, context=[4])
    assert [int(sampler.choose(LOGITS)) for _ in range(3)] == [1, 1, 1]  # 1.0 ties with token 2
    sampler = Sampler(SamplingConfig(repetition_penalty=2.5), 5, CPU, context=[4])
    assert [int(sampler.choose(LOGITS)) for _ in range(3)] == [1, 2, 1]
    assert LOGITS[1] == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"repetition_penalty": 0.0},
        {"min_new_tokens": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SamplingConfig(**wrong)  # type: ignore[arg-type]


def test_tokens_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        Sampler(SamplingConfig(forbidden=[5]), 5, CPU)
    with pytest.raises(ValueError, match="outside"):
        Sampler(SamplingConfig(), 5, CPU, context=[-1])
    with pytest.raises(ValueError, match="outside"):
        Sampler(SamplingConfig(stop=[5], min_new_tokens=1), 5, CPU)
    with pytest.raises(ValueError, match="every token"):
        Sampler(SamplingConfig(forbidden=range(5)), 5, CPU)


def test_generate_with_a_seed_repeats_itself() -> None:
    first, second, third = (
        list(MODEL.generate(begun(), max_new_tokens=20, temperature=2.0, seed=seed))
        for seed in (7, 7, 8)
    )
    assert first == second != third


@pytest.mark.parametrize("cut", [1, 2, 5, 12])
def test_generate_cut_short_leaves_the_yielded_tokens_in_the_state(cut: int) -> None:
    tokens = list(MODEL.generate(begun(), max_new_tokens=12))
    state = begun()
    generator = MODEL.generate(state, max_new_tokens=12)
    assert [next(generator) for _ in range(cut)] == tokens[:cut]
    generator.close()
    plain = begun()
    MODEL.prefill(plain, tokens=tokens[:cut])
    assert len(state) == len(plain)
    torch.testing.assert_close(
        MODEL.prefill(state, tokens=[9, 8]),
        MODEL.prefill(plain, tokens=[9, 8]),
        rtol=1e-4,
        atol=1e-4,
    )


def test_generate_resumes_where_it_stopped() -> None:
    whole = list(MODEL.generate(begun(), max_new_tokens=12))
    state = begun()
    parts = [list(MODEL.generate(state, max_new_tokens=n)) for n in (5, 1, 6)]
    assert [token for part in parts for token in part] == whole


def test_pending_token_is_kept_by_snapshot_and_fork() -> None:
    whole = list(MODEL.generate(begun(), max_new_tokens=8))
    state = begun()
    list(MODEL.generate(state, max_new_tokens=4))
    mark, twin = state.snapshot(), state.fork()
    assert list(MODEL.generate(state, max_new_tokens=4)) == whole[4:]
    assert list(MODEL.generate(twin, max_new_tokens=4)) == whole[4:]
    state.rollback(mark)
    assert list(MODEL.generate(state, max_new_tokens=4)) == whole[4:]


def test_stop_token_ends_generation_and_stays_outside() -> None:
    whole = list(MODEL.generate(begun(), max_new_tokens=30))
    stop = whole[6]
    before = whole[: whole.index(stop)]
    state = begun()
    generator = MODEL.generate(state, max_new_tokens=30, stop=[stop])
    assert [next(generator) for _ in before] == before
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == stop
    assert len(state) == 3 + len(before)


def test_generate_on_an_empty_state_is_refused() -> None:
    with pytest.raises(ValueError, match="prefill"):
        next(MODEL.generate(MODEL.new_state(), max_new_tokens=1))
