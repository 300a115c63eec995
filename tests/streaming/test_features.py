import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import ParakeetFeatureExtractor

from streaming.config import MelConfig
from streaming.features import LogMelStream, _filters, log_mel, normalize
from tests.streaming.reference import reference_features, speechlike


@pytest.mark.parametrize("mels", [128, 80])
@pytest.mark.parametrize("samples", [1600, 16000, 33333])
def test_features_equal_reference(mels: int, samples: int) -> None:
    mel, waveform = MelConfig(num_mel_bins=mels), speechlike(samples)
    features = normalize(log_mel(waveform, mel))
    expected = reference_features(waveform, mel)
    assert features.shape == expected.shape == (samples // 160, mels)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mels", [128, 80])
def test_filterbank_equals_reference(mels: int) -> None:
    ours = _filters(MelConfig(num_mel_bins=mels), torch.device("cpu"))
    expected = ParakeetFeatureExtractor(feature_size=mels).mel_filters.T
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-8)


def test_log_mel_of_less_than_a_hop_is_empty() -> None:
    assert log_mel(torch.zeros(159)).shape == (0, 128)
    assert log_mel(torch.zeros(0)).shape == (0, 128)


def test_normalize_of_a_single_feature_names_the_remedy() -> None:
    with pytest.raises(ValueError, match="pad the clip"):
        normalize(torch.zeros(1, 128))


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([0, 1, 7, 160, 321, 1000, 4999]), max_size=12),
    st.sampled_from([16, 80, 128]),
    st.integers(0, 3),
)
def test_log_mel_of_any_split_is_bit_equal(lengths: list[int], mels: int, seed: int) -> None:
    mel, waveform = MelConfig(num_mel_bins=mels), speechlike(sum(lengths), seed)
    whole = log_mel(waveform, mel)
    stream = LogMelStream(mel)
    for piece in waveform.split(lengths) if lengths else []:
        stream.feed(piece)
        complete = stream.features()
        assert len(complete) == stream.complete >= (stream.samples - 40) // 160
        assert torch.equal(complete, whole[: len(complete)])
    assert torch.equal(stream.flush(), whole)


def test_flushed_log_mel_stream_goes_on() -> None:
    waveform, mel = speechlike(5000), MelConfig()
    stream = LogMelStream(mel)
    stream.feed(waveform[:2345])
    assert torch.equal(stream.flush(), log_mel(waveform[:2345]))
    stream.feed(waveform[2345:])
    assert torch.equal(stream.flush(), log_mel(waveform))


def test_padded_log_mel_stream_leaves_the_original_alone() -> None:
    waveform, mel = speechlike(700), MelConfig()
    stream = LogMelStream(mel)
    stream.feed(waveform)
    padded = torch.cat((waveform, torch.zeros(900)))
    assert torch.equal(stream.padded(1600).flush(), log_mel(padded))
    assert torch.equal(stream.flush(), log_mel(waveform))
