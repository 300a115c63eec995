import dataclasses

import pytest

from streaming.config import EncoderConfig, MelConfig

# The sound_config block of Nemotron 3 Nano Omni, with keys that are not ours.
OMNI = {
    "model_type": "parakeet",
    "hidden_size": 1024,
    "num_attention_heads": 8,
    "num_hidden_layers": 24,
    "intermediate_size": 4096,
    "conv_kernel_size": 9,
    "convolution_bias": False,
    "subsampling_conv_channels": 256,
    "subsampling_conv_kernel_size": 3,
    "subsampling_conv_stride": 2,
    "subsampling_factor": 8,
    "num_mel_bins": 128,
    "projection_hidden_size": 4096,
    "projection_bias": False,
    "sampling_rate": 16000,
}


def test_config_reads_the_checkpoint_block() -> None:
    config = EncoderConfig.from_dict(OMNI)
    assert (config.head_dim, config.num_mel_bins, config.step_samples) == (128, 128, 1280)
    assert config.mel == MelConfig()
    assert [config.attention_bias, config.convolution_bias, config.scale_input] == [False] * 3


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hidden_act", "gelu", "hidden_act"),
        ("subsampling_factor", 4, "subsampling_factor"),
        ("num_attention_heads", 7, "multiple of"),
        ("conv_kernel_size", 8, "odd"),
        ("num_hidden_layers", 0, "num_hidden_layers"),
        ("hidden_size", "1024", "hidden_size"),
        ("num_mel_bins", 100, "multiple of 8"),
        ("win_length", 600, "win_length"),
        ("preemphasis", 1.5, "preemphasis"),
    ],
)
def test_config_rejects_impossible_values(key: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EncoderConfig.from_dict(OMNI | {key: value})


def test_config_names_missing_keys() -> None:
    with pytest.raises(ValueError, match=r"hidden_size.*num_hidden_layers.*checkpoint"):
        EncoderConfig.from_dict({"intermediate_size": 8, "num_attention_heads": 2})


def test_config_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EncoderConfig.from_dict(OMNI).hidden_size = 2  # type: ignore[misc]
