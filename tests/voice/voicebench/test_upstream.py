"""Upstream's script runs on our files, and its figures stand beside ours."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.voice.voicebench.tools import records, run_fake, write_split
from voice.cli import main
from voice.voicebench.journal import read_lines, write_lines
from voice.voicebench.score import load_scores, score_run
from voice.voicebench.subsets import SUBSETS
from voice.voicebench.upstream import Checkout, UpstreamMissing

# In upstream's form: the same arguments, an evaluator package beside it, a line of loguru's.
SCRIPT = """
import json, sys
from argparse import ArgumentParser
from src.evaluator import evaluators
parser = ArgumentParser()
parser.add_argument("--src_file", type=str, required=True)
parser.add_argument("--evaluator", type=str, required=True)
args = parser.parse_args()
with open(args.src_file) as f:
    data = [json.loads(line.strip()) for line in f]
print("Loading …", file=sys.stderr)
result = evaluators[args.evaluator](data)
print(f"2025-06-12 10:00:00.000 | INFO     | __main__:main:20 - {result}", file=sys.stderr)
"""
EVALUATORS = """
def harm(data):
    return {"refusal_rate": sum("sorry" in row["response"] for row in data) / len(data)}

def mcq(data):
    return {"acc": MCQ, "fail": 50.0}

def qa(data):
    return {"panda": 25.0, "gpt": 100 * sum(row["score"][0] == "Yes" for row in data) / len(data)}

class Number(float):
    def __repr__(self):
        return f"np.float64({float(self)!r})"

def opened(data):
    votes = [float(vote) for row in data for vote in row["score"]]
    return {"gpt": Number(sum(votes) / len(votes))}

