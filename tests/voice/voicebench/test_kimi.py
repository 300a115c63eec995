"""Kimi-Audio-Evalkit's layout is read as data, and its results are set beside ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.voice.voicebench.tools import flac, records, run_fake, write_split
from voice.voicebench.dataset import DataSet, open_dataset
from voice.voicebench.journal import read_lines, write_lines
from voice.voicebench.kimi import KimiFileError
from voice.voicebench.kimi_results import read_kimi_results
from voice.voicebench.report import write_report
from voice.voicebench.score import score_run
from voice.voicebench.subsets import SUBSETS, wanted_splits


def write_kimi(
    folder: Path, config: str, count: int = 3, where: str = "", **columns: Any
) -> DataSet:
    """A configuration as the kit's downloader leaves it; `where` is where it noted its clips."""
    clips = folder / config
    clips.mkdir(parents=True)
    lines = []
    for index in range(count):
        (clips / f"{index}.wav").write_bytes(flac(index))
        line = {
            "index": index,
            "question": "",
            "audio_content": f"question\u2028{index}",
            "audio_path": f"{where or folder}/{config}/{index}.wav",
            "subset": config,
            "task_type": "audio2text",
        }
        lines.append({**line, **{name: make(index) for name, make in columns.items()}})
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / f"{config}.jsonl").write_text(text, encoding="utf-8")
    return open_dataset(str(folder))


@pytest.mark.parametrize("where", ["", "/home/somebody/data", "data"])
def test_columns_have_voicebenchs_names_again(tmp_path: Path, where: str) -> None:
    dataset = write_kimi(tmp_path, "openbookqa", where=where, answer=lambda index: "ABC"[index])
    rows = list(dataset.source("openbookqa", "test").rows())
    assert [row.index for row in rows] == [0, 1, 2]
    assert rows[1].columns == {
        "index": 1,
        "prompt": "question\u20281",
        "subset": "openbookqa",
        "reference": "B",
    }
    assert len(rows[1].samples()) == 1600


def test_instructions_have_their_names_again_and_nothing_gets_a_reference(tmp_path: Path) -> None:
    ids = ["punctuation:no_comma"]
    dataset = write_kimi(
        tmp_path,
        "ifeval",
        instruction=lambda index: ids,
        instruction_kwargs=lambda index: [{}],
        answer=lambda index: "",
    )
    row = next(dataset.source("ifeval", "test").rows())
    assert row.columns["instruction_id_list"] == ids
    assert row.columns["kwargs"] == [{}]
    assert "reference" not in row.columns
    assert "answer" not in row.columns


@pytest.mark.parametrize("deeper", ["VoiceBench", "VoiceBench/mmsu"])
def test_files_may_be_where_the_kits_config_puts_them(tmp_path: Path, deeper: str) -> None:
    write_kimi(tmp_path / deeper, "mmsu", answer=lambda index: "A")
    dataset = open_dataset(str(tmp_path))
    assert wanted_splits(SUBSETS["mmsu"], dataset.splits("mmsu"), [], main=True) == ["all"]


def test_kits_mmsu_is_complete_as_one_file(tmp_path: Path) -> None:
    dataset = write_kimi(tmp_path / "data", "mmsu", answer=lambda index: "A")
    run_fake(tmp_path / "run", dataset, subset="mmsu", split="all")
    scores = score_run(tmp_path / "run")
    assert scores["subsets"]["mmsu"]["complete"]
    assert not scores["is_full_size"]


def test_sd_qa_is_its_american_region(tmp_path: Path) -> None:
    dataset = write_kimi(tmp_path, "sd-qa", answer=lambda index: "Paris")
    assert dataset.splits("sd-qa") == ["usa"]


def test_missing_clip_is_a_row_without_audio_and_other_data_has_another_digest(
    tmp_path: Path,
) -> None:
    dataset = write_kimi(tmp_path, "commoneval")
    before = dataset.identity("commoneval", "test")
    (tmp_path / "commoneval" / "1.wav").unlink()
    rows = list(dataset.source("commoneval", "test").rows())
    assert [row.sound is None for row in rows] == [False, True, False]
    assert dataset.identity("commoneval", "test") != before


def test_damaged_line_is_named(tmp_path: Path) -> None:
    write_kimi(tmp_path, "commoneval")
    file = tmp_path / "commoneval.jsonl"
    file.write_text(file.read_text() + "{broken\n")
    with pytest.raises(KimiFileError, match=r"commoneval\.jsonl, line 4, is no JSON"):
        open_dataset(str(tmp_path))


# --- Results --------------------------------------------------------------------------------------


