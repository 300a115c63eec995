"""A judge that answers nonsense, late, or not at all gets three readable votes out in the end."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.voice.voicebench.tools import (
    choices,
    records,
    run_fake,
    serving,
    write_split,
)
from voice.voicebench.journal import read_lines, write_lines
from voice.voicebench.judge import (
    Ballot,
    JudgeSilent,
    JudgeUnusable,
    UrlJudge,
    judge_body,
    judge_file,
    judge_of,
)
from voice.voicebench.judge_batch import BatchJudge, export_requests
from voice.voicebench.rule_judge import RuleJudge
from voice.voicebench.scoring import score_item

NAME = "fake-commoneval-test-audio.jsonl"
OPEN = {"prompt": "Why?", "response": "Because.", "_idx": 0}
QA = {"prompt": "Who?", "reference": "Ada", "response": "Ada did.", "_idx": 0}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run_fake(tmp_path / "run", write_split(tmp_path / "data", "commoneval", records(6)))
    return tmp_path / "run"


class Waits(list[float]):
    """Instead of sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def test_judge_is_asked_with_upstreams_prompt_and_sampling() -> None:
    with serving(lambda body, number: (200, choices("4", "5", "4"))) as server:
        ballot = UrlJudge(server.url, "gpt-4o-mini").vote(OPEN)
    assert ballot == Ballot(["4", "5", "4"], [], "judge-1")
    [body] = server.requests
    assert (body["model"], body["n"]) == ("gpt-4o-mini", 3)
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.95, 1024)
    assert (body["frequency_penalty"], body["presence_penalty"]) == (0, 0)
    system, user = body["messages"]
    assert system["content"].startswith("You are a helpful assistant who tries to help")
    assert "### [Instruction]: Why?\n### [Response]: Because.\n" in user["content"]
    assert "on a scale of 1 to 5" in user["content"]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (OPEN, "on a scale of 1 to 5"),
        (QA, 'single "Yes" or "No"'),
        (OPEN | {"reference": None}, 'single "Yes" or "No"'),
        ({"transcript": "?", "official_answer": "No", "response": "no"}, "CORRECT or INCORRECT"),
    ],
)
def test_prompt_goes_by_whether_there_is_a_reference(row: dict[str, Any], wanted: str) -> None:
    assert wanted in judge_body(row, "m", 3)["messages"][1]["content"]


def test_server_that_gives_one_vote_a_call_is_called_three_times() -> None:
    with serving(lambda body, number: (200, choices(str(number)))) as server:
        ballot = UrlJudge(server.url).vote(OPEN)
    assert ballot.votes == ["0", "1", "2"]
    assert [body["n"] for body in server.requests] == [3, 2, 1]


def test_unreadable_votes_are_asked_for_again_and_counted() -> None:
    answers = [("4", "Great answer!", " 5 "), ("",), ("[[3]]",)]
    with serving(lambda body, number: (200, choices(*answers[number]))) as server:
        ballot = UrlJudge(server.url).vote(OPEN)
    assert ballot.votes == ["4", " 5 ", "[[3]]"]
    assert ballot.rejected == ["Great answer!", ""]
    assert score_item("open", {"score": ballot.votes})["mean"] == 4


def test_votes_that_stay_unreadable_are_kept_as_they_are() -> None:
    with serving(lambda body, number: (200, choices("a", "b", "c"))) as server:
        ballot = UrlJudge(server.url).vote(OPEN)
    assert ballot.votes == ["a", "b", "c"]
    assert len(ballot.rejected) == 9
    assert "error" in score_item("open", {"score": ballot.votes})


def test_votes_on_reference_answers_are_left_as_upstream_leaves_them() -> None:
    with serving(lambda body, number: (200, choices("Yes.", "no", "Yes"))) as server:
        assert UrlJudge(server.url).vote(QA).votes == ["Yes.", "no", "Yes"]


def test_errors_and_garbage_are_retried_with_growing_waits() -> None:
    bad = [
        (500, {"error": {"message": "down"}}),
        (429, {"error": {"message": "slow down"}}),
        (200, b"<html>busy</html>"),
        (200, {"choices": []}),
    ]
    waits = Waits()
    with serving(
        lambda body, number: bad[number] if number < 4 else (200, choices("1", "2", "3"))
    ) as server:
        assert UrlJudge(server.url, sleep=waits).vote(OPEN).votes == ["1", "2", "3"]
    assert waits == [1, 2, 4, 8]


def test_judge_that_never_answers_is_given_up_for_that_line() -> None:
    waits = Waits()
    with (
        serving(lambda body, number: (503, {"error": {"message": "down"}})) as server,
        pytest.raises(JudgeSilent, match=r"no vote after 8 attempts.*down"),
    ):
        UrlJudge(server.url, retries=7, sleep=waits).vote(OPEN)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_judge_that_is_late_is_asked_again() -> None:
    release = threading.Event()

    def answer(body: dict[str, Any], number: int) -> tuple[int, Any]:
        if number == 0:
            release.wait()
        return 200, choices("5", "5", "5")

    with serving(answer) as server:
        judge = UrlJudge(server.url, timeout_s=0.1, sleep=Waits())
        assert judge.vote(OPEN).votes == ["5", "5", "5"]
        release.set()


