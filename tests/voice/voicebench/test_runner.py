"""A run can be killed at any time and goes on; bad rows are told by index and stop nothing."""

import json
import os
import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voice.voicebench.tools import (
    SETTINGS,
    FakeEngine,
    flac,
    records,
    result_of,
    run_fake,
    write_split,
)
from voice.voicebench.dataset import DataSet
from voice.voicebench.engine import Failure, Question, Reply
from voice.voicebench.journal import Journal, RunBusy
from voice.voicebench.manifest import RunMismatch, open_manifest
from voice.voicebench.result_files import pool_splits
from voice.voicebench.runner import Portion
from voice.voicebench.settings import ASSISTANT_PROMPT, CHOICE_HINT, RunSettings
from voice.voicebench.subsets import SUBSETS

COUNT = 12


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    rows = records(COUNT, key=lambda index: index, kwargs=lambda index: [{"num_words": None}])
    rows[4]["audio"]["bytes"] = b""
    return write_split(tmp_path_factory.mktemp("data"), "commoneval", rows)


@pytest.fixture(scope="module")
def whole(dataset: DataSet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("whole")
    run_fake(out, dataset)
    return result_of(out)


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def test_result_file_has_upstreams_fields_in_the_data_sets_order(whole: bytes) -> None:
    assert whole.isascii()
    assert whole.endswith(b"}\n")
    assert b"\n\n" not in whole
    for index, line in enumerate(lines(whole)):
        upstream = {name: value for name, value in line.items() if not name.startswith("_")}
        assert list(upstream) == ["prompt", "key", "kwargs", "response"]
        assert upstream["kwargs"] == [{"num_words": None}]
        assert isinstance(upstream["response"], str)
        assert line["_idx"] == index
        assert "reference" not in line
    assert lines(whole)[2]["_ttft_s"] == 0.25
    assert lines(whole)[2]["_audio_s"] == 0.1


@given(
    kills=st.lists(st.integers(0, COUNT - 1), max_size=4),
    torn=st.integers(0, 400),
    concurrency=st.integers(1, 4),
)
@settings(max_examples=25)
def test_killed_run_goes_on_to_the_same_file(
    dataset: DataSet,
    whole: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    kills: list[int],
    torn: int,
    concurrency: int,
) -> None:
    out = tmp_path_factory.mktemp("killed")
    for kill in kills:
        try:
            run_fake(out, dataset, FakeEngine(stop_after=kill), concurrency=concurrency)
        except KeyboardInterrupt:
            for journal in (out / ".partial").glob("*.jsonl"):  # the end did not reach the disk
                content = journal.read_bytes()
                journal.write_bytes(content[: max(0, len(content) - torn)])
    assert run_fake(out, dataset, concurrency=concurrency).is_complete
    assert result_of(out) == whole
    assert not list((out / ".partial").glob("*.jsonl"))


def test_run_killed_by_a_signal_goes_on_to_the_same_file(
    dataset: DataSet, whole: bytes, tmp_path: Path
) -> None:
    """The child is killed for good, wherever it is, as soon as some items are on the disk."""
    rng = random.Random(0)
    journal = tmp_path / ".partial" / "fake-commoneval-test-audio.jsonl"
    for _ in range(3):
        stop = rng.randint(1, COUNT)
        child = os.fork()
        if not child:
            try:
                run_fake(tmp_path, dataset, _Slow())
            finally:
                os._exit(0)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if journal.is_file() and journal.read_bytes().count(b"\n") >= stop:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
    run_fake(tmp_path, dataset)
    assert result_of(tmp_path) == whole


class _Slow(FakeEngine):
    """Takes long enough to be killed while it is busy."""

    def reply(self, question):  # type: ignore[no-untyped-def,override]
        np.linalg.svd(np.ones((150, 150)))
        return super().reply(question)


def test_finished_run_asks_nothing_again(dataset: DataSet, whole: bytes, tmp_path: Path) -> None:
    run_fake(tmp_path, dataset)
    engine = FakeEngine()
    result = run_fake(tmp_path, dataset, engine)
    assert (result.is_complete, result.asked_now, engine.asked) == (True, 0, [])
    assert result_of(tmp_path) == whole


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_together_make_the_same_file(
    dataset: DataSet, whole: bytes, tmp_path: Path, order: tuple[int, ...]
) -> None:
    for number, shard in enumerate(order):
        result = run_fake(tmp_path, dataset, portion=Portion(shard=shard, shards=3))
        assert result.is_complete is (number == 2)
    assert result_of(tmp_path) == whole


def test_limited_run_is_extended_later(dataset: DataSet, whole: bytes, tmp_path: Path) -> None:
    assert run_fake(tmp_path, dataset, portion=Portion(limit=3)).is_complete
    assert lines(result_of(tmp_path)) == lines(whole)[:3]
    engine = FakeEngine()
    run_fake(tmp_path, dataset, engine)
    assert [question.index for question in engine.asked] == [3, *range(5, COUNT)]
    assert result_of(tmp_path) == whole


def test_run_with_other_settings_is_refused(dataset: DataSet, tmp_path: Path) -> None:
    run_fake(tmp_path, dataset)
    other = RunSettings(model="fake", temperature=0.5)
    with pytest.raises(RunMismatch, match=r"temperature 0\.0, now 0\.5.*--fresh"):
        run_fake(tmp_path, dataset, settings=other)
    manifest = open_manifest(tmp_path, {"model": "x"}, {}, fresh=True)
    assert manifest.files == {}
    assert not list(tmp_path.glob("*.jsonl"))


def test_run_on_other_data_is_refused(dataset: DataSet, tmp_path: Path) -> None:
    run_fake(tmp_path / "run", dataset)
    other = write_split(tmp_path / "data", "commoneval", records(3))
    with pytest.raises(RunMismatch, match="made from other data"):
        run_fake(tmp_path / "run", other)


def test_two_processes_do_not_write_the_same_portion(dataset: DataSet, tmp_path: Path) -> None:
    with (
        Journal(tmp_path / ".partial" / "fake-commoneval-test-audio.jsonl"),
        pytest.raises(RunBusy, match="--shard"),
    ):
        run_fake(tmp_path, dataset)


def test_bad_and_odd_rows_are_told_by_index(tmp_path: Path) -> None:
    rows = records(7)
    rows[1]["audio"] = None
    rows[2]["audio"]["bytes"] = flac(2)[:300]
    rows[3]["prompt"] = "  "
    rows[5]["prompt"] = rows[0]["prompt"]
    dataset = write_split(tmp_path / "data", "commoneval", rows)
    result = run_fake(tmp_path / "run", dataset)
    assert result.is_complete
    told = dict(result.problems)
    assert list(told) == [1, 2, 3, 5]
    assert told[1] == "the row has no audio"
    assert "damaged" in told[2] or "truncated" in told[2]
    assert told[3] == "the prompt is empty"
    assert told[5] == "the prompt is that of row 0"
    written = lines(result_of(tmp_path / "run"))
    assert [line["response"] == "" for line in written] == [i in (1, 2) for i in range(7)]
    assert run_fake(tmp_path / "run", dataset).problems == result.problems


def test_text_modality_asks_the_prompt_and_tells_of_empty_ones(tmp_path: Path) -> None:
    rows = records(3)
    rows[0]["audio"] = None
    rows[1]["prompt"] = ""
    dataset = write_split(tmp_path / "data", "commoneval", rows)
    engine = FakeEngine()
    text = RunSettings(model="fake", modality="text")
    result = run_fake(tmp_path / "run", dataset, engine, settings=text)
    assert [(q.samples, q.text) for q in engine.asked] == [
        (None, "question 0"),
        (None, "question 2"),
    ]
    assert result.problems == [(1, "the prompt is empty")]
    assert result.name == "fake-commoneval-test-text.jsonl"


def test_ttft_modality_warms_up_and_writes_seconds(dataset: DataSet, tmp_path: Path) -> None:
    engine = FakeEngine()
    run_fake(tmp_path, dataset, engine, settings=RunSettings(model="fake", modality="ttft"))
    assert [question.index for question in engine.asked[:3]] == [0, 0, 1]
    written = lines((tmp_path / "fake-commoneval-test-ttft.jsonl").read_bytes())
    assert written[0]["response"] == 0.125


def test_time_of_a_reply_without_a_token_is_that_of_its_end(
    dataset: DataSet, tmp_path: Path
) -> None:
    class Silent(FakeEngine):
        @staticmethod
        def reply(question: Question) -> Reply:
            return replace(FakeEngine.reply(question), first_token_s=None)

    run_fake(tmp_path, dataset, Silent(), settings=RunSettings(model="fake", modality="ttft"))
    written = lines((tmp_path / "fake-commoneval-test-ttft.jsonl").read_bytes())
    assert written[2]["response"] == written[2]["_latency_s"] == 2.5


def test_question_without_an_answer_is_asked_again_later(
    dataset: DataSet, whole: bytes, tmp_path: Path
) -> None:
    lost = {3: Failure("connection reset", permanent=False)}
    result = run_fake(tmp_path, dataset, FakeEngine(failures=lost))
    assert not result.is_complete
    assert result.unanswered == 1
    assert (3, "no answer yet: connection reset") in result.problems
    engine = FakeEngine()
    assert run_fake(tmp_path, dataset, engine).is_complete
    assert [question.index for question in engine.asked] == [3]
    assert result_of(tmp_path) == whole


def test_question_that_cannot_be_answered_is_kept_as_an_error(
    dataset: DataSet, tmp_path: Path
) -> None:
    refused = {3: Failure("too long", permanent=True)}
    result = run_fake(tmp_path, dataset, FakeEngine(failures=refused))
    assert result.is_complete
    line = lines(result_of(tmp_path))[3]
    assert (line["response"], line["_error"]) == ("", "too long")


def test_system_prompt_gets_a_hint_for_choices_only_when_asked(tmp_path: Path) -> None:
    hinted = RunSettings(model="fake", choice_hint=True)
    for subset, settings_, expected in (
        ("openbookqa", SETTINGS, ASSISTANT_PROMPT),
        ("openbookqa", hinted, f"{ASSISTANT_PROMPT} {CHOICE_HINT}"),
        ("commoneval", hinted, ASSISTANT_PROMPT),
    ):
        engine = FakeEngine()
        out = tmp_path / f"{subset}{settings_.choice_hint}"
        dataset = write_split(out / "data", subset, records(1))
        run_fake(out, dataset, engine, subset=subset, settings=settings_)
        assert engine.asked[0].system == expected


def test_seeds_depend_on_the_row_only(dataset: DataSet, tmp_path: Path) -> None:
    engine = FakeEngine()
    run_fake(tmp_path, dataset, engine, concurrency=4)
    seeds = {question.index: question.seed for question in engine.asked}
    assert len(set(seeds.values())) == len(seeds)
    assert seeds[7] == 7


def test_all_of_mmsu_is_one_file_once_it_is_complete(tmp_path: Path) -> None:
    splits = list(SUBSETS["mmsu"].rows)
    out = tmp_path / "run"
    for split in splits:
        dataset = write_split(tmp_path / "data", "mmsu", records(1), split)
        run_fake(out, dataset, subset="mmsu", split=split)
        pool_splits(out, SETTINGS, "mmsu")
        assert (out / "fake-mmsu-all-audio.jsonl").is_file() is (split == splits[-1])
    assert len(lines(result_of(out, "mmsu", "all"))) == len(splits)
