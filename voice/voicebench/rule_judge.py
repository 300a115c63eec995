"""The judge of the small benchmark: rules instead of a model, so that a bare machine has one.

It knows what the questions' maker knows: a right answer to an open question gets 5 and any other 1,
an answer that names the reference gets Yes. Its figures compare nothing but runs of that benchmark.
"""

from __future__ import annotations

from typing import Any

from voice.training.skills import is_right
from voice.training.skills.checks import normalized
from voice.training.skills.turns import Turn
from voice.voicebench.journal import Record
from voice.voicebench.judge import Ballot, JudgeSilent, judge_kind

NAME = "rules of the small benchmark"


class RuleJudge:
    """Votes by rule.

    Args:
        votes: for each answer, all the same.
    """

    def __init__(self, votes: int = 3) -> None:
        self._votes = votes

    def identity(self) -> dict[str, Any]:
        """Its name; there is one version."""
        return {"judge": NAME, "url": "", "votes": self._votes}

    def vote(self, row: Record) -> Ballot:
        """See `Judge`."""
        return Ballot([self._verdict(row)] * self._votes, model=NAME)

    def _verdict(self, row: Record) -> str:
        response = str(row["response"])
        match judge_kind(row):
            case "qa":
                return "Yes" if _names(row["reference"], response) else "No"
            case "correct":
                return "CORRECT" if _names(row["official_answer"], response) else "INCORRECT"
        answer = row.get("answer")
        if not isinstance(answer, dict):
            raise JudgeSilent(
                "the row has no answer to compare with: the rules judge the small benchmark only, "
                "name a --judge-url for others"
            )
        turn = Turn(row["prompt"], answer["reply"], answer["skill"], tuple(answer["accept"]))
        return "5" if is_right(turn, response) else "1"


def _names(reference: str, response: str) -> bool:
    return f" {normalized(reference)} " in f" {normalized(response)} "
