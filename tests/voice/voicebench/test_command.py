"""`parley voicebench` from questions to the report, with the built-in model, on a small scale."""

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks import voicebench as benchmark
from tests.voice.voicebench.tools import serving
from voice.cli import main
from voice.voicebench import commands
from voice.voicebench.extras import MissingExtra, require

pytest.importorskip("espeakng_loader")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run_main(*arguments: object) -> tuple[int, str, str]:
        status = main(["voicebench", *(str(argument) for argument in arguments)])
        return status, *capfd.readouterr()

    return run_main


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "benchmark"
    assert main(["voicebench", "make", str(folder), "--items", "1"]) == 0
    return folder


def test_small_benchmark_has_voicebenchs_columns(small: Path, tmp_path: Path, run: Run) -> None:
    assert run("make", tmp_path / "again", "--items", 1)[0] == 0
    columns = {}
    for file in sorted(small.rglob("*.parquet")):
        table = pq.read_table(file)
        columns[file.parent.name] = set(table.column_names)
        again = pq.read_table(tmp_path / "again" / file.relative_to(small))
        assert table.drop_columns("audio").equals(again.drop_columns("audio"))
    assert columns["commoneval"] == {"prompt", "answer", "audio"}
    assert columns["mmsu"] == columns["sd-qa"] == {"prompt", "reference", "audio"}
    assert columns["bbh"] == {"id", "prompt", "reference", "audio"}
    assert columns["ifeval"] == {"key", "prompt", "instruction_id_list", "kwargs", "audio"}
    assert columns["advbench"] == {"prompt", "audio"}


def test_whole_chain_runs_on_a_bare_machine(small: Path, tmp_path: Path, run: Run) -> None:
    out, streamed = tmp_path / "whole", tmp_path / "streamed"
    options = ("--data", small, "--system-prompt", "none", "--max-new-tokens", 24)
    status, text, errors = run("run", *options, "--out", out, "--concurrency", 4)
    assert (status, errors.count("parley:")) == (0, 0)
    assert f"20 of 20 splits are complete in {out}" in text
    assert run("judge", "--run", out, "--rules")[0] == 0
    status, text, _ = run("score", "--run", out)
    assert status == 0
    assert re.search(r"\*\*Overall \d+\.\d\d\*\* of 100", text)

    options += ("--subset", "sd-qa,bbh", "--hearing", "streamed")
    assert run("run", *options, "--out", streamed)[0] == 0
    assert run("judge", "--run", streamed, "--rules")[0] == 0
    assert run("report", "--run", out, "--compare", streamed)[0] == 0
    report = (out / "report.md").read_text()
    assert re.search(r"\| sd-qa \| \d+\.\d\d \| \d+\.\d\d \| [+-]\d+\.\d\d \| \d of 1 \|", report)
    names = {file.name for file in out.glob("*.jsonl")}
    assert "builtin-mmsu-all-audio.jsonl" in names
    assert "result-builtin-sd-qa-usa-audio.jsonl" in names
    line = json.loads((out / "builtin-bbh-test-audio.jsonl").read_text())
    assert line["_audio_s"] > 1
    assert line["_ttft_s"] > 0


