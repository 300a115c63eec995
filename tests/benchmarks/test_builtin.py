"""The page of figures about the built-in model."""

import pytest

pytest.importorskip("espeakng_loader")

from benchmarks import builtin
from voice.training.evaluate import Report, Result, TurnEnds
from voice.training.speech import HELDOUT_ACCENT
from voice.training.suite import Job


def answers(right: int, wrong: int, skill: str = "add", voice: str = "espeak +f5") -> Report:
    return Report(
        [
            Result(skill, voice, "none", "one and one", "one and one", "2", "2", number < right)
            for number in range(right + wrong)
        ]
    )


def found(first: Report, second: Report):
    return {
        Job("questions", 20, seed=0): first,
        Job("questions", 20, seed=1): second,
        Job("questions", 4, "flite awb"): answers(1, 3),
        Job("questions", 4, snr_db=5.0): answers(2, 2),
        Job("further", 4): answers(2, 2, "rhyme"),
        Job("pictures", 4): answers(3, 1, "color"),
        Job("memory", 4): answers(3, 1, "name_memory"),
        Job("functions", 4): answers(3, 1, "call get_time"),
        Job("turn ends", 4): TurnEnds([0.9, 0.3], [0.1, 0.4]),
    }


def test_page_has_every_share_and_the_area():
    text = builtin.page(found(answers(18, 2), answers(17, 3)))
    assert "| espeak-ng, unseen variants and accent (`--seed 0`) | 20 | 90.0% | 0.0% |" in text
    assert "| flite awb, an unseen voice of another engine | 4 | 25.0% | 0.0% |" in text
    assert "| espeak-ng, in pink noise at 5 dB | 4 | 50.0% | 0.0% |" in text
    assert "A name, asked for in the 10th turn: 75% of 4 conversations" in text
    assert "| call get time | 4 | 75.0% |" in text
    assert "| color | 4 | 75.0% |" in text
    assert "| add | 40 | 87.5% |" in text
    assert "**0.750**" in text


def test_page_tells_unseen_variants_and_the_unseen_accent_apart():
    scots = answers(1, 3, voice=f"espeak {HELDOUT_ACCENT}")
    text = builtin.page(found(answers(18, 2), scots))
    assert (
        "| the unseen variants alone, in accents that are trained on, of both | 20 | 90.0% |"
        in text
    )
    assert f"| the unseen accent `{HELDOUT_ACCENT}` alone, of both | 4 | 25.0% |" in text


@pytest.mark.parametrize(("wrong", "verdict"), [(3, "met"), (4, "MISSED")])
def test_goal_is_met_only_if_both_seeds_meet_it(wrong, verdict):
    text = builtin.page(found(answers(20, 0), answers(20 - wrong, wrong)))
    assert f"**{verdict}**" in text
