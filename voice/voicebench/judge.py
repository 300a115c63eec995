"""Votes on answers that no rule can score: by any OpenAI-compatible server, three for each answer.

Prompts and sampling are upstream's. Raw votes are kept as they came; a vote on an open answer that
holds no number is asked for again, and counted. Only one judge votes in a run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from voice.errors import VoiceError
from voice.voicebench.extras import request_errors, require
from voice.voicebench.journal import Journal, Record, read_lines, write_lines, write_whole
from voice.voicebench.manifest import PARTIAL
from voice.voicebench.retries import attempts
from voice.voicebench.scoring import parse_vote
from voice.voicebench.settings import ASSISTANT_PROMPT
from voice.voicebench.threads import in_threads

JUDGE_FILE = "judge.json"
UPSTREAM_MODEL = "gpt-4o-mini"
_MOST_REPEATS = 3
"""How often votes that cannot be read are asked for again."""


class JudgeUnusable(VoiceError):
    """The judge refuses, or another one has voted in this run."""


class JudgeSilent(VoiceError):
    """The judge did not answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """The votes on one answer.

    Attributes:
        votes: raw, as many as were wanted.
        rejected: raw votes that could not be read and were asked for again.
        model: what the judge calls itself, with its version.
    """

    votes: list[str]
    rejected: list[str] = field(default_factory=list)
    model: str = ""


class Judge(Protocol):
    """Votes on answers; called from several threads."""

    def identity(self) -> dict[str, Any]:
        """Who judges; equal only if votes may be mixed."""

    def vote(self, row: Record) -> Ballot:
        """Votes on one line of a result file.

        Raises:
            JudgeUnusable: nobody can vote.
            JudgeSilent: no votes on this line now.
        """


def judge_kind(row: Mapping[str, Any]) -> str:
    """Which prompt a line gets; upstream goes by whether there is a reference, even a null one."""
    if "official_answer" in row:
        return "correct"
    return "qa" if "reference" in row else "open"


