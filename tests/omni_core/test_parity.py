"""The decoder against transformers' NemotronH on random tiny checkpoints."""

import pytest
import torch

from tests.omni_core.reference import SHAPES, in_transformers, random_decoder


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference on the scale of the reference."""
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max())


@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_of_whole_sequences_equals_transformers(shape: str) -> None:
    model = random_decoder(**SHAPES[shape])
    reference = in_transformers(model, **SHAPES[shape])
    tokens = torch.randint(0, model.config.vocab_size, (3, 29))
    with torch.no_grad():
        theirs = reference(tokens, use_cache=False).logits
        ours = model.lm_head(model.hidden(model.embed(tokens)))
    assert theirs.std() > 0.3
    assert relative(ours, theirs) < 1e-4
