"""One effort for all targets, whose numbers are printed at the end."""

from collections.abc import Iterator

import pytest

from tests.fuzz.effort import NORMAL, SLOW, Effort, chosen_seed

EFFORT = pytest.StashKey[Effort]()


@pytest.fixture(scope="session")
def effort(request: pytest.FixtureRequest) -> Iterator[Effort]:
    config = request.config
    is_slow = config.getoption("--slow")
    total = config.getoption("--fuzz") or (SLOW if is_slow else NORMAL)
    made = Effort(total, chosen_seed(config.getoption("--fuzz-seed"), is_slow))
    config.stash[EFFORT] = made
    return made


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    lines = config.stash[EFFORT].lines() if EFFORT in config.stash else []
    if lines:
        terminalreporter.section("inputs of fuzzing")
        for line in lines:
            terminalreporter.write_line(line)
