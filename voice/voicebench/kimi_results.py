"""Figures of Kimi-Audio-Evalkit, to be set beside ours.

```text
MODEL/CONFIG/MODEL_CONFIG.jsonl                       answers: the data's lines with `prediction`
MODEL/CONFIG/MODEL_CONFIG_JUDGE_judge.jsonl           the same with `judge_result`
MODEL/CONFIG/MODEL_CONFIG_METHOD_performance.json     its figure
```

The kit counts otherwise than the leaderboard: one vote instead of three, a judge for multiple
choice too unless its method says otherwise, refusals by the case of their letters, and no WildVoice
or BBH. So answers are also scored by upstream's rules, as far as these need no votes that are not
there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voice.voicebench.kimi import KimiFileError, own_columns, read_kimi
from voice.voicebench.score import Scorer, score_records
from voice.voicebench.subsets import SUBSETS

_PERFORMANCE = "_performance.json"
_MISSING = "null"
"""What the kit writes where a model gave no answer."""


@dataclass(slots=True)
class KimiResult:
    """What the kit has of one model on one subset.

    Attributes:
        model, subset: which.
        score: its figure, on the leaderboard's scale; None if there is none.
        method: how that was scored.
        n: answers.
        missing: of these, that the model did not give; None if only the figure is known.
        by_rules: the answers scored as upstream does; None if they cannot be.
    """

    model: str
    subset: str
    score: float | None = None
    method: str = ""
    n: int = 0
    missing: int | None = None
    by_rules: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)


def read_kimi_results(paths: Sequence[Path]) -> list[KimiResult]:
    """The results in files of the kit, or in all of them below folders.

    Raises:
        KimiFileError: there are none, or a file is damaged.
    """
    found: dict[tuple[str, str], KimiResult] = {}
    for path in paths:
        before = len(found)
        for file in _files(path):
            if file.name.endswith(_PERFORMANCE):
                _add_performance(file, found)
            else:
                _add_answers(file, found)
        if len(found) == before and not any(_files(path)):
            raise KimiFileError(
                f"{path} holds no result of Kimi-Audio-Evalkit: name MODEL_CONFIG.jsonl, "
                f"MODEL_CONFIG_METHOD{_PERFORMANCE}, or a folder above them"
            )
    return list(found.values())


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted([*path.rglob(f"*{_PERFORMANCE}"), *path.rglob("*.jsonl")])
    return [path] if path.is_file() else []


def _add_performance(file: Path, found: dict[tuple[str, str], KimiResult]) -> None:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        model, subset = str(record["model"]), str(record["dataset"])
        parts: Mapping[str, Mapping[str, Any]] = record["performance"]
        method = str(record.get("eval_method", ""))
    except (ValueError, LookupError, TypeError) as error:
        raise KimiFileError(f"{file} is no result of Kimi-Audio-Evalkit ({error})") from error
    figures = parts.get(subset)
    if subset not in SUBSETS or figures is None:
        return
    result = found.setdefault((model, subset), KimiResult(model, subset))
    result.method = method
    result.n = int(figures.get("total", result.n))
    if "final" in figures:
        result.score = 100 * float(figures["final"])
    else:
        value = figures.get("score", figures.get("acc"))
        result.score = None if value is None else float(value)


def _add_answers(file: Path, found: dict[tuple[str, str], KimiResult]) -> None:
    records = read_kimi(file)
    if not records or "prediction" not in records[0]:
        return
    subset = str(records[0].get("subset"))
    model = file.name.partition(f"_{subset}")[0]
    if subset not in SUBSETS:
        return
    result = found.setdefault((model, subset), KimiResult(model, subset))
    given = [record for record in records if record["prediction"] != _MISSING]
    result.n = len(records)
    result.missing = len(records) - len(given)
    score = _by_rules(subset, given)
    result.by_rules = result.by_rules if score is None else score


def _by_rules(subset: str, records: Iterable[Mapping[str, Any]]) -> float | None:
    rows: list[dict[str, Any]] = []
    for record in records:
        row = {**own_columns(dict(record)), "response": str(record["prediction"])}
        row["_idx"] = record.get("index", len(rows))
        if "judge_result" in record:
            row["score"] = [str(record["judge_result"])]
        rows.append(row)
    evaluator = SUBSETS[subset].evaluator
    if evaluator is None or not rows:
        return None
    score = score_records(evaluator, rows, Scorer())["score"]
    return None if score is None else float(score)
