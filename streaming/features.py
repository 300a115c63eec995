"""Waveform → log-mel features → normalised features.

The arithmetic is that of NeMo's Parakeet preprocessor (transformers' `ParakeetFeatureExtractor`):
pre-emphasis, a centred 512-point transform under a symmetric Hann window of 400 samples, power,
Slaney mels, ln(m + 2⁻²⁴), and per clip zero mean and unit variance of every mel.

The log-mel of a feature must not depend on how many features are computed beside it, or a stream
could not equal the whole clip bit by bit; yet matrix products, transforms and vectorised logarithms
all round differently for different shapes. So features are computed in blocks of one fixed shape,
aligned to the start of the clip, whatever the amount of audio.

Letters: T features of a clip, M mels.
"""

from functools import lru_cache

import torch
from torch import Tensor

from streaming.config import PARAKEET_MEL, MelConfig

BLOCK_FEATURES = 16
"""Features computed together, always; 160 ms."""

_LOG_GUARD = 2.0**-24
_STD_GUARD = 1e-5


def count_features(samples: int, mel: MelConfig) -> int:
    """Features of a clip of so many samples: the centred transform's last one counts as padding."""
    return samples // mel.hop_length


def log_mel(waveform: Tensor, mel: MelConfig = PARAKEET_MEL) -> Tensor:
    """Log-mel features of one clip, not yet normalised.

    Args:
        waveform: float32 mono samples [samples] in [−1, 1] at the configured rate.
        mel: the front end.

    Returns:
        float32 [T, M] with T = ⌊samples / 160⌋.
    """
    stream = LogMelStream(mel)
    stream.feed(waveform)
    return stream.flush()