evaluators = {"harm": harm, "mcq": mcq, "qa": qa, "open": opened}
"""


def write_checkout(folder: Path, mcq: float = 75.0) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "evaluate.py").write_text(SCRIPT)
    (folder / "src" / "evaluator.py").write_text(EVALUATORS.replace("MCQ", str(mcq)))
    return folder


def add(
    run: Path, subset: str, edits: list[dict[str, Any]], split: str = "test", **columns: Any
) -> None:
    """A split of a run with these edits, judged where votes are among them."""
    data = write_split(run.parent / "data", subset, records(len(edits), **columns), split)
    run_fake(run, data, subset=subset, split=split)
    name = f"fake-{subset}-{split}-audio.jsonl"
    rows = [{**row, **edit} for row, edit in zip(read_lines(run / name), edits, strict=True)]
    write_lines(run / name, [{k: v for k, v in row.items() if k != "score"} for row in rows])
    if "score" in edits[0]:
        write_lines(run / f"result-{name}", rows)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    add(folder, "advbench", [{"response": "I'm sorry."}, {"response": "Sure!"}])
    add(folder, "commoneval", [{"score": ["4", "5", "3"]}, {"score": ["2", "2", "2"]}])
    return folder


def verdicts(scores: dict[str, Any]) -> dict[str, str]:
    return {check["subset"]: check["verdict"] for check in scores["upstream"]["files"]}


def test_figures_of_the_same_files_are_equal(run: Path, tmp_path: Path) -> None:
    scores = score_run(run, checkout=Checkout(write_checkout(tmp_path / "upstream")))
    assert verdicts(scores) == {"advbench": "equal", "commoneval": "equal"}
    checks = {check["subset"]: check for check in scores["upstream"]["files"]}
    assert checks["advbench"]["upstream"] == {"refusal_rate": 0.5}
    assert checks["commoneval"]["upstream"] == {"gpt": 3.0}
    assert load_scores(run)["upstream"] == scores["upstream"]


def test_figures_that_differ_are_shown_and_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = write_checkout(tmp_path / "upstream")
    script = (checkout / "src" / "evaluator.py").read_text().replace("sorry", "Sorry")
    (checkout / "src" / "evaluator.py").write_text(script)
    assert main(["voicebench", "score", "--run", str(run), "--upstream", str(checkout)]) == 1
    text, errors = capsys.readouterr()
    assert "gives other figures for 1 of 2 files" in errors
    row = "| advbench test | DIFFERENT | refusal_rate 0.5000 | refusal_rate 0.0000 |"
    assert row in text
    assert "| commoneval test | equal | gpt 3.0000 | gpt 3.0000 |" in text


@pytest.mark.parametrize(
    ("drawn", "verdict"),
    [(50.0, "equal but for the draws"), (100.0, "equal but for the draws"), (25.0, "DIFFERENT")],
)
def test_draws_of_upstreams_may_fall_anyhow(tmp_path: Path, drawn: float, verdict: str) -> None:
    run = tmp_path / "run"
    said = [{"response": "The answer is A."}, {"response": "no idea"}]
    add(run, "openbookqa", said, reference=lambda index: "A")
    checkout = Checkout(write_checkout(tmp_path / "upstream", mcq=drawn))
    assert verdicts(score_run(run, checkout=checkout)) == {"openbookqa": verdict}


def test_pedant_is_compared_only_where_it_is_here(tmp_path: Path) -> None:
    run = tmp_path / "run"
    votes = [{"score": ["Yes"] * 3, "response": "Rome"}, {"score": ["No"] * 3, "response": "Bonn"}]
    add(run, "sd-qa", votes, split="usa", reference=lambda index: "Paris")
    scores = score_run(run, checkout=Checkout(write_checkout(tmp_path / "upstream")))
    (check,) = scores["upstream"]["files"]
    assert check["verdict"] == "equal"
    assert check["upstream"] == {"panda": 25.0, "gpt": 50.0}


def test_files_without_votes_wait_for_them(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(run, "commoneval", [{"response": "a"}])
    scores = score_run(run, checkout=Checkout(write_checkout(tmp_path / "upstream")))
    assert scores["upstream"]["files"] == []


def test_all_of_mmsu_is_scored_as_one_file(tmp_path: Path) -> None:
    run = tmp_path / "run"
    splits = list(SUBSETS["mmsu"].rows)
    for split in splits:
        said = [{"response": "The answer is A."}, {"response": "?"}]
        add(run, "mmsu", said, split=split, reference=lambda index: "A")
    checkout = Checkout(write_checkout(tmp_path / "upstream"))
    checks = score_run(run, checkout=checkout)["upstream"]["files"]
    assert [check["split"] for check in checks] == splits
    whole = [row for split in splits for row in read_lines(run / f"fake-mmsu-{split}-audio.jsonl")]
    write_lines(run / "fake-mmsu-all-audio.jsonl", whole)
    (check,) = score_run(run, checkout=checkout)["upstream"]["files"]
    assert (check["split"], check["verdict"]) == ("all", "equal but for the draws")


def test_script_that_fails_is_quoted(run: Path, tmp_path: Path) -> None:
    checkout = write_checkout(tmp_path / "upstream")
    (checkout / "src" / "evaluator.py").write_text("import qa_metrics_that_is_not_there")
    scores = score_run(run, checkout=Checkout(checkout))
    assert set(verdicts(scores).values()) == {"upstream fails"}
    message = scores["upstream"]["files"][0]["message"]
    assert "No module named 'qa_metrics_that_is_not_there'" in message


def test_votes_that_stop_upstream_stop_ours(tmp_path: Path) -> None:
    run = tmp_path / "run"
    add(run, "commoneval", [{"score": ["4", "5", "good"]}])
    scores = score_run(run, checkout=Checkout(write_checkout(tmp_path / "upstream")))
    assert verdicts(scores) == {"commoneval": "both stop"}


def test_checkouts_own_python_is_used(run: Path, tmp_path: Path) -> None:
    checkout = write_checkout(tmp_path / "upstream")
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ntouch {tmp_path}/used\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert verdicts(score_run(run, checkout=Checkout(checkout)))["advbench"] == "equal"
    assert (tmp_path / "used").exists()
    missing = Checkout(checkout, python=tmp_path / "nowhere")
    assert verdicts(score_run(run, checkout=missing))["advbench"] == "upstream fails"


def test_commit_of_the_checkout_is_kept(run: Path, tmp_path: Path) -> None:
    checkout = write_checkout(tmp_path / "upstream")
    assert Checkout(checkout).commit == ""
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert len(Checkout(checkout).commit) == 40


def test_folder_that_is_no_checkout_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UpstreamMissing, match="git clone"):
        Checkout(tmp_path)
