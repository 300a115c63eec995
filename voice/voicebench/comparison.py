"""A run beside others: other runs, published figures, and those of Kimi-Audio-Evalkit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from voice.voicebench.journal import read_lines
from voice.voicebench.kimi_results import KimiResult
from voice.voicebench.manifest import load_manifest
from voice.voicebench.score import Scores, latency_quantiles, load_scores
from voice.voicebench.subsets import LEADERBOARD, SUBSETS
from voice.voicebench.tables import Cells, difference, milliseconds, number, table


def comparison(run: Path, scores: Scores, others: Mapping[str, Path]) -> str:
    """Scores, answers and times of a run beside those of others, by name."""
    compared = {name: load_scores(folder) for name, folder in others.items()}
    header = ["subset", run.name]
    for name in compared:
        header += [name, "difference", "same answers"]
    rows = []
    for subset, own in ordered(scores["subsets"]):
        row = [subset, number(own["score"])]
        for name, other_scores in compared.items():
            other = other_scores["subsets"].get(subset, {}).get("score")
            row += [number(other), difference(other, own["score"])]
            row.append(_same_answers(run, others[name], subset))
        rows.append(row)
    total = scores["overall"]["value"]
    row = ["**overall**", number(total)]
    for other_scores in compared.values():
        other = other_scores["overall"]["value"]
        row += [number(other), difference(other, total), ""]
    times = table(
        ("run", "TTFT p50 / p95 of all", "model", "hearing", "concurrency"),
        [
            (
                name,
                milliseconds(_all_times(folder)),
                str(each["settings"]["model"]),
                str(each["settings"].get("hearing", "")),
                ", ".join(map(str, each["concurrency"])),
            )
            for name, folder, each in [
                (run.name, run, scores),
                *((name, others[name], each) for name, each in compared.items()),
            ]
        ],
    )
    return "\n\n".join([table(header, [*rows, row]), times])


def _same_answers(run: Path, other: Path, subset: str) -> str:
    """Share of a subset's rows with the same response in two runs."""
    mine, theirs = (_answers(folder, subset) for folder in (run, other))
    common = mine.keys() & theirs.keys()
    if not common:
        return "–"
    return f"{sum(mine[key] == theirs[key] for key in common)} of {len(common)}"


def _answers(run: Path, subset: str) -> dict[tuple[str, int], object]:
    return {
        (place["split"], record["_idx"]): record["response"]
        for name, place in load_manifest(run).files.items()
        if place["subset"] == subset
        for record in read_lines(run / name)
    }


def _all_times(run: Path) -> dict[str, float] | None:
    records = (record for name in load_manifest(run).files for record in read_lines(run / name))
    return latency_quantiles(records, "_ttft_s")


def published_table(scores: Scores) -> list[str]:
    """A run among published systems, and where their figures are from."""
    known = published()
    columns = known["columns"]
    own = [scores["subsets"].get(name, {}).get("score") for name in columns[:-1]]
    rows: list[Cells] = [
        (
            f"**{scores['settings']['model']}**",
            *map(number, own),
            number(scores["overall"]["value"]),
        )
    ]
    rows += [(name, *map(number, values)) for name, values in known["rows"].items()]
    return [table(("system", *columns), rows), f"Source: {known['source']}"]


def kimi_table(scores: Scores, results: Sequence[KimiResult]) -> str:
    """A run beside what Kimi-Audio-Evalkit has of other models, and of their answers."""
    rows = []
    for result in sorted(results, key=lambda each: (each.model, _place(each.subset))):
        own = scores["subsets"].get(result.subset, {}).get("score")
        missing = f" ({result.missing} missing)" if result.missing else ""
        # What upstream's rules make of the same answers compares best.
        figure = result.score if result.by_rules is None else result.by_rules
        rows.append(
            (
                f"{result.model}, {result.subset}",
                f"{result.n}{missing}",
                number(result.score),
                result.method or "–",
                number(result.by_rules),
                number(own),
                difference(figure, own),
            )
        )
    header = ("model, subset", "n", "its figure", "its method", "by upstream's rules")
    return table((*header, scores["settings"]["model"], "difference"), rows)


def upstream_table(found: Mapping[str, Any]) -> list[str]:
    """Our figures of each file beside those of upstream's own script."""
    rows = []
    for check in found["files"]:
        label = f"{check['subset']} {check['split']}"
        theirs = _figures(check["upstream"]) or check["message"]
        names = check["upstream"] or check["ours"]
        ours = _figures({name: check["ours"].get(name) for name in names})
        rows.append((label, check["verdict"], ours, theirs))
    commit = found["commit"][:7] or "of unknown commit"
    return [
        table(("file", "verdict", "ours", "upstream's"), rows),
        f"By evaluate.py in {found['checkout']}, {commit}. Its draws for answers that say nothing "
        "are not seeded.",
    ]


def _figures(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else number(value, 4)}"
        for name, value in figures.items()
    )


def published() -> Any:
    """Figures of published systems, as `published.json` has them."""
    text = files("voice.voicebench").joinpath("published.json").read_text(encoding="utf-8")
    return json.loads(text)


def ordered(subsets: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Subsets in the leaderboard's order, the others after them."""
    return sorted(subsets.items(), key=lambda pair: _place(pair[0]))


def _place(subset: str) -> int:
    order = [*LEADERBOARD, *(name for name in SUBSETS if name not in LEADERBOARD)]
    return order.index(subset)
