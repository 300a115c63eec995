"""Judging offline: the requests go into a file, and a file brings the answers back.

Both are in the format of OpenAI's Batch API, which other services and tools read as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voice.voicebench.journal import Record, read_lines, write_lines
from voice.voicebench.judge import Ballot, JudgeSilent, judge_body


def export_requests(run: Path, names: Iterable[str], model: str, votes: int, target: Path) -> int:
    """Writes what a judge would be asked, in the format of OpenAI's Batch API; returns how many.

    For machines that reach no judge: run the file elsewhere, then judge with `BatchJudge`.
    """
    requests = [
        {
            "custom_id": f"{name}#{row['_idx']}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": judge_body(row, model, votes),
        }
        for name in names
        for row in read_lines(run / name)
    ]
    write_lines(target, requests)
    return len(requests)


class BatchJudge:
    """Votes that a batch has brought: lines with ``custom_id`` and ``response``."""

    def __init__(self, answers: Path, name: str) -> None:
        self._ballots: dict[int, Ballot] = {}
        self._models: set[str] = set()
        for line in read_lines(answers):
            file, _, index = str(line.get("custom_id", "")).rpartition("#")
            body = (line.get("response") or {}).get("body") or {}
            texts = [choice["message"]["content"] or "" for choice in body.get("choices", ())]
            if file == name and texts:
                model = str(body.get("model", ""))
                self._ballots[int(index)] = Ballot(texts, model=model)
                self._models.add(model)

    def identity(self) -> dict[str, Any]:
        """The model that the batch was answered by."""
        return {"judge": ", ".join(sorted(self._models)), "url": "batch", "votes": 0}

    def vote(self, row: Record) -> Ballot:
        """See `Judge`."""
        if row["_idx"] not in self._ballots:
            raise JudgeSilent("the batch has no answer for it")
        return self._ballots[row["_idx"]]
