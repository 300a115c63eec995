import torch
from hypothesis import given
from hypothesis import strategies as st

from streaming.features import log_mel, normalize
from streaming.statistics import HISTORY_FEATURES, PRIOR_FEATURES, Moments, SessionStatistics
from tests.streaming.reference import speechlike


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 3))
def test_moments_of_parts_add_up_to_the_whole(lengths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), 5, generator=generator) * 3.0 - 9.0
    total = Moments.of(values[:0])
    for part in values.split(lengths):
        total += Moments.of(part)
    whole = Moments.of(values)
    assert total.count == len(values)
    torch.testing.assert_close(total.mean, whole.mean)
    torch.testing.assert_close(total.deviations, whole.deviations)


def test_limited_moments_keep_mean_and_variance() -> None:
    moments = Moments.of(torch.randn(4000, 3))
    limited = moments.limited(1000)
    assert limited.count == 1000
    torch.testing.assert_close(limited.mean, moments.mean)
    torch.testing.assert_close(limited.deviations / 1000, moments.deviations / 4000)
    assert moments.limited(5000).count == 4000


def test_long_clip_alone_is_normalised_by_itself() -> None:
    log_mels = log_mel(speechlike(4 * 16000))
    assert len(log_mels) > PRIOR_FEATURES
    ours = SessionStatistics(128).normalize(log_mels, log_mels)
    torch.testing.assert_close(ours, normalize(log_mels), rtol=1e-4, atol=1e-4)


def test_earlier_speech_brings_a_short_clip_close_to_its_exact_normalisation() -> None:
    log_mels = log_mel(speechlike(12 * 16000))
    start = log_mels[800:850]
    exact = normalize(log_mels[800:])[:50]
    fresh, warm = SessionStatistics(128), SessionStatistics(128)
    warm.learn(log_mels[:800])
    alone = (normalize(start) - exact).square().mean().sqrt()
    with_prior = (fresh.normalize(start, start) - exact).square().mean().sqrt()
    with_session = (warm.normalize(start, start) - exact).square().mean().sqrt()
    assert with_session < 0.3
    assert with_session < 0.5 * min(alone, with_prior)


def test_history_is_bounded_so_that_a_new_microphone_takes_over() -> None:
    statistics = SessionStatistics(4)
    for _ in range(20):
        statistics.learn(torch.randn(HISTORY_FEATURES, 4) - 12.0)
    assert statistics.learned_features == HISTORY_FEATURES
    for _ in range(8):
        statistics.learn(torch.randn(HISTORY_FEATURES, 4) - 6.0)
    now = statistics.normalize(torch.full((1, 4), -6.0), torch.full((2, 4), -6.0))
    assert now.abs().max() < 0.2