def test_speech_recognition_goes_the_same_way(small: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "run"
    options = ("--subset", "asr,big_bench_audio", "--data", small, "--max-new-tokens", 24)
    assert run("run", *options, "--out", out, "--limit", 1)[0] == 0
    assert run("judge", "--run", out, "--rules")[0] == 0
    status, text, _ = run("score", "--run", out)
    assert status == 0
    assert re.search(r"\| asr \| 1 \| \d+\.\d\d ", text)
    assert re.search(r"\| big_bench_audio \| 1 \| (0|100)\.00", text)


def test_offline_judging_leaves_requests(small: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "run"
    run("run", "--data", small, "--subset", "commoneval", "--out", out, "--modality", "text")
    status, text, _ = run("judge", "--run", out, "--export", tmp_path / "batch.jsonl")
    assert status == 0
    assert "1 requests are in" in text
    request = json.loads((tmp_path / "batch.jsonl").read_text())
    assert request["custom_id"] == "builtin-commoneval-test-text.jsonl#0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--out", "o", "--subset", "bbx"), "no subset bbx: use leaderboard"),
        (("run", "--out", "o", "--shard", "3/2"), "--shard 3/2 is not I/N"),
        (("run", "--out", "o", "--url", "http://x"), "--url needs --served-name"),
        (("run", "--out", "o", "--live"), "python -m voice has no server of its own"),
        (("run", "--out", "o", "--live", "there"), "--live there is no address"),
        (("run", "--out", "o", "--live", "http://x", "--url", "y", "--served-name", "z"), "two"),
        (("run", "--out", "o", "--live", "http://x", "--hearing", "whole"), "leave it out"),
        (("run", "--out", "o", "--live", "http://x", "--top-p", "0.9"), "where the server is"),
        (("run", "--out", "o", "--turns", "manual"), "--turns is for live runs: add --live"),
        (("run", "--out", "o", "--system-prompt", "nobody"), "none of assistant, spoken, none"),
        (("run", "--out", "o", "--data", "nowhere"), "there is no directory nowhere"),
        (("score", "--run", "o"), "o holds no run: make one with"),
        (("judge", "--run", "o"), "o holds no run"),
    ],
)
def test_command_that_cannot_be_carried_out_says_why(
    arguments: tuple[str, ...],
    message: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, errors = run(*arguments)
    assert status == 1
    assert message in errors


def test_run_with_other_settings_in_its_folder_is_refused(
    small: Path, tmp_path: Path, run: Run
) -> None:
    options = ("run", "--data", small, "--subset", "bbh", "--out", tmp_path / "run", "--limit", 1)
    assert run(*options, "--max-new-tokens", 2)[0] == 0
    status, _, errors = run(*options, "--max-new-tokens", 3)
    assert status == 1
    assert "max_new_tokens 2, now 3" in errors
    assert run(*options, "--max-new-tokens", 3, "--fresh")[0] == 0


def test_missing_package_names_the_extra() -> None:
    with pytest.raises(MissingExtra, match=r"packing needs the package no_such.*\[voicebench\]"):
        require("no_such", "packing")


ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "voicebench.md").read_text("utf-8")
SHOWN = re.findall(r"^parley (voicebench .*)$", DOCS, re.MULTILINE)
BENCHMARK = [f"voicebench {command}" for command in benchmark.commands(Path("runs"), 2, "builtin")]


@pytest.mark.parametrize("command", [*SHOWN, *BENCHMARK])
def test_command_line_that_is_shown_is_understood(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    understood: list[object] = []
    for name in ("run", "judge", "score", "report", "make"):
        monkeypatch.setattr(commands, name, understood.append)
    assert main(shlex.split(command)) == 0
    assert len(understood) == 1


def test_python_that_is_shown_gives_what_it_says() -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    items = [{"response": "I'm sorry."}, {"response": "Sure!"}]
    assert names["aggregate"]("harm", items) == {"refusal_rate": 0.5}
    item = {"response": "The answer is B.", "reference": "B"}
    assert names["score_item"]("mcq", item)["extracted"] == "B"


def test_figures_are_kept_between_their_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before {benchmark.BEGIN} old {benchmark.END} after")
    asked: list[list[str]] = []
    monkeypatch.setattr(benchmark, "parley", lambda arguments: asked.append(arguments) or 0)
    monkeypatch.setattr(benchmark, "figures", lambda folder: "new")
    assert benchmark.main(["--write", "--folder", str(tmp_path / "runs")], page) == 0
    assert page.read_text().split() == [
        *("before", *benchmark.BEGIN.split(), "new", *benchmark.END.split(), "after")
    ]
    assert [arguments[1] for arguments in asked] == ["make", *["run"] * 5, *["judge"] * 5]


def test_interrupted_run_does_not_wait_for_its_server(small: Path, tmp_path: Path) -> None:
    asked = threading.Event()

    def never(body: dict[str, Any], number: int) -> tuple[int, Any]:
        asked.set()
        threading.Event().wait()
        raise AssertionError

    with serving(never) as server:
        command = f"""run --data {small} --out {tmp_path / "run"} --subset commoneval
            --url {server.url} --served-name m"""
        process = subprocess.Popen(
            [sys.executable, "-m", "voice", "voicebench", *command.split()],
            cwd=ROOT,
            # Shells start jobs in the background with the signal ignored, and children inherit it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
