"""Muon: the updates of torch's own, for stacks and kernels as well, and what it is given."""

import torch
from torch import nn

from voice.training.modules import Hearing, Language
from voice.training.muon import Muon, hidden_matrices
from voice.training.trainer import CLASSIFIERS

CLOSE = {"rtol": 0.02, "atol": 1e-3}  # the iteration is computed in bfloat16
STEPS = 4


def taught(weights, optimizer):
    """Takes steps along the same random gradients, whatever the shape of what is one matrix."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        gradients = torch.randn(sum(weight.numel() for weight in weights), generator=generator)
        parts = gradients.split([weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight.grad = part.view_as(weight)
        optimizer.step()
    return [weight.detach() for weight in weights]


def parameters(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def test_matrices_are_updated_as_by_torchs_muon():
    shapes = (20, 50), (50, 20), (30, 30), (20, 50)
    ours, reference = parameters(*shapes), parameters(*shapes)
    found = taught(ours, Muon(ours, lr=0.01, weight_decay=0.1))
    muon = torch.optim.Muon(
        reference, lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    for mine, wanted in zip(found, taught(reference, muon), strict=True):
        torch.testing.assert_close(mine, wanted, **CLOSE)


def test_every_matrix_of_a_stack_is_updated_alone():
    (stack,) = parameters((3, 20, 50))
    alone = [nn.Parameter(matrix.detach().clone()) for matrix in stack]
    taught([stack], Muon([stack], lr=0.01, weight_decay=0.1))
    taught(alone, Muon(alone, lr=0.01, weight_decay=0.1))
    torch.testing.assert_close(stack.detach(), torch.stack([each.detach() for each in alone]))


def test_pointwise_kernel_is_updated_as_a_matrix():
    kernel, matrix = parameters((20, 50, 1))[0], parameters((20, 50))[0]
    taught([kernel], Muon([kernel], lr=0.01, weight_decay=0.1))
    taught([matrix], Muon([matrix], lr=0.01, weight_decay=0.1))
    torch.testing.assert_close(kernel[..., 0].detach(), matrix.detach())


def test_weight_without_a_gradient_stays_as_it_is():
    weights = parameters((20, 20), (20, 20))
    weights[0].grad = torch.randn(20, 20)
    before = [weight.detach().clone() for weight in weights]
    Muon(weights, lr=0.01, weight_decay=0.1).step()
    assert not torch.equal(weights[0], before[0])
    assert torch.equal(weights[1], before[1])


def test_muon_is_given_no_classifiers_embeddings_norms_or_convolutions_over_time():
    for module in (Hearing(), Language()):
        given = {id(weight) for weight in hidden_matrices(module, CLASSIFIERS)}
        left = {name for name, weight in module.named_parameters() if id(weight) not in given}
        large = {name for name in left if module.get_parameter(name).numel() > 20_000}
        assert large <= {
            "piece_head.weight",
            "phoneme_head.weight",
            "decoder.backbone.embeddings.weight",
            "decoder.lm_head.weight",
        }
        taken = [name for name, weight in module.named_parameters() if id(weight) in given]
        assert not [name for name in taken if "norm" in name or "head" in name or "conv1d" in name]
        assert not [name for name in taken if "depthwise" in name or "embeddings" in name]


def test_frozen_matrices_are_not_given_to_muon():
    hearing = Hearing()
    hearing.freeze_sounds()
    assert all(weight.requires_grad for weight in hidden_matrices(hearing, CLASSIFIERS))
