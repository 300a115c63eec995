"""The evaluators return what upstream's return, row by row."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from voice.voicebench import aggregate, score_item
from voice.voicebench.pedant import Pedant, PedantMissing, judge, normalise

GOLDEN = Path(__file__).parent / "golden"
ROWS = [json.loads(line) for line in (GOLDEN / "rows.jsonl").read_text("utf-8").splitlines()]
ITEMS = [row for row in ROWS if row["evaluator"] != "aggregate"]
AGGREGATES = [row for row in ROWS if row["evaluator"] == "aggregate"]
QA = [row for row in ITEMS if row["evaluator"] == "qa"]


@pytest.mark.parametrize("evaluator", ["mcq", "bbh", "harm", "ifeval", "open"])
def test_items_are_scored_as_upstream_scores_them(evaluator: str) -> None:
    for row in ITEMS:
        if row["evaluator"] == evaluator:
            check_equal(score_item(evaluator, row["item"]), row)


def check_equal(found: dict[str, Any], row: dict[str, Any]) -> None:
    assert found.keys() == row["expected"].keys(), row["id"]
    for key, expected in row["expected"].items():
        if expected == "nan":
            assert math.isnan(found[key]), row["id"]
        elif isinstance(expected, float):
            assert found[key] == pytest.approx(expected), row["id"]
        else:
            assert found[key] == expected, (row["id"], key)


@pytest.mark.parametrize("row", AGGREGATES, ids=lambda row: row["id"])
def test_files_are_scored_as_upstream_scores_them(row: dict[str, Any]) -> None:
    item = row["item"]
    items = item.get("inline") or [each["item"] for each in ITEMS if each["id"] in item["rows"]]
    found = aggregate(item["evaluator"], items)
    for key, expected in row["expected"].items():
        assert found[key] == pytest.approx(expected)


def test_qa_without_the_classifier_is_scored_as_far_as_it_goes() -> None:
    for row in QA:
        found = score_item("qa", row["item"])
        expected = row["expected"]
        assert found["gpt_majority"] == expected["gpt_majority"], row["id"]
        assert found["pedant_shortcut_substring"] == expected["pedant_shortcut_substring"]
        assert found["pedant_0.2.17"] == (True if expected["pedant_margin"] is None else None)


def test_pedant_margins_are_those_of_scikit_learn() -> None:
    pedant = Pedant.load(GOLDEN / "pedant")
    margins = json.loads((GOLDEN / "pedant" / "margins.json").read_text())
    for row, decision in zip(QA, margins, strict=True):
        texts = [normalise(row["item"][key]) for key in ("reference", "response", "prompt")]
        assert -pedant.margin(*texts) == pytest.approx(decision, abs=1e-12)
        verdict = judge(row["item"], pedant)
        assert verdict.correct is (verdict.shortcut or decision <= 0)


def test_qa_with_a_classifier_has_both_percentages() -> None:
    pedant = Pedant.load(GOLDEN / "pedant")
    found = aggregate("qa", [row["item"] for row in QA], pedant=pedant)
    votes = [row["expected"]["gpt_majority"] for row in QA]
    assert found["gpt"] == pytest.approx(100 * sum(votes) / len(votes))
    assert 0 < found["panda"] < 100


def test_pedant_of_another_version_is_refused(tmp_path: Path) -> None:
    for name in ("lr_classifier.pkl", "tf-idf_vectorizer.pkl"):
        (tmp_path / name).write_bytes((GOLDEN / "pedant" / "lr_classifier.pkl").read_bytes())
    with pytest.raises(PedantMissing, match=r"0\.2\.17"):
        Pedant.load(tmp_path)
    with pytest.raises(PedantMissing, match=r"lr_classifier\.pkl"):
        Pedant.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["os.system", "numpy.testing.run", "joblib.hash"])
def test_pickles_cannot_name_functions(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    evil = f"c{module}\n{function}\n(S'exit 1'\ntR.".encode()
    (tmp_path / "lr_classifier.pkl").write_bytes(evil)
    (tmp_path / "tf-idf_vectorizer.pkl").write_bytes(evil)
    with pytest.raises(PedantMissing, match=f"names {name}"):
        Pedant.load(tmp_path)
