"""Scores are on the leaderboard's scale, tell what is missing, and the report shows them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voice.voicebench.tools import records, run_fake, write_split
from voice.voicebench import aggregate, score_item
from voice.voicebench.journal import read_lines, write_lines
from voice.voicebench.pedant import Pedant
from voice.voicebench.report import markdown, write_report
from voice.voicebench.runner import Portion
from voice.voicebench.score import load_scores, score_run
from voice.voicebench.settings import RunSettings
from voice.voicebench.subsets import LEADERBOARD, SUBSETS
from voice.voicebench.word_errors import word_error_rate

Edit = Callable[[dict[str, Any]], dict[str, Any]]


def add(
    run: Path,
    subset: str,
    edit: Edit,
    *,
    count: int = 4,
    split: str = "test",
    portion: Portion = Portion(),
    judged: bool = False,
    **columns: Any,
) -> None:
    """A split of the run, with what the model or the judge said edited in."""
    data = run.parent / "data"
    run_fake(
        run,
        write_split(data, subset, records(count, **columns), split),
        subset=subset,
        split=split,
        portion=portion,
    )
    name = f"fake-{subset}-{split}-audio.jsonl"
    lines = [{**line, **edit(line)} for line in read_lines(run / name)]
    write_lines(run / name, lines)
    if judged:
        write_lines(run / f"result-{name}", lines)


def add_leaderboard(run: Path) -> None:
    def votes(line: dict[str, Any]) -> dict[str, Any]:
        return {"score": ["4", "5", "3"]}

    for subset in ("alpacaeval_full", "commoneval", "wildvoice"):
        add(run, subset, votes, judged=True)
    add(
        run,
        "sd-qa",
        lambda line: {"score": ["Yes"] * 3, "response": "in Paris"},
        split="usa",
        judged=True,
        reference=lambda index: "Paris",
    )
    for split in SUBSETS["mmsu"].rows:
        right = "The answer is A." if split == "law" else "no idea"
        add(run, "mmsu", lambda _, text=right: {"response": text}, split=split, count=2,
            reference=lambda index: "A")  # fmt: skip
    add(
        run,
        "openbookqa",
        lambda line: {"response": "The answer is B."},
        reference=lambda index: "AB"[index % 2],
    )
    add(
        run,
        "bbh",
        lambda line: {"response": ["yes", "no", "hm", "yes"][line["_idx"]]},
        reference=lambda index: "yes",
        id=lambda index: f"navigate_{index}",
    )
    add(
        run,
        "ifeval",
        lambda line: {"response": ["one, two", "one two"][line["_idx"] % 2]},
        key=lambda index: index,
        instruction_id_list=lambda index: ["punctuation:no_comma"],
        kwargs=lambda index: [{"num_words": None}],
    )
    add(run, "advbench", lambda line: {"response": ["Sure.", "I cannot."][line["_idx"] % 2]})


def test_scores_are_on_the_leaderboards_scale(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add_leaderboard(run)
    scores = score_run(run)
    found = {name: scores["subsets"][name]["score"] for name in LEADERBOARD}
    expected = {
        "alpacaeval_full": 4,
        "commoneval": 4,
        "wildvoice": 4,
        "sd-qa": 100,
        "mmsu": 100 / 12 + 25 * 11 / 12,
        "openbookqa": 50,
        "bbh": 62.5,
        "ifeval": 50,
        "advbench": 50,
    }
    assert found == pytest.approx(expected)
    assert scores["subsets"]["mmsu"]["unparsed"] == pytest.approx(100 * 11 / 12)
    assert scores["subsets"]["mmsu"]["mean_over_splits"] == pytest.approx(expected["mmsu"])
    points = [value * (20 if value <= 5 else 1) for value in expected.values()]
    assert scores["overall"] == {"subsets": 9, "of": 9, "value": pytest.approx(sum(points) / 9)}
    assert scores["subsets"]["bbh"]["ttft_s"] == {"p50": 0.25, "p95": 0.25}
    assert scores["subsets"]["bbh"]["latency_s"]["p50"] == 2.0
    assert json.loads((run / "scores.json").read_text()) == scores


def test_there_is_no_overall_before_all_is_complete(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(run, "advbench", lambda line: {"response": "I cannot."}, portion=Portion(limit=2))
    add(run, "commoneval", lambda line: {})
    scores = score_run(run)
    assert scores["overall"] == {"subsets": 0, "of": 9, "value": None}
    assert scores["subsets"]["advbench"]["score"] == 100
    assert not scores["subsets"]["advbench"]["complete"]
    assert scores["subsets"]["commoneval"]["score"] is None
    text = markdown(run, scores)
    assert "100.00 (partial)" in text
    assert "No overall figure: 0 of 9" in text


def test_sd_qa_counts_usa_and_shows_the_other_regions(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for split, vote in (("usa", "Yes"), ("gbr", "No")):
        add(run, "sd-qa", lambda _, v=vote: {"score": [v] * 3, "response": "Rome"}, split=split,
            judged=True, reference=lambda index: "Paris")  # fmt: skip
    subset = score_run(run)["subsets"]["sd-qa"]
    assert subset["splits"] == ["usa"]
    assert subset["by_split"] == {"usa": 100, "gbr": 0}
    assert subset["note"] == "judge only"  # "Rome" is for the classifier to decide


def test_choices_have_three_values_and_the_share_that_said_nothing() -> None:
    items = [
        {"response": text, "reference": "A"}
        for text in ("The answer is A.", "The answer is B.", "hm", "hm", "hm", "hm")
    ]
    found = aggregate("mcq", items, seed=3)
    assert found["strict"] == pytest.approx(100 / 6)
    assert found["expected"] == pytest.approx(100 * 2 / 6)
    assert found["fail"] == pytest.approx(400 / 6)
    assert found == aggregate("mcq", items, seed=3)
    draws = {aggregate("mcq", items, seed=seed)["acc"] for seed in range(20)}
    assert len(draws) > 2
    assert min(draws) >= found["strict"]


def test_votes_without_a_number_are_told_and_left_out(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(run, "commoneval", lambda line: {"score": ["5", "nice", "4"]}, count=1, judged=True)
    subset = score_run(run)["subsets"]["commoneval"]
    assert subset["score"] == 4.5
    assert subset["unreadable_votes"] == 1
    assert subset["upstream"] == {"error": "NotImplementedError"}


def test_rows_that_cannot_be_scored_are_named_and_stop_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(
        run,
        "bbh",
        lambda line: {"response": "yes"},
        reference=lambda index: "yes" if index else "maybe",
        id=lambda index: f"navigate_{index}",
    )
    subset = score_run(run)["subsets"]["bbh"]
    assert subset["score"] == 100
    [[index, reason]] = subset["unscored"]
    assert index == 0
    assert "'maybe'" in reason
    assert "- bbh, row 0, is not scored: the reference 'maybe'" in markdown(run, load_scores(run))


def test_check_that_needs_a_missing_package_leaves_its_rows_unscored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    kinds = ["language:response_language", "punctuation:no_comma"]
    add(
        run,
        "ifeval",
        lambda line: {"response": "nothing"},
        count=2,
        instruction_id_list=lambda index: [kinds[index]],
        kwargs=lambda index: [{"language": "en"}],
    )
    monkeypatch.setitem(sys.modules, "langdetect", None)
    subset = score_run(run)["subsets"]["ifeval"]
    [[index, reason]] = subset["unscored"]
    assert (index, subset["score"]) == (0, 100)
    assert "needs the package langdetect" in reason


def test_pedant_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    pedant = Pedant.load(Path(__file__).parent / "golden" / "pedant")
    monkeypatch.setattr("voice.voicebench.score.installed_pedant", lambda: pedant)
    votes = {"score": ["Yes"] * 3, "response": "Rome"}
    add(run, "sd-qa", lambda line: votes, split="usa", judged=True, reference=lambda index: "Paris")
    both, alone = score_run(run), score_run(run, judge_only=True)
    assert both["pedant"] == "0.2.17"
    assert both["subsets"]["sd-qa"]["upstream"]["panda"] is not None
    assert alone["pedant"] is None
    assert (alone["subsets"]["sd-qa"]["score"], alone["subsets"]["sd-qa"]["note"]) == (
        100,
        "judge only",
    )
    (run / "result-fake-sd-qa-usa-audio.jsonl").touch()
    assert load_scores(run)["judge_only"]


@pytest.mark.parametrize(
    ("evaluator", "item", "message"),
    [
        ("mcq", {"response": "A"}, "needs the field 'reference'"),
        ("bbh", {"response": "yes", "reference": "yes", "id": "snarks_1"}, "names no"),
        ("ifeval", {"response": "a", "instruction_id_list": ["x:y"], "kwargs": [{}]}, "unknown"),
        ("essay", {}, "no evaluator 'essay': use open"),
    ],
)
def test_item_that_lacks_something_is_refused(
    evaluator: str, item: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score_item(evaluator, item)


def test_no_items_have_no_score() -> None:
    with pytest.raises(ValueError, match="no items"):
        aggregate("harm", [])


def test_times_to_first_token_are_reported_and_not_scored(tmp_path: Path) -> None:
    run = tmp_path / "run"
    dataset = write_split(tmp_path / "data", "commoneval", records(3))
    run_fake(run, dataset, settings=RunSettings(model="fake", modality="ttft"))
    subset = score_run(run)["subsets"]["commoneval"]
    assert subset["score"] is None
    assert subset["ttft_s"] == {"p50": 0.125, "p95": 0.125}


def test_word_errors_are_counted_after_normalisation() -> None:
    found = word_error_rate(
        [
            {"_idx": 0, "text": "Mr. Brown won't pay", "response": "mister brown will not pay"},
            {"_idx": 1, "sentence": "the cat sat", "response": "the hat sat down"},
            {"_idx": 2, "response": "nothing to compare"},
        ]
    )  # fmt: skip
    assert (found["substitutions"], found["insertions"], found["deletions"]) == (1, 1, 0)
    assert found["score"] == pytest.approx(100 * 2 / found["words"])
    assert found["unscored"] == [(2, "the clip has no transcript")]


def test_big_bench_audio_is_scored_by_category(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(
        run,
        "big_bench_audio",
        lambda line: {"score": [["Correct."] * 3, ["INCORRECT"] * 3][line["_idx"] // 3]},
        judged=True,
        category=lambda index: ["navigate", "web_of_lies"][index % 2],
        official_answer=lambda index: "Yes",
    )
    subset = score_run(run)["subsets"]["big_bench_audio"]
    assert subset["score"] == 75
    assert subset["by_category"] == {"navigate": 100, "web_of_lies": 50}


def test_report_shows_runs_beside_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        add_leaderboard(tmp_path / name)
    path = tmp_path / "two" / "fake-advbench-test-audio.jsonl"
    lines = read_lines(path)
    lines[0]["response"] = "Sorry."
    write_lines(path, lines)
    files = write_report(tmp_path / "one", [tmp_path / "two"], plot=True)
    assert [file.name for file in files] == ["report.md", "report.json", "report.png"]
    text = files[0].read_text()
    assert "| advbench | 50.00 | 75.00 | +25.00 | 3 of 4 |" in text
    assert "Not VoiceBench's own questions" in text
    assert "Beside published figures" not in text  # too few rows to compare
    assert files[2].read_bytes().startswith(b"\x89PNG")
    content = json.loads(files[1].read_text())
    assert content["compared"]["two"]["subsets"]["advbench"]["score"] == 75


def test_report_of_all_rows_has_published_figures_beside_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(run, "bbh", lambda line: {"response": "yes"}, count=2, reference=lambda index: "yes",
        id=lambda index: "navigate_0")  # fmt: skip
    manifest = json.loads((run / "manifest.json").read_text())
    next(iter(manifest["files"].values()))["total"] = 1000
    (run / "manifest.json").write_text(json.dumps(manifest))
    text = markdown(run, score_run(run))
    assert "Nemotron 3 Nano Omni 30B-A3B (thinking) | 4.75" in text


@given(text=st.text(), task=st.sampled_from(["navigate", "hyperbaton", "sports_understanding"]))
def test_any_answer_can_be_scored(text: str, task: str) -> None:
    rows = {
        "mcq": {"response": text, "reference": "A"},
        "bbh": {"response": text, "reference": "(A)", "id": f"{task}_1"},
        "harm": {"response": text},
        "qa": {"response": text, "reference": "Paris", "prompt": "Where?", "score": [text]},
        "open": {"score": [text]},
    }
    for evaluator, item in rows.items():
        assert score_item(evaluator, item)


@pytest.mark.parametrize(
    ("instruction", "arguments"),
    [
        ("keywords:existence", {"keywords": ["c++("]}),
        ("length_constraints:number_words", {"num_words": "many"}),
        ("length_constraints:number_words", {"num_words": 3, "relation": "about"}),
        ("combination:repeat_prompt", {}),
    ],
)
def test_instruction_with_strange_arguments_is_refused(
    instruction: str, arguments: dict[str, Any]
) -> None:
    item = {"response": "a", "instruction_id_list": [instruction], "kwargs": [arguments]}
    with pytest.raises(ValueError, match=r"kwargs|relation"):
        score_item("ifeval", item)
