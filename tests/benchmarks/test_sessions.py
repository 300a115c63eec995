"""Sessions at once are compared with each one alone, before anything is said of their speed."""

import pytest

from benchmarks import sessions
from benchmarks.measure import GateFailed, Spread, Unavailable
from tests.voice.talk import FAST, SHORT
from tests.voice.tiny import write_tiny
from voice.session_settings import SessionSettings

SETTINGS = SessionSettings(reply=SHORT, stream=FAST)
FRAME_S = 0.004
"""Five times as fast as speech."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("model")))


def rows(model: str, *counts: int):
    questions = ("hello", "two_plus_three")
    return list(
        sessions.rows(model, counts, 1, questions=questions, settings=SETTINGS, frame_s=FRAME_S)
    )


def test_each_number_of_sessions_is_a_row_of_latencies(model):
    first, second = rows(model, 1, 3)
    assert [each.cells["sessions at once"] for each in (first, second)] == [1, 3]
    assert [each.cells["turns"] for each in (first, second)] == [2, 6]
    for row in (first, second):
        for column in ("first token, ms", "first audio, ms"):
            spread = row.cells[column]
            assert isinstance(spread, Spread)
            assert 0 < spread.median <= spread.p95
        assert "equal to that of the session alone" in row.gate


def test_transcript_that_differs_from_the_session_alone_fails(model, monkeypatch):
    good = sessions.alone

    def other_words(*arguments):
        (heard, _), *rest = good(*arguments)
        return [(heard, "something else"), *rest]

    monkeypatch.setattr(sessions, "alone", other_words)
    with pytest.raises(GateFailed, match="session 1 of 2"):
        rows(model, 2)


def test_question_without_an_answer_fails(model, monkeypatch):
    monkeypatch.setattr(sessions, "PATIENCE_S", 1.1)
    monkeypatch.setattr(sessions, "BREATH_S", 2.0)
    with pytest.raises(GateFailed, match="not answered within"):
        rows(model, 1)


def test_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(Unavailable):
        rows(str(tmp_path / "nowhere"), 1)
