"""A short soak of the real thing, and what the figures must show to be called flat."""

import asyncio
from dataclasses import replace

import pytest

from benchmarks import report, soak
from benchmarks.measure import GateFailed
from benchmarks.soak import Window, rows
from tests.web.served import question, serving, serving_model
from voice import load

GAUGES = {"memory": 600.0 * 2**20, "threads": 4.0, "tasks": 9.0, "files": 17.0, "cpu": 5.0}
FLAT = [
    Window(minutes=10.0 * (1 + n), turns=100, first_token_ms=(20.0, 30.0), gauges=GAUGES)
    for n in range(soak.WINDOWS)
]


def test_conversation_goes_on_through_cuts_and_visits(monkeypatch):
    monkeypatch.setattr(soak, "CUT_EVERY", 2)
    monkeypatch.setattr(soak, "VISIT_EVERY", 3)

    async def talk() -> list[Window]:
        async with serving_model(load("builtin")) as server:
            asked = [question(name, 0.0) for name in ("capital_of_france", "two_plus_three")]
            return await soak.soak(f"http://127.0.0.1:{server.port}", asked, 0.05)

    windows = asyncio.run(talk())
    assert [window.turns for window in windows] == [1] * soak.WINDOWS
    assert all(window.gauges["threads"] >= 1 for window in windows)
    # Between visits there is nobody but the caller.
    assert windows[1].gauges["tasks"] == windows[3].gauges["tasks"]
    assert "every question answered" in report.table(list(rows(windows)))


def test_question_without_an_answer_fails(monkeypatch):
    monkeypatch.setattr(soak, "MOST_SILENCE_S", 1.0)

    async def talk() -> None:
        async with serving() as server:  # its sessions answer nothing unasked
            await soak.soak(f"http://127.0.0.1:{server.port}", [question("hello", 0.0)], 0.05)

    with pytest.raises(GateFailed, match="not heard to end"):
        asyncio.run(talk())


@pytest.mark.parametrize(
    ("met", "change"),
    [
        (True, {}),
        (False, {"memory": 650.0 * 2**20}),
        (False, {"threads": 5.0}),
        (False, {"tasks": 10.0}),
        (False, {"files": 18.0}),
    ],
)
def test_what_grows_is_found(met, change):
    last = replace(FLAT[-1], gauges={**GAUGES, **change})
    *_, row = rows([*FLAT[:-1], last])
    assert row.goal is not None
    assert row.goal.met is met


def test_wait_that_grows_is_found():
    *_, row = rows([*FLAT[:-1], replace(FLAT[-1], first_token_ms=(30.0, 40.0))])
    assert row.goal is not None
    assert not row.goal.met


def test_first_window_is_not_compared():
    first = replace(FLAT[0], gauges={**GAUGES, "memory": 1.0, "threads": 1.0})
    *_, row = rows([first, *FLAT[1:]])
    assert row.goal is not None
    assert row.goal.met
