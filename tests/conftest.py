"""One torch thread: on a small shared machine two threads wait for each other more than they work.

Property tests have no deadline for the same reason: how long an example takes is not the subject.
"""

import hypothesis
import pytest
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile("parley", deadline=None)
hypothesis.settings.load_profile("parley")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take long, too")
    parser.addoption("--fuzz", type=int, metavar="N", help="inputs that tests/fuzz tries in all")
    parser.addoption("--fuzz-seed", type=int, metavar="N", help="of an earlier run, to repeat it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        skip = pytest.mark.skip(reason="takes long: give --slow, or 'make test-slow'")
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(skip)
