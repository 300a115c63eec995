"""The one form of audio inside Parley, and the check at its door."""

import numpy as np
import torch
from torch import Tensor

_LOUDEST = 100.0
"""Amplitudes above this are integers in disguise, not a float signal driven too hard."""


def as_samples(waveform: Tensor | np.ndarray, *, sampling_rate: int, expected_rate: int) -> Tensor:
    """Checks a piece of audio and returns it as float32 samples [samples]; no samples is fine.

    Args:
        waveform: mono float32, nominally within [−1, 1]; a NumPy array is shared, not copied.
        sampling_rate: the rate of `waveform` in Hz.
        expected_rate: the rate that the reader needs in Hz.

    Raises:
        ValueError: another type, shape or rate, or samples that are no finite amplitudes. The
            message says how to convert them.
    """
    if sampling_rate != expected_rate:
        raise ValueError(
            f"audio at {sampling_rate} Hz, but Parley hears {expected_rate} Hz; resample it first, "
            "for example with voice.audio_file"
        )
    samples = _shared(waveform) if isinstance(waveform, np.ndarray) else waveform
    if not isinstance(samples, Tensor):
        raise ValueError(
            f"audio must be a torch.Tensor or a NumPy array, got {type(waveform).__name__}"
        )
    if samples.dtype != torch.float32:
        how = "divide by 32768" if samples.dtype == torch.int16 else "convert it"
        raise ValueError(
            f"audio must be float32 within [−1, 1], got {samples.dtype}; {how} as float32"
        )
    if samples.ndim != 1:
        raise ValueError(
            f"audio must be mono [samples], got shape {tuple(samples.shape)}; average the "
            "channels, and pass the clips of a batch one by one"
        )
    peak = float(samples.detach().abs().max()) if len(samples) else 0.0
    if not np.isfinite(peak):
        raise ValueError("audio contains NaN or infinite samples; repair or drop them first")
    if peak > _LOUDEST:
        raise ValueError(
            f"audio peaks at {peak:.0f}, which looks like integers; divide them by their full "
            "scale (32768 for 16 bits)"
        )
    return samples.detach()


def _shared(waveform: np.ndarray) -> Tensor:
    try:
        return torch.from_numpy(waveform)
    except TypeError as error:  # objects, texts, dates: torch has no such types
        raise ValueError(
            f"audio must be float32 within [−1, 1], got {waveform.dtype}; convert it as float32"
        ) from error
