"""The CPU has three ways through the decoder; the laws hold on each."""

from collections.abc import Iterator

import pytest

from omni_core import model


@pytest.fixture(params=["single", "several", "modules"], scope="module")
def each_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """All positions by `omni_core.single`, by `several`, then by the modules as on a device."""
    with pytest.MonkeyPatch.context() as patch:
        match request.param:
            case "single":
                patch.setattr(model, "SINGLE_POSITIONS", 10**6)
            case "several":
                patch.setattr(model, "SINGLE_POSITIONS", 0)
            case "modules":
                patch.setattr(model, "SHORT_PARAMETERS", 0)
        yield
