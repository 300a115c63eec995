"""The CPU has two ways through the decoder; the laws hold on both."""

from collections.abc import Iterator

import pytest

from omni_core import model


@pytest.fixture(params=["single", "modules"], scope="module")
def each_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Single positions by `omni_core.single`, then by the modules as on other devices."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "modules":
            patch.setattr(model, "SHORT_PARAMETERS", 0)
        yield
