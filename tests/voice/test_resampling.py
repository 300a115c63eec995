"""Sound from one rate to another, stream after stream."""

import numpy as np
import pytest

from voice.resampling import Resampler


@pytest.mark.parametrize("source_rate", [8_000, 16_000, 24_000, 48_000])
def test_stream_after_a_flush_is_that_of_a_new_resampler(source_rate):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 2401).astype(np.float32)
    fresh = Resampler(source_rate, 16_000)
    expected = np.concatenate([fresh.feed(sound), fresh.flush()])
    used = Resampler(source_rate, 16_000)
    assert len(used.flush()) == 0
    for _ in range(3):
        np.testing.assert_array_equal(np.concatenate([used.feed(sound), used.flush()]), expected)
