"""The built-in model, loaded once for the tests that talk with it."""

import pytest

import voice
from voice.assistant import Assistant


@pytest.fixture(scope="session")
def builtin() -> Assistant:
    return voice.load("builtin")
