"""Sizes of the sound encoder, read from the `sound_config` block of `config.json`."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

SUBSAMPLING = 8
"""Features per encoder step."""


def _require_positive_integer(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer")


@dataclass(frozen=True, slots=True, kw_only=True)
class MelConfig:
    """The log-mel front end. `config.json` names only the number of mels and the sample rate; the
    rest is NeMo's Parakeet preprocessor, as fixed in transformers' `ParakeetFeatureExtractor`.

    Raises:
        ValueError: sizes that do not fit each other.
    """

    num_mel_bins: int = 128
    sampling_rate: int = 16000
    """Hz."""
    hop_length: int = 160
    """Samples from one feature to the next."""
    win_length: int = 400
    """Samples under the Hann window."""
    n_fft: int = 512
    """Samples per Fourier transform, the window in their middle."""
    preemphasis: float = 0.97

    def __post_init__(self) -> None:
        for name in ("num_mel_bins", "sampling_rate", "hop_length", "win_length", "n_fft"):
            _require_positive_integer(name, getattr(self, name))
        if self.num_mel_bins % SUBSAMPLING:
            raise ValueError(
                f"num_mel_bins={self.num_mel_bins} must be a multiple of {SUBSAMPLING}, "
                "because the subsampling divides the mel axis as well"
            )
        if self.n_fft % 2 or not self.hop_length <= self.win_length <= self.n_fft:
            raise ValueError(
                f"hop_length={self.hop_length} ≤ win_length={self.win_length} ≤ n_fft={self.n_fft} "
                "must hold, and n_fft must be even"
            )
        if not 0.0 <= self.preemphasis < 1.0:
            raise ValueError(f"preemphasis={self.preemphasis} must lie in [0, 1)")


PARAKEET_MEL = MelConfig()
"""The front end of Nemotron Omni and of Parakeet TDT: 128 mels at 16 kHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Sizes of a Parakeet FastConformer, under the names of NVIDIA's `config.json`.

    Defaults are those that NVIDIA's code sets where the file is silent. A file written by
    transformers states `attention_bias` and `scale_input` itself.

    Raises:
        ValueError: a size that does not fit the others; the message names the key.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    conv_kernel_size: int = 9
    subsampling_conv_channels: int = 256
    attention_bias: bool = False
    """Biases in the feed-forward and attention projections."""
    convolution_bias: bool = False
    scale_input: bool = False
    """Multiply the subsampled features by √hidden_size."""
    mel: MelConfig = PARAKEET_MEL

    def __post_init__(self) -> None:
        for name in (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "conv_kernel_size",
            "subsampling_conv_channels",
        ):
            _require_positive_integer(name, getattr(self, name))
        if self.hidden_size % 2 or self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} must be even and a multiple of "
                f"num_attention_heads={self.num_attention_heads}"
            )
        if self.conv_kernel_size % 2 == 0:
            raise ValueError(
                f"conv_kernel_size={self.conv_kernel_size} must be odd, so that the convolution is "
                "centred on its step"
            )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def num_mel_bins(self) -> int:
        """Width of one feature."""
        return self.mel.num_mel_bins

    @property
    def step_samples(self) -> int:
        """Samples from one encoder step to the next (1280, which is 80 ms)."""
        return self.mel.hop_length * SUBSAMPLING

    @classmethod
    def from_dict(cls, sound_config: Mapping[str, Any]) -> "EncoderConfig":
        """Reads the raw `sound_config` block, or transformers' `ParakeetEncoderConfig.to_dict()`.

        Keys that say nothing about the arithmetic (dropout, initialisation, the projection, which
        is no part of the encoder) are ignored.

        Raises:
            ValueError: a key is missing, has an impossible value, or asks for something that
                Parley does not implement.
        """
        for key, only in _FIXED.items():
            if sound_config.get(key, only) != only:
                raise ValueError(
                    f"sound_config has {key}={sound_config[key]!r}, but Parley implements only "
                    f"{only!r}; use a checkpoint with a Parakeet FastConformer encoder"
                )
        values = {f.name: sound_config[f.name] for f in fields(cls) if f.name in sound_config}
        values["mel"] = MelConfig(
            **{f.name: sound_config[f.name] for f in fields(MelConfig) if f.name in sound_config}
        )
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise ValueError(
                f"sound_config lacks {', '.join(missing)}; is this the config.json of a Nemotron "
                "Omni or Parakeet checkpoint?"
            )
        return cls(**values)


_FIXED: dict[str, object] = {
    "hidden_act": "silu",
    "subsampling_factor": SUBSAMPLING,
    "subsampling_conv_kernel_size": 3,
    "subsampling_conv_stride": 2,
}
"""Keys whose other values would need other arithmetic."""
