import pytest
import torch

from streaming.config import EncoderConfig
from streaming.conformer import FastConformer, shift_relative
from tests.streaming.reference import SHAPES, tiny_pair


@pytest.mark.parametrize("changes", SHAPES)
@pytest.mark.parametrize("count", [1, 8, 61])
def test_conformer_equals_reference(changes: dict, count: int) -> None:
    ours, reference = tiny_pair(**changes)
    features = torch.randn(2, count, ours.config.num_mel_bins)
    with torch.no_grad():
        steps, lengths = ours(features)
        expected = reference(features).last_hidden_state
    assert lengths.tolist() == [steps.shape[1]] * 2
    torch.testing.assert_close(steps, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changes", SHAPES)
def test_batch_with_lengths_equals_reference_and_single_clips(changes: dict) -> None:
    ours, reference = tiny_pair(**changes)
    counts = torch.tensor([61, 40, 17, 1])
    features = torch.randn(4, 61, ours.config.num_mel_bins)
    mask = torch.arange(61) < counts[:, None]
    with torch.no_grad():
        steps, lengths = ours(features, counts)
        expected = reference(features * mask[..., None], attention_mask=mask).last_hidden_state
        for row, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            alone, _ = ours(features[row : row + 1, :count])
            assert length == alone.shape[1] == -(-int(count) // 8)
            torch.testing.assert_close(steps[row, :length], alone[0], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(
                steps[row, :length], expected[row, :length], rtol=1e-5, atol=1e-5
            )
            assert not steps[row, length:].any()


def test_training_pass_ignores_padding_in_outputs_statistics_and_gradients() -> None:
    results = []
    for padding in (0.0, 7.0):
        ours, _ = tiny_pair()
        ours.train()
        features = torch.randn(2, 50, 16, generator=torch.Generator().manual_seed(1))
        features[1, 30:] = padding
        steps, _ = ours(features, torch.tensor([50, 30]))
        steps.square().mean().backward()
        gradients = [p.grad for p in ours.parameters()]
        results.append([steps.detach(), *gradients, *ours.buffers()])
    assert all(gradient is not None for gradient in gradients)
    for clean, padded in zip(*results, strict=True):
        torch.testing.assert_close(clean, padded)


def test_training_statistics_come_from_real_steps_only() -> None:
    alone, _ = tiny_pair()
    padded, _ = tiny_pair()
    features = torch.randn(1, 56, 16)
    alone.train()(features[:, :24])
    padded.train()(features, torch.tensor([24]))
    for (name, ours), theirs in zip(padded.named_buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)


def test_relative_shift_puts_distances_on_diagonals() -> None:
    for steps in (1, 2, 7):
        distances = torch.arange(steps - 1, -steps - 1, -1.0).expand(1, 2, steps, -1)
        shifted = shift_relative(distances.contiguous())
        expected = torch.arange(float(steps))[:, None] - torch.arange(float(steps))
        assert torch.equal(shifted[0, 1], expected)


def test_fresh_layers_are_larger_than_the_initialisation_that_does_not_learn() -> None:
    torch.manual_seed(0)
    config = EncoderConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=4, intermediate_size=128
    )
    layer = FastConformer(config).layers[0]
    assert layer.feed_forward1.linear1.weight.std() > 0.05
    assert not layer.self_attn.bias_u.any()
