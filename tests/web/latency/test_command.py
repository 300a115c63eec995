"""The command `parley latency`."""

import argparse
import json
from pathlib import Path

import pytest

from benchmarks import latency as benchmark
from benchmarks import report
from web.cli import main
from web.latency import command
from web.latency.command import QUESTIONS, Run, read_questions
from web.latency.measure import Answer


def runs() -> list[Run]:
    stages = {"endpoint_ms": 192.0, "first_token_ms": 150.0}
    answers = [
        Answer(question="?", reply="!", is_right=True, latency_ms=300.0 + i, stages=stages)
        for i in range(10)
    ]
    slow = [Answer(question="?", reply="", is_right=False, latency_ms=None)]
    return [
        Run(speculation="on", address="", answers=answers),
        Run(speculation="off", address="", answers=answers + slow, worst_lateness_ms=50.0),
    ]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[argparse.Namespace]:
    """What is asked of `measure`, which has its result ready."""
    asked: list[argparse.Namespace] = []

    def measure(options, questions, console):
        asked.append(options)
        return runs()

    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(benchmark, "measure", measure)
    return asked


def test_samples_are_questions_with_answers():
    questions = read_questions(QUESTIONS)
    assert len(questions) >= 8
    assert all(q.text and q.answers and len(q.samples) for q in questions)


@pytest.mark.parametrize("text", ["hello.flac\tHello\n", "", "\n"])
def test_table_that_is_none_is_refused(tmp_path: Path, text: str, capsys):
    file = tmp_path / "questions.tsv"
    file.write_text(text)
    assert main(["latency", "--questions", str(file)]) == 1
    assert "questions.tsv" in capsys.readouterr().err


def test_table_shows_both_servers_and_what_to_mind(measured, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["latency"]) == 0
    shown = capsys.readouterr().out
    assert "10 of 10" in shown
    assert "10 of 11" in shown
    assert "192 (192)" in shown
    assert "1 of 11 were not answered" in shown
    assert "late by up to 50 ms" in shown


def test_json_has_a_line_for_each_server(measured, capsys):
    assert main(["latency", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["speculation"] for each in lines] == ["on", "off"]
    assert lines[0]["p50_ms"] == 304.5
    assert len(lines[1]["answers"]) == 11


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "http://127.0.0.1:1", "--speculation", "on"],
        ["--save", "/nowhere/at/all"],
        ["--url", "http://127.0.0.1:9"],
        ["--model", "/nowhere/at/all", "--speculation", "on"],
    ],
)
def test_what_cannot_be_measured_is_explained(arguments, capsys):
    assert main(["latency", *arguments]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("parley: ")


def test_benchmark_writes_a_section_that_the_other_benchmarks_keep(measured, tmp_path, capsys):
    page = tmp_path / "results.md"
    page.write_text("# Benchmarks\n\n## decode\n\nfigures\n")
    assert benchmark.main(["--write"], page) == 0
    assert benchmark.main(["--write"], page) == 0
    text = page.read_text()
    assert text.startswith("# Benchmarks\n\n## decode\n\nfigures\n")
    assert text.count("## latency") == 1
    assert "P50 ≤ 350 ms, P95 ≤ 450 ms: met" in text
    kept = report.sections_of_others(page)
    assert kept.strip() in text
    assert "## latency" in kept
    assert "## decode" not in kept
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["runs"][0]["p50_ms"] == 304.5
