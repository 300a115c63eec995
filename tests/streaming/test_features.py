import pytest
import torch
from transformers import ParakeetFeatureExtractor

from streaming.config import MelConfig
from streaming.features import _filters, log_mel, normalize
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
