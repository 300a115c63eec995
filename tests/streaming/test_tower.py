"""The compiled way through a small FastConformer says what its modules say."""

import pytest
import torch

from streaming.conformer import count_steps
from streaming.encoder import ParakeetEncoder
from streaming.tower import MOST_STEPS, Tower
from tests.streaming.reference import tiny_pair


def encoder_of(**changes: object) -> ParakeetEncoder:
    conformer, _ = tiny_pair(**changes)
    encoder = ParakeetEncoder(conformer.config)
    encoder.conformer = conformer
    return encoder.eval()


def features_of(encoder: ParakeetEncoder, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, encoder.config.num_mel_bins, generator=generator)


def by_modules(encoder: ParakeetEncoder, features: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return encoder.conformer(features[None])[0][0]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40, 333, 3000])
@pytest.mark.parametrize(
    "changes", [{}, {"scale_input": True}, {"num_attention_heads": 1}, {"conv_kernel_size": 5}]
)
def test_tower_equals_the_modules(changes: dict[str, object], count: int) -> None:
    encoder = encoder_of(attention_bias=False, convolution_bias=False, **changes)
    assert Tower.takes(encoder.conformer)
    features = features_of(encoder, count)
    steps = Tower(encoder.conformer)(features)
    assert len(steps) == count_steps(count)
    torch.testing.assert_close(steps, by_modules(encoder, features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["relative_k_proj", "depthwise_conv", "linear1", "norm"])
def test_encoder_notices_weights_changed_in_place(name: str) -> None:
    encoder = encoder_of(attention_bias=False, convolution_bias=False)
    features = features_of(encoder, 64)
    before = encoder.encode_window(features)
    with torch.no_grad():
        for key, weight in encoder.conformer.state_dict().items():
            if f".{name}." in key and weight.is_floating_point():
                weight.mul_(1.5)
    after = encoder.encode_window(features)
    assert not torch.allclose(before, after, atol=1e-3)
    torch.testing.assert_close(after, by_modules(encoder, features), rtol=1e-4, atol=1e-5)


def test_encoder_takes_another_tower_for_another_conformer() -> None:
    encoder = encoder_of(attention_bias=False, convolution_bias=False)
    features = features_of(encoder, 64)
    encoder.encode_window(features)
    encoder.conformer = encoder_of(num_hidden_layers=1, attention_bias=False).conformer
    torch.testing.assert_close(
        encoder.encode_window(features), by_modules(encoder, features), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("changes", [{"attention_bias": True}, {"convolution_bias": True}])
def test_towers_with_biases_go_through_the_modules(changes: dict[str, object]) -> None:
    encoder = encoder_of(**{"attention_bias": False, "convolution_bias": False} | changes)
    assert not Tower.takes(encoder.conformer)
    features = features_of(encoder, 64)
    assert encoder.encode_window(features).equal(by_modules(encoder, features))


def test_bfloat16_goes_through_the_modules() -> None:
    encoder = encoder_of(attention_bias=False, convolution_bias=False)
    features = features_of(encoder, 64)
    encoder.encode_window(features)
    encoder.bfloat16()
    assert encoder.encode_window(features).dtype == torch.bfloat16


def test_window_longer_than_a_clip_goes_through_the_modules() -> None:
    encoder = encoder_of(attention_bias=False, convolution_bias=False)
    features = features_of(encoder, 8 * MOST_STEPS + 1)
    assert encoder.encode_window(features).equal(by_modules(encoder, features))


def test_training_mode_is_refused() -> None:
    encoder = encoder_of(attention_bias=False, convolution_bias=False)
    with pytest.raises(RuntimeError, match="eval"):
        encoder.train().encode_window(features_of(encoder, 64))
