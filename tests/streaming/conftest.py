import pytest

from streaming.tdt import ParakeetTdt
from tests.streaming.reference import tiny_tdt_reference


@pytest.fixture(scope="session")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> ParakeetTdt:
    directory = tmp_path_factory.mktemp("tdt")
    tiny_tdt_reference(3, 1).save_pretrained(directory)
    return ParakeetTdt.load(directory)