class LogMelStream:
    """Features of one clip while its samples arrive, bit-equal to those of the whole clip."""

    def __init__(self, mel: MelConfig) -> None:
        self._mel = mel
        self._blocks: list[Tensor] = []
        # Pre-emphasised samples from the start of the first incomplete block on; the transform is
        # centred, so the clip begins with half of one in zeros.
        self._pending = torch.zeros(mel.n_fft // 2)
        self._last: Tensor | None = None
        self.samples = 0
        """Samples fed so far."""

    @property
    def complete(self) -> int:
        """Features that no further sample will change: their window is filled."""
        mel = self._mel
        after_centre = mel.win_length // 2
        return max(0, (self.samples - after_centre) // mel.hop_length + 1)

    def feed(self, samples: Tensor) -> None:
        """Takes the clip's next float32 samples [samples], any number."""
        if not len(samples):
            return
        emphasised = _preemphasise(samples, self._last, self._mel)
        self._last = samples[-1].clone()
        self.samples += len(samples)
        self._pending = torch.cat((self._pending.to(samples.device), emphasised))
        step = BLOCK_FEATURES * self._mel.hop_length
        start = 0
        while len(self._pending) - start >= _block_samples(self._mel):
            self._blocks.append(_log_mel_block(self._pending[start:], self._mel))
            start += step
        self._pending = self._pending[start:].clone()

    def features(self) -> Tensor:
        """The complete features [T, M]."""
        return self._first(self.complete)

    def flush(self) -> Tensor:
        """All features [T, M], T = ⌊samples / 160⌋, of the clip if it ends here; it need not."""
        return self._first(count_features(self.samples, self._mel))

    def padded(self, samples: int) -> "LogMelStream":
        """A copy of this stream, followed by zeros up to so many samples."""
        twin = LogMelStream(self._mel)
        twin._blocks, twin._pending = list(self._blocks), self._pending
        twin._last, twin.samples = self._last, self.samples
        twin.feed(self._pending.new_zeros(max(0, samples - self.samples)))
        return twin

    def _first(self, count: int) -> Tensor:
        blocks = list(self._blocks)
        start, step = 0, BLOCK_FEATURES * self._mel.hop_length
        while len(blocks) * BLOCK_FEATURES < count:
            blocks.append(_log_mel_block(self._pending[start:], self._mel))
            start += step
        if not blocks:
            return self._pending.new_zeros(0, self._mel.num_mel_bins)
        return torch.cat(blocks)[:count]


def _preemphasise(samples: Tensor, previous: Tensor | None, mel: MelConfig) -> Tensor:
    """x[t] − 0.97·x[t−1]; `previous` is the sample before, None at the start of a clip."""
    emphasised = samples.clone()
    emphasised[1:] -= mel.preemphasis * samples[:-1]
    if previous is not None:
        emphasised[0] -= mel.preemphasis * previous
    return emphasised


def _block_samples(mel: MelConfig) -> int:
    """Samples that one block of features reads."""
    return (BLOCK_FEATURES - 1) * mel.hop_length + mel.n_fft


def _log_mel_block(emphasised: Tensor, mel: MelConfig) -> Tensor:
    """Log-mels [BLOCK_FEATURES, M] of one block.

    Args:
        emphasised: pre-emphasised samples from half a transform before the first feature's centre;
            what lies beyond the block is not read, what is missing at the end counts as zero.
        mel: the front end.
    """
    window, filters = _window(mel, emphasised.device), _filters(mel, emphasised.device)
    # An aligned copy of one fixed size: libraries choose their path by shape and alignment.
    samples = emphasised.new_zeros(_block_samples(mel))
    there = min(len(samples), len(emphasised))
    samples[:there] = emphasised[:there]
    spectrum = torch.fft.rfft(samples.unfold(0, mel.n_fft, mel.hop_length) * window)
    power = torch.view_as_real(spectrum).square().sum(-1)
    return (power @ filters).add_(_LOG_GUARD).log_()


def normalize(log_mels: Tensor) -> Tensor:
    """Every mel with zero mean and unit variance over the clip.

    Args:
        log_mels: [T, M] of one clip, T ≥ 2.

    Returns:
        [T, M], differing from zero mean and unit variance by the guard 1e-5 added to the deviation.

    Raises:
        ValueError: fewer than two features have no variance.
    """
    if len(log_mels) < 2:
        raise ValueError(
            f"normalisation needs at least 2 features (20 ms), got {len(log_mels)}; "
            "pad the clip with zeros to at least 100 ms"
        )
    deviation, mean = torch.std_mean(log_mels, dim=0)
    return (log_mels - mean) / (deviation + _STD_GUARD)


@lru_cache(maxsize=8)
def _window(mel: MelConfig, device: torch.device) -> Tensor:
    """A symmetric Hann window in the middle of `n_fft` samples."""
    window = torch.zeros(mel.n_fft)
    start = (mel.n_fft - mel.win_length) // 2
    window[start : start + mel.win_length] = torch.hann_window(mel.win_length, periodic=False)
    return window.to(device)


@lru_cache(maxsize=8)
def _filters(mel: MelConfig, device: torch.device) -> Tensor:
    """Slaney's triangles [n_fft / 2 + 1, M], each of unit area per Hz."""
    top = mel.sampling_rate / 2
    count, bins = mel.num_mel_bins, mel.n_fft // 2 + 1
    edges = _mel_to_hz(torch.linspace(0.0, _hz_to_mel(top), count + 2, dtype=torch.float64))
    hertz = torch.linspace(0.0, top, bins, dtype=torch.float64)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (hertz - left) / (centre - left), (right - hertz) / (right - centre)
    triangles = torch.minimum(rising, falling).clamp_(min=0.0) * (2.0 / (right - left))
    return triangles.float().contiguous().to(device)


# Slaney's Auditory Toolbox: linear below 1 kHz (15 mels), logarithmic above (27 mels to 6.4 kHz).
_LINEAR_HZ, _LINEAR_MELS, _LOG_STEP = 1000.0, 15.0, 27.0


def _hz_to_mel(hz: float) -> float:
    value = torch.tensor(hz, dtype=torch.float64)
    if hz < _LINEAR_HZ:
        return hz * _LINEAR_MELS / _LINEAR_HZ
    return float(_LINEAR_MELS + _LOG_STEP * torch.log(value / _LINEAR_HZ) / _log_range())


def _mel_to_hz(mels: Tensor) -> Tensor:
    above = _LINEAR_HZ * torch.exp((mels - _LINEAR_MELS) / _LOG_STEP * _log_range())
    return torch.where(mels < _LINEAR_MELS, mels * _LINEAR_HZ / _LINEAR_MELS, above)


def _log_range() -> Tensor:
    return torch.log(torch.tensor(6.4, dtype=torch.float64))
