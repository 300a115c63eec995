"""What the parity tests do not see of the compiled loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit

from omni_core import kernels
from omni_core.config import ModelConfig
from omni_core.moe import Router
from tests.omni_core.reference import raw_config


def test_kernel_without_a_place_for_its_code_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def njit_without_cache(cache: bool = False, **options: Any) -> Callable[..., Any]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(kernels, "njit", njit_without_cache)
    assert kernels.compiled(lambda x: x + 1)(np.float32(2)) == 3


@pytest.mark.parametrize(("groups", "top_groups"), [(1, 1), (3, 1), (3, 2), (12, 4)])
def test_experts_are_those_of_the_router(groups: int, top_groups: int) -> None:
    config = raw_config(n_routed_experts=12, n_group=groups, topk_group=top_groups)
    router = Router(ModelConfig.from_dict(config))
    router.e_score_correction_bias.uniform_(-0.3, 0.3)
    for scores in torch.rand(50, 12, generator=torch.Generator().manual_seed(groups)):
        chosen = kernels._choose(
            scores.numpy(), router.e_score_correction_bias.numpy(), 2, groups, top_groups
        )
        assert set(chosen) == set(router.choose(scores).tolist())