def answers(config: str, *predictions: str, **columns: Any) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "audio_path": f"{index}.wav",
            "audio_content": f"question {index}",
            "subset": config,
            "prediction": prediction,
            "real_prompt": "",
            **{name: values[index] for name, values in columns.items()},
        }
        for index, prediction in enumerate(predictions)
    ]


def write_results(folder: Path, config: str, lines: list[dict[str, Any]], suffix: str = "") -> Path:
    file = folder / config / f"Kimi-Audio_{config}{suffix}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_lines(file, lines)
    return file


def write_performance(folder: Path, config: str, method: str, **figures: float) -> Path:
    file = folder / config / f"Kimi-Audio_{config}_{method}_performance.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "task": "MQA",
        "dataset": config,
        "model": "Kimi-Audio",
        "date": "2025-06-01",
        "performance": {config: figures},
        "eval_method": method,
    }
    file.write_text(json.dumps(record))
    return file


def test_figures_are_brought_to_the_leaderboards_scale(tmp_path: Path) -> None:
    write_performance(tmp_path, "openbookqa", "vb-mcq", acc=79.12, valid=455, total=455)
    write_performance(tmp_path, "alpacaeval_full", "default", score=4.33, total=636, invalid=0)
    write_performance(tmp_path, "ifeval", "vb-ifeval", final=0.5388)
    write_performance(tmp_path, "TUT2017", "default", acc=50.0)
    found = {result.subset: result for result in read_kimi_results([tmp_path])}
    assert found.keys() == {"openbookqa", "alpacaeval_full", "ifeval"}
    assert (found["openbookqa"].score, found["openbookqa"].method) == (79.12, "vb-mcq")
    assert (found["alpacaeval_full"].score, found["alpacaeval_full"].n) == (4.33, 636)
    assert found["ifeval"].score == pytest.approx(53.88)


def test_answers_are_scored_by_upstreams_rules(tmp_path: Path) -> None:
    lines = answers("openbookqa", "The answer is A.", "B)", "null", answer=["A", "A", "B"])
    file = write_results(tmp_path, "openbookqa", lines)
    (result,) = read_kimi_results([file])
    assert (result.model, result.n, result.missing) == ("Kimi-Audio", 3, 1)
    assert (result.score, result.by_rules) == (None, 50.0)


def test_refusals_are_known_whatever_their_case(tmp_path: Path) -> None:
    write_results(tmp_path, "advbench", answers("advbench", "i cannot help", "Sure!"))
    write_performance(tmp_path, "advbench", "vb-advbench", acc=0.0, total=2)
    (result,) = read_kimi_results([tmp_path])
    assert (result.score, result.by_rules, result.missing) == (0.0, 50.0, 0)


def test_judged_answers_have_one_vote(tmp_path: Path) -> None:
    write_results(tmp_path, "commoneval", answers("commoneval", "a", "b"))
    judged = answers("commoneval", "a", "b", judge_result=["4", "5"])
    write_results(tmp_path, "commoneval", judged, "_gpt-4o-mini_judge")
    (result,) = read_kimi_results([tmp_path])
    assert (result.by_rules, result.n) == (4.5, 2)


@pytest.mark.parametrize("name", ["nothing", "other.jsonl", "other_performance.json"])
def test_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    if "." in name:
        (tmp_path / name).write_text('{"a": 1}\n')
    with pytest.raises(KimiFileError):
        read_kimi_results([tmp_path / name])


def test_report_sets_the_kits_figures_beside_ours(tmp_path: Path) -> None:
    run = tmp_path / "run"
    data = write_split(tmp_path / "data", "advbench", records(4))
    run_fake(run, data, subset="advbench")
    name = "fake-advbench-test-audio.jsonl"
    write_lines(run / name, [{**line, "response": "sorry"} for line in read_lines(run / name)])
    write_results(tmp_path / "kimi", "advbench", answers("advbench", "i cannot help", "Sure!"))
    write_performance(tmp_path / "kimi", "advbench", "vb-advbench", acc=0.0, total=2)
    write_report(run, kimi=[tmp_path / "kimi"])
    text = (run / "report.md").read_text()
    row = "| Kimi-Audio, advbench | 2 | 0.00 | vb-advbench | 50.00 | 100.00 | -50.00 |"
    assert row in text
    report = json.loads((run / "report.json").read_text())
    assert report["kimi"][0]["by_rules"] == 50.0


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    data = write_split(tmp_path / "data", "advbench", records(2))
    runs = [tmp_path / parent / "run" for parent in ("a", "b", "c")]
    for run in runs:
        run_fake(run, data, subset="advbench")
    write_report(runs[0], runs[1:])
    text = (runs[0] / "report.md").read_text()
    assert str(runs[1]) in text
    assert str(runs[2]) in text
