"""Opus there and back, and resampling in pieces."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.media.network import opus_packets, pitch, tone
from voice.resampling import Resampler
from web.media.codec import OpusDecoder, OpusEncoder
from web.media.interface import INPUT_RATE_HZ


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_tone_survives_opus(rate):
    decoder = OpusDecoder()
    decoded = np.concatenate(
        [decoder.decode(each) for _, _, each in opus_packets(tone(440, 1, rate), rate)]
    )
    assert len(decoded) == 48_000
    assert pitch(decoded[4800:], 48_000) == pytest.approx(440, abs=2)
    assert np.abs(decoded[4800:]).max() == pytest.approx(0.5, abs=0.05)


def test_damaged_packet_decodes_to_nothing_and_the_next_one_to_sound():
    decoder = OpusDecoder()
    packets = [each for _, _, each in opus_packets(tone(440, 0.2, 48_000))]
    decoder.decode(packets[0])
    assert len(decoder.decode(b"\xff" * 7)) == 0
    assert len(decoder.decode(packets[1])) == 960


def test_encoder_clamps_what_is_too_loud():
    payload = OpusEncoder(24_000, 32_000).encode(np.full(480, 9.0, np.float32))
    assert np.isfinite(OpusDecoder().decode(payload)).all()


def test_encoder_refuses_a_rate_that_opus_does_not_know():
    with pytest.raises(ValueError, match="22050"):
        OpusEncoder(22_050, 32_000)


@given(st.lists(st.integers(1, 3000), max_size=12), st.sampled_from([8_000, 24_000, 48_000]))
def test_resampling_in_pieces_gives_the_whole(cuts, rate):
    samples = tone(300, 0.2, rate)
    whole = Resampler(rate, INPUT_RATE_HZ)
    expected = np.concatenate([whole.feed(samples), whole.flush()])
    pieces = Resampler(rate, INPUT_RATE_HZ)
    positions = np.cumsum([0, *cuts, len(samples)])
    parts = [pieces.feed(samples[start:end]) for start, end in itertools.pairwise(positions)]
    actual = np.concatenate([*parts, pieces.flush()])
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert abs(len(expected) - 3200) <= 1
