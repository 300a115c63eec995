"""An untrained model of the recipe's sizes."""

import pytest
import torch

from voice.training.modules import Hearing, Language, Omni


@pytest.fixture(scope="module")
def omni():
    torch.manual_seed(0)
    omni = Omni(Hearing(), Language()).eval()
    omni.start_projector()
    for router in omni.language.routers:
        router.load = torch.zeros_like(router.e_score_correction_bias, dtype=torch.long)
    return omni