def test_wrong_key_stops_at_once() -> None:
    with (
        serving(lambda body, number: (401, {"error": {"message": "bad key"}})) as server,
        pytest.raises(JudgeUnusable, match="bad key"),
    ):
        UrlJudge(server.url).vote(OPEN)
    assert len(server.requests) == 1


def test_file_is_judged_whatever_the_order_of_the_answers(run: Path) -> None:
    """The first request is held until another has been answered."""
    others = threading.Event()

    def answer(body: dict[str, Any], number: int) -> tuple[int, Any]:
        if number == 0:
            others.wait(10)
        else:
            others.set()
        return 200, choices("3", "4", "5")

    with serving(answer) as server:
        assert judge_file(run, NAME, UrlJudge(server.url), concurrency=3) == []
    judged = read_lines(run / f"result-{NAME}")
    assert [line["_idx"] for line in judged] == list(range(6))
    assert all(line["score"] == ["3", "4", "5"] for line in judged)
    assert [line["response"] for line in judged] == [
        line["response"] for line in read_lines(run / NAME)
    ]
    assert judge_of(run) == {"judge": "gpt-4o-mini", "url": server.url, "votes": 3}


class Flaky:
    """Votes by the row, except on some rows at first."""

    def __init__(self, silent: set[int] = frozenset(), name: str = "j") -> None:  # type: ignore[assignment]
        self.silent, self.name, self.asked = silent, name, []

    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, "url": "", "votes": 3}

    def vote(self, row: dict[str, Any]) -> Ballot:
        self.asked.append(row["_idx"])
        if row["_idx"] in self.silent:
            raise JudgeSilent("busy")
        return Ballot([str(row["_idx"] % 5 + 1)] * 3)


def test_judging_goes_on_with_the_lines_that_have_no_votes(run: Path) -> None:
    assert judge_file(run, NAME, Flaky({1, 4})) == [(1, "busy"), (4, "busy")]
    assert not (run / f"result-{NAME}").exists()
    second = Flaky()
    assert judge_file(run, NAME, second) == []
    assert sorted(second.asked) == [1, 4]
    third = Flaky()
    judge_file(run, NAME, third)
    assert third.asked == []


def test_votes_on_an_answer_that_changed_are_void(run: Path) -> None:
    judge_file(run, NAME, Flaky())
    lines = read_lines(run / NAME)
    lines[2]["response"] = "another"
    write_lines(run / NAME, lines)
    again = Flaky()
    judge_file(run, NAME, again)
    assert again.asked == [2]
    assert read_lines(run / f"result-{NAME}")[2]["response"] == "another"


def test_two_judges_do_not_share_a_run(run: Path) -> None:
    judge_file(run, NAME, Flaky({1}))
    with pytest.raises(JudgeUnusable, match=r"has votes of j .*now it is k.*--fresh"):
        judge_file(run, NAME, Flaky(name="k"))


def test_offline_requests_come_back_as_votes(run: Path, tmp_path: Path) -> None:
    batch, answers = tmp_path / "batch.jsonl", tmp_path / "answers.jsonl"
    assert export_requests(run, [NAME], "gpt-4o-mini", 3, batch) == 6
    requests = read_lines(batch)
    assert requests[0]["body"] == judge_body(read_lines(run / NAME)[0], "gpt-4o-mini", 3)
    assert {each["method"] + each["url"] for each in requests} == {"POST/v1/chat/completions"}
    write_lines(
        answers,
        [
            {
                "custom_id": each["custom_id"],
                "response": {"status_code": 200, "body": choices("1", "2", str(number))},
            }
            for number, each in enumerate(requests)
            if number != 3
        ],
    )
    judge = BatchJudge(answers, NAME)
    assert judge_file(run, NAME, judge) == [(3, "the batch has no answer for it")]
    assert judge_of(run)["judge"] == "judge-1"
    partial = read_lines(run / ".partial" / f"result-{NAME}")
    assert {line["_idx"]: line["score"] for line in partial}[5] == ["1", "2", "5"]


def test_rules_judge_the_small_benchmark_and_nothing_else() -> None:
    answer = {"skill": "capital", "reply": "The capital of Peru is Lima.", "accept": []}
    row = {"prompt": "what is the capital of peru", "answer": answer}
    judge = RuleJudge()
    assert judge.vote(row | {"response": "It is Lima."}).votes == ["5"] * 3
    assert judge.vote(row | {"response": "It is Paris."}).votes == ["1"] * 3
    assert judge.vote(QA).votes == ["Yes"] * 3
    assert judge.vote(QA | {"response": "Adam did."}).votes == ["No"] * 3
    with pytest.raises(JudgeSilent, match="small benchmark only"):
        judge.vote(OPEN)


def test_judged_lines_are_json_without_blank_lines(run: Path) -> None:
    judge_file(run, NAME, Flaky())
    content = (run / f"result-{NAME}").read_text("ascii")
    assert [json.loads(line)["_idx"] for line in content.splitlines()] == list(range(6))
