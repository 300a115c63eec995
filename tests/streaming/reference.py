"""Tiny random encoders, in transformers' implementation and in ours with the same weights."""

import torch
from torch import Tensor, nn
from transformers import ParakeetEncoder as ReferenceEncoder
from transformers import (
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    ParakeetForTDT,
    ParakeetTDTConfig,
)

from streaming.config import EncoderConfig, MelConfig
from streaming.conformer import FastConformer

SHAPES = [
    {"num_mel_bins": 128},
    {"num_mel_bins": 80, "num_attention_heads": 2, "conv_kernel_size": 5},
    {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40},
    {"attention_bias": True, "convolution_bias": True, "scale_input": True},
    {"subsampling_conv_channels": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
]
"""Differences from `tiny_reference_config`'s own sizes."""

VOCAB = 17
BLANK = VOCAB - 1


def tiny_reference_config(**changes: object) -> ParakeetEncoderConfig:
    sizes: dict[str, object] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "num_mel_bins": 16,
        "subsampling_conv_channels": 4,
        "attention_bias": False,
        "convolution_bias": False,
        "scale_input": False,
    }
    return ParakeetEncoderConfig(**(sizes | changes))


def randomise(module: nn.Module) -> None:
    """Weights of a size at which the input and every path of the network show in the output."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if name.endswith("running_var"):
            tensor.data.uniform_(0.5, 2.0)
        elif "norm" in name and name.endswith("weight"):
            tensor.data.uniform_(0.5, 1.5)
        elif tensor.ndim > 1 and "bias" not in name:
            tensor.data.normal_(std=1.5 * tensor[0].numel() ** -0.5)
        elif tensor.is_floating_point() and "inv_freq" not in name:
            tensor.data.normal_(std=0.2)


def tiny_pair(**changes: object) -> tuple[FastConformer, ReferenceEncoder]:
    torch.manual_seed(0)
    config = tiny_reference_config(**changes)
    reference = ReferenceEncoder(config).eval()
    randomise(reference)
    ours = FastConformer(EncoderConfig.from_dict(config.to_dict())).eval()
    ours.load_state_dict(reference.state_dict())
    return ours, reference


def tiny_tdt_reference(seed: int, layers: int, max_symbols: int = 10) -> ParakeetForTDT:
    torch.manual_seed(seed)
    config = ParakeetTDTConfig(
        vocab_size=VOCAB,
        blank_token_id=BLANK,
        pad_token_id=2,
        decoder_hidden_size=24,
        num_decoder_layers=layers,
        durations=[0, 1, 2, 3, 4],
        max_symbols_per_step=max_symbols,
        encoder_config=tiny_reference_config().to_dict(),
    )
    model = ParakeetForTDT(config).eval()
    randomise(model)
    # What differs from step to step, and from token to token, has to decide.
    project, head = model.encoder_projector, model.joint.head
    project.weight.data *= 6.0
    model.decoder.embedding.weight.data *= 3.0
    with torch.no_grad():
        mean = model.encoder(torch.randn(1, 400, 16)).last_hidden_state.mean((0, 1))
        project.bias.copy_(-project.weight @ mean)
        head.bias.zero_()
    return model


def reference_features(waveform: Tensor, mel: MelConfig) -> Tensor:
    """Normalised features [T, M] of the valid part, by transformers."""
    extractor = ParakeetFeatureExtractor(feature_size=mel.num_mel_bins)
    features = extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    return features[0, : len(waveform) // mel.hop_length]


def speechlike(samples: int, seed: int = 0) -> Tensor:
    """Noise with a slow envelope and a tilted spectrum, [samples] within [−1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(samples, generator=generator)
    phase = 6.0 * torch.rand(1, generator=generator)
    envelope = 0.02 + torch.sin(torch.arange(samples) / 2500.0 + phase).square()
    tilted = noise + 0.9 * torch.cat((noise.new_zeros(1), noise[:-1]))[:samples]
    return (0.1 * envelope * tilted).clamp(-1.0, 1.0)
