"""What a trainer relies on: gradients everywhere, and the router's counts."""

import torch
import torch.nn.functional as F

from omni_core.config import ModelConfig
from omni_core.model import OmniDecoder
from omni_core.moe import Router
from tests.omni_core.reference import raw_config


def test_every_parameter_gets_a_finite_gradient() -> None:
    torch.manual_seed(0)
    model = OmniDecoder(ModelConfig.from_dict(raw_config(hybrid_override_pattern="MEM*-E")))
    tokens = torch.randint(0, model.config.vocab_size, (4, 30))
    logits = model.lm_head(model.hidden(model.embed(tokens)))
    F.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().sum() > 0, name


def test_fresh_dynamics_are_those_of_mamba2() -> None:
    torch.manual_seed(0)
    model = OmniDecoder(ModelConfig.from_dict(raw_config(mamba_num_heads=64)))
    mixer = model.backbone.layers[0].mixer
    rates, steps = mixer.A_log.exp(), F.softplus(mixer.dt_bias)
    assert rates.min() >= 1
    assert rates.max() <= 16
    assert steps.min() > 0.00099
    assert steps.max() < 0.101


def test_router_counts_its_choices_only_when_asked() -> None:
    torch.manual_seed(0)
    model = OmniDecoder(ModelConfig.from_dict(raw_config()))
    routers = [module for module in model.modules() if isinstance(module, Router)]
    routers[0].load = torch.zeros(8, dtype=torch.int64)
    embeddings = torch.randn(2, 15, 32)
    model.hidden(embeddings)
    assert routers[0].load.sum() == 2 * 15 * 2
    assert routers[1].load is None
    # The correction bias moves the choice, and not the weights of what is chosen.
    routers[0].e_score_correction_bias[3] = 10.0
    routers[0].load.zero_()
    weights, _ = routers[0](embeddings.flatten(0, 1))
    assert routers[0].load[3] == 2 * 15
    torch.testing.assert_close(weights.sum(-1), torch.full((30,), 2.5))
