"""Base64 to samples and back, in both directions of every format."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.media.network import pitch, tone
from web.realtime.config import G711, Pcm
from web.realtime.errors import ProtocolError
from web.realtime.wire_audio import MAX_APPEND_BYTES, WireDecoder, WireEncoder

FORMATS = [Pcm(), G711(type="audio/pcmu"), G711(type="audio/pcma")]


def encode(samples: np.ndarray, audio_format) -> str:
    encoder = WireEncoder(audio_format, 24_000)
    pieces = [encoder.encode(samples[:7001]), encoder.encode(samples[7001:]), encoder.flush()]
    return base64.b64encode(b"".join(base64.b64decode(each) for each in pieces)).decode()


@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda each: each.type)
def test_tone_survives_the_wire(audio_format):
    decoder = WireDecoder(audio_format)
    wire = encode(tone(500, 1.0, 24_000), audio_format)
    samples = np.concatenate([decoder.decode(wire), decoder.flush()])
    assert abs(len(samples) - 16_000) <= 4
    assert pitch(samples, 16_000) == pytest.approx(500, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.03)


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_pieces_decode_as_the_whole(cuts):
    data = (tone(500, 0.3, 24_000) * 32767).astype("<i2")
    whole = WireDecoder(Pcm())
    expected = np.concatenate(
        [whole.decode(base64.b64encode(data.tobytes()).decode()), whole.flush()]
    )
    decoder = WireDecoder(Pcm())
    pieces = np.split(data, np.minimum(np.cumsum(cuts), len(data)))
    parts = [decoder.decode(base64.b64encode(each.tobytes()).decode()) for each in pieces]
    np.testing.assert_allclose(np.concatenate([*parts, decoder.flush()]), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("audio", "code"),
    [
        ("not base64!", "invalid_base64"),
        ("AAA", "invalid_base64"),
        ("ümläut=", "invalid_base64"),
        (base64.b64encode(b"odd").decode(), "invalid_audio"),
        ("A" * (MAX_APPEND_BYTES * 4 // 3 + 8), "audio_too_large"),
    ],
)
def test_audio_that_cannot_be_is_refused(audio, code):
    with pytest.raises(ProtocolError) as caught:
        WireDecoder(Pcm()).decode(audio)
    assert caught.value.code == code


def test_no_audio_is_fine():
    assert len(WireDecoder(Pcm()).decode("")) == 0
