"""The page of figures about the built-in model."""

import pytest

pytest.importorskip("espeakng_loader")

from benchmarks import builtin
from voice.training.evaluate import Report, Result, TurnEnds


def answers(right: int, wrong: int, skill: str = "add") -> Report:
    return Report(
        [
            Result(skill, "espeak +f5", "one and one", "one and one", "2", "2", number < right)
            for number in range(right + wrong)
        ]
    )


def found(first: Report, second: Report):
    kinds = [("questions", "espeak", 20, seed) for seed in (0, 1)]
    functions = answers(3, 1, "call get_time")
    return {
        kinds[0]: first,
        kinds[1]: second,
        ("questions", "flite awb", 4, 0): answers(1, 3),
        ("functions", "espeak", 4, 0): functions,
        ("turn ends", "", 4, 0): TurnEnds([0.9, 0.3], [0.1, 0.4]),
    }


def test_page_has_every_share_and_the_area():
    text = builtin.page(found(answers(18, 2), answers(17, 3)))
    assert "| espeak-ng, unseen variants and accent (`--seed 0`) | 20 | 90.0% | 0.0% |" in text
    assert "| flite awb, another engine | 4 | 25.0% | 0.0% |" in text
    assert "| call get time | 4 | 75.0% |" in text
    assert "| add | 40 | 87.5% |" in text
    assert "**0.750**" in text


@pytest.mark.parametrize(("wrong", "verdict"), [(3, "met"), (4, "MISSED")])
def test_goal_is_met_only_if_both_seeds_meet_it(wrong, verdict):
    text = builtin.page(found(answers(20, 0), answers(20 - wrong, wrong)))
    assert f"**{verdict}**" in text


def test_every_installed_engine_is_asked(monkeypatch):
    monkeypatch.setattr(builtin.held_out, "installed_engines", lambda: ["flite awb"])
    assert ("questions", "flite awb", 100, 0) in builtin.jobs(500)
    assert sum(job[1] == "espeak" and job[0] == "questions" for job in builtin.jobs(500)) == 2
