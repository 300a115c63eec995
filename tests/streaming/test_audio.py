import numpy as np
import pytest
import torch

from streaming.audio import as_samples


def check(waveform: object, sampling_rate: int = 16000) -> torch.Tensor:
    return as_samples(waveform, sampling_rate=sampling_rate, expected_rate=16000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("waveform", "remedy"),
    [
        (torch.tensor([0.0, float("nan")]), "NaN.*repair"),
        (torch.tensor([0.0, float("-inf")]), "infinite.*repair"),
        (torch.zeros(160, dtype=torch.float64), "float64.*convert"),
        (torch.zeros(160, dtype=torch.int16), "divide by 32768"),
        (np.zeros(160, dtype=np.int16), "divide by 32768"),
        (torch.full((160,), 9000.0), "looks like integers.*32768"),
        (torch.zeros(2, 160), "mono.*average"),
        (torch.tensor(0.0), "mono"),
        ([0.0, 0.1], "torch.Tensor or a NumPy array"),
        (np.array(["a"]), "<U1.*convert"),
        (np.array([None]), "object.*convert"),
        (np.zeros(9, "M8[s]"), "datetime64.*convert"),
    ],
)
def test_audio_of_another_kind_names_the_remedy(waveform: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        check(waveform)


def test_audio_at_another_rate_names_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"8000 Hz.*16000 Hz.*resample"):
        check(torch.zeros(160), sampling_rate=8000)


def test_clipped_and_empty_audio_pass_unchanged() -> None:
    clipped = torch.tensor([1.5, -1.5])
    assert torch.equal(check(clipped), clipped)
    assert len(check(torch.zeros(0))) == 0
    assert torch.equal(check(clipped.numpy()), clipped)