def judge_messages(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the judge is sent about one line."""
    kind = judge_kind(row)
    text = str(_prompts()[kind])
    reference = row.get("official_answer" if kind == "correct" else "reference")
    prompt = row.get("prompt") or row.get("transcript") or ""
    # One after the other, as upstream does it: a prompt that holds "{response}" is filled as well.
    for place, value in (
        ("prompt", prompt),
        ("reference", reference),
        ("response", row["response"]),
    ):
        text = text.replace(f"{{{place}}}", str(value))
    return [
        {"role": "system", "content": ASSISTANT_PROMPT},
        {"role": "user", "content": text},
    ]


def judge_body(row: Mapping[str, Any], model: str, votes: int) -> dict[str, Any]:
    """The request for ``votes`` votes, with upstream's sampling."""
    return {
        "model": model,
        "messages": judge_messages(row),
        "max_tokens": 1024,
        "temperature": 0.5,
        "top_p": 0.95,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "n": votes,
    }


class UrlJudge:
    """Asks a server.

    Args:
        url: of the API.
        model: the judge.
        votes: for each answer.
        api_key: sent along.
        retries: how often a request is sent again that got no answer.
        wait_s: before the first of them; it doubles up to 30 s.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        url: str,
        model: str = UPSTREAM_MODEL,
        *,
        votes: int = 3,
        api_key: str = "none",
        retries: int = 25,
        wait_s: float = 1.0,
        timeout_s: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._openai = require("openai", "asking a judge")
        self._errors = request_errors()
        # Retries are ours: the client's own waits cannot be told from those of a slow judge.
        self._client = self._openai.OpenAI(
            base_url=url, api_key=api_key, max_retries=0, timeout=timeout_s
        )
        self._url, self._model, self._votes = url, model, votes
        self._retries, self._wait_s, self._sleep = retries, wait_s, sleep

    def identity(self) -> dict[str, Any]:
        """Address, model and votes."""
        return {"judge": self._model, "url": self._url, "votes": self._votes}

    def vote(self, row: Record) -> Ballot:
        """See `Judge`."""
        is_open = judge_kind(row) == "open"
        votes: list[str] = []
        rejected: list[str] = []
        repeats, model = 0, ""
        while len(votes) < self._votes:
            # A server that ignores n gives one vote a call.
            texts, model = self._ask(judge_body(row, self._model, self._votes - len(votes)))
            readable = [text for text in texts if text.strip() and not self._is_odd(text, is_open)]
            odd = [text for text in texts if text not in readable]
            if odd and repeats == _MOST_REPEATS:
                votes += texts  # kept as they are; the score tells of them
            else:
                votes += readable
                rejected += odd
                repeats += bool(odd)
        return Ballot(votes[: self._votes], rejected, model)

    @staticmethod
    def _is_odd(text: str, is_open: bool) -> bool:
        return is_open and parse_vote(text) is None

    def _ask(self, body: dict[str, Any]) -> tuple[list[str], str]:
        openai, reason = self._openai, ""
        for _ in attempts(self._retries, self._wait_s, self._sleep):
            try:
                answer = self._client.chat.completions.create(**body)
                texts = [choice.message.content or "" for choice in answer.choices or ()]
                if texts:
                    return texts, str(answer.model or "")
                reason = "it sent no choices"
            except openai.APIStatusError as error:
                if error.status_code in (400, 413, 422):  # of this answer, such as a filter's
                    raise JudgeSilent(str(error)) from error
                if error.status_code in (401, 403, 404):
                    raise JudgeUnusable(
                        f"the judge {self._model} at {self._url} refuses ({error}): check the "
                        "address, the model's name and the key"
                    ) from error
                reason = str(error)
            except self._errors as error:
                reason = f"{type(error).__name__}: {error}"
        raise JudgeSilent(f"no vote after {self._retries + 1} attempts: {reason}")


OnVote = Callable[[int, int], None]
"""Lines done, lines there are."""


def judge_file(
    run: Path, name: str, judge: Judge, *, concurrency: int = 4, on_vote: OnVote = lambda d, n: None
) -> list[tuple[int, str]]:
    """Judges one result file into ``result-NAME``, going on where an earlier call stopped.

    Args:
        run: the run's folder.
        name: of the result file in it.
        judge: who votes.
        concurrency: answers at a time.
        on_vote: called at the start and after each.

    Returns:
        (index, reason) of the lines that got no votes; the file is written when there are none.

    Raises:
        JudgeUnusable: nobody can vote, or another judge has begun.
    """

    def vote(row: Record) -> Ballot | JudgeSilent:
        try:
            return judge.vote(row)
        except JudgeSilent as error:
            return error

    _claim(run, judge)
    rows = read_lines(run / name)
    answers = {row["_idx"]: row["response"] for row in rows}
    silent: list[tuple[int, str]] = []
    with Journal(run / PARTIAL / f"result-{name}") as journal:
        # Votes on answers that have changed since are void.
        done = {
            record["_idx"]: record
            for record in (*read_lines(run / f"result-{name}"), *read_lines(journal.path))
            if answers.get(record["_idx"]) == record["response"]
        }
        on_vote(len(done), len(rows))
        waiting = [row for row in rows if row["_idx"] not in done]
        for row, ballot in in_threads(vote, waiting, concurrency):
            if isinstance(ballot, JudgeSilent):
                silent.append((row["_idx"], str(ballot)))
                continue
            record = {**row, "score": ballot.votes, "_judge": ballot.model}
            if ballot.rejected:
                record["_rejected_votes"] = ballot.rejected
            journal.add(record)
            done[row["_idx"]] = record
            on_vote(len(done), len(rows))
        if not silent:
            write_lines(run / f"result-{name}", (done[row["_idx"]] for row in rows))
            journal.path.unlink()
    return sorted(silent)


def judge_of(run: Path) -> dict[str, Any]:
    """Who has judged a run; empty if nobody has."""
    try:
        record = json.loads((run / JUDGE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(record)


def _claim(run: Path, judge: Judge) -> None:
    now, before = judge.identity(), judge_of(run)
    if before and before != now:
        raise JudgeUnusable(
            f"{run} has votes of {before.get('judge')} ({before.get('url')}, "
            f"{before.get('votes')} votes), now it is {now['judge']} ({now['url']}, "
            f"{now['votes']} votes): judge again from the start with --fresh"
        )
    write_whole(run / JUDGE_FILE, (json.dumps(now, indent=1) + "\n").encode())


@cache
def _prompts() -> Any:
    text = files("voice.voicebench").joinpath("judge_prompts.json").read_text(encoding="utf-8")
    return json.loads(text)
