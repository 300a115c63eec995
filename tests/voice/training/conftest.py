"""An untrained model of the recipe's sizes."""

import pytest
import torch

from voice.training.modules import Hearing, Language, Omni
from voice.training.recipe import VOCABULARY_SIZE
from voice.training.sight import Sight


def sure_steps(omni, pieces, sureness=40.0):
    """Encoder steps [S, D] that are sure of ``pieces`` [S]."""
    rows = omni.hearing.piece_head.weight[pieces]
    steps = (sureness * rows / rows.square().sum(-1, keepdim=True)).detach()
    return steps + steps.square().mean().sqrt()  # a constant, as the ear's last norm leaves one


@pytest.fixture(scope="module")
def omni():
    torch.manual_seed(0)
    omni = Omni(Hearing(), Language(), Sight()).eval()
    omni.start_projector(sure_steps(omni, torch.arange(VOCABULARY_SIZE)))
    for router in omni.language.routers:
        router.load = torch.zeros_like(router.e_score_correction_bias, dtype=torch.long)
    return omni
