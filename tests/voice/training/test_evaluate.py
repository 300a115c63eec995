"""The figures of an evaluation."""

import pytest

pytest.importorskip("espeakng_loader")

from voice import load
from voice.training import evaluate as evaluation
from voice.training.evaluate import (
    PICTURE_SIZES,
    TurnEnds,
    evaluate,
    evaluate_further,
    evaluate_memory,
    evaluate_sight,
    evaluate_tools,
    evaluate_turn_ends,
)
from voice.training.skills import FURTHER_SKILLS, SIGHT_SKILLS


@pytest.fixture(scope="module")
def builtin():
    return load("builtin")


@pytest.mark.parametrize(
    ("whole", "cut", "area"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),
        ([0.1], [0.9], 0.0),
        ([0.5], [0.5], 0.5),
        ([0.9, 0.1], [0.5], 0.5),
    ],
)
def test_area_is_how_often_a_whole_turn_comes_first(whole, cut, area):
    assert TurnEnds(whole, cut).area == area


def test_every_turn_is_judged_whole(builtin):
    found = evaluate_turn_ends(builtin, 6)
    assert len(found.whole) == 6
    assert len(found.cut) <= 6
    assert all(0 <= probability <= 1 for probability in found.whole + found.cut)


def test_further_questions_are_about_further_skills(builtin):
    report = evaluate_further(builtin, 4)
    assert len(report.results) >= 4
    assert {result.skill for result in report.results} <= set(FURTHER_SKILLS)


def test_questions_about_pictures_come_with_pictures(builtin, monkeypatch):
    shown = []
    begin = evaluation.Conversation.begin_turn

    def begin_turn(conversation, images=(), **rest):
        shown.extend(images)
        begin(conversation, images, **rest)

    monkeypatch.setattr(evaluation.Conversation, "begin_turn", begin_turn)
    report = evaluate_sight(builtin, 5)
    assert len(report.results) >= 5
    assert {result.skill for result in report.results} <= SIGHT_SKILLS
    assert {picture.size for picture in shown} <= set(PICTURE_SIZES)
    assert shown


def test_questions_for_functions_are_counted_by_function(builtin):
    report = evaluate_tools(builtin, 6)
    assert len(report.results) >= 6
    assert any(result.skill.startswith("call ") for result in report.results)


def test_questions_in_noise_are_those_without(builtin):
    plain, noisy = (evaluate(builtin, 3, seed=2, snr_db=snr_db) for snr_db in (None, 10.0))
    assert [r.asked for r in plain.results] == [r.asked for r in noisy.results]
    assert [r.voice for r in plain.results] == [r.voice for r in noisy.results]
    assert {r.noise for r in plain.results} == {"none"}
    assert set(noisy.by("noise")) == {"10 dB"}


def test_memory_is_judged_by_the_last_turn(builtin):
    report = evaluate_memory(builtin, 2, turns=4)
    assert [result.skill for result in report.results] == ["name_memory"] * 2
    assert all("name" in result.expected for result in report.results)
