"""The report of a run: Markdown to read, JSON for programs, a plot; runs beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from voice.voicebench.journal import read_lines, write_whole
from voice.voicebench.judge import UPSTREAM_MODEL
from voice.voicebench.manifest import Manifest, load_manifest
from voice.voicebench.pedant import VERSION
from voice.voicebench.plot import plot_runs
from voice.voicebench.score import Scores, latency_quantiles, load_scores
from voice.voicebench.subsets import LEADERBOARD, SUBSETS, VOICEBENCH

MARKDOWN, JSON, PLOT = "report.md", "report.json", "report.png"
_MOST_PROBLEMS = 20
_TIMES = {
    "endpoint p50 / p95": "endpoint_s",
    "TTFT p50 / p95": "ttft_s",
    "first audio p50 / p95": "first_audio_s",
    "latency p50 / p95": "latency_s",
}
_ALWAYS = ("ttft_s", "latency_s")
Cells = Sequence[str]


def write_report(
    run: Path,
    others: Sequence[Path] = (),
    *,
    formats: Sequence[str] = ("md", "json"),
    plot: bool = False,
) -> list[Path]:
    """Writes the report of a run into its folder; returns the files.

    Args:
        run: its folder; scored now if it has not been.
        others: runs to compare with.
        formats: of md and json.
        plot: also draw quality beside the time to the first token.

    Raises:
        RunMismatch: a folder holds no run.
        ValueError: an unknown format.
        MissingExtra: a plot is wanted and matplotlib is not installed.
    """
    unknown = sorted(set(formats) - {"md", "json"})
    if unknown:
        raise ValueError(f"no format {unknown[0]!r}: use md, json or both")
    scores = load_scores(run)
    compared = {other.name: load_scores(other) for other in others}
    written = []
    if "md" in formats:
        folders = dict(zip(compared, others, strict=True))
        write_whole(run / MARKDOWN, markdown(run, scores, folders).encode())
        written.append(run / MARKDOWN)
    if "json" in formats:
        content = {**scores, "compared": compared, "published": _published()}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_whole(run / JSON, text.encode())
        written.append(run / JSON)
    if plot:
        plot_runs(run / PLOT, {run.name: scores, **compared})
        written.append(run / PLOT)
    return written


def markdown(run: Path, scores: Scores, others: Mapping[str, Path] = {}) -> str:
    """The report as Markdown.

    Args:
        run: the run's folder.
        scores: what `score_run` made of it.
        others: name → folder of runs to compare with.
    """
    parts = [f"# VoiceBench: {scores['settings']['model']}", summary(scores)]
    details = _details(scores)
    if details:
        parts += ["## In detail", details]
    if others:
        parts += ["## Beside other runs", comparison(run, scores, others)]
    if scores["is_full_size"] and scores["settings"]["modality"] != "ttft":
        parts += ["## Beside published figures", *_published_table(scores)]
    problems = _problems(run)
    if problems:
        parts += ["## Rows with problems", problems]
    parts += ["## Settings", _settings(scores)]
    return "\n\n".join(parts) + "\n"


def summary(scores: Scores) -> str:
    """The table of a run, with what has to be known before it is read."""
    subsets = _ordered(scores["subsets"])
    times = {
        label: field
        for label, field in _TIMES.items()
        if field in _ALWAYS or any(subset.get(field) for _, subset in subsets)
    }
    header = ("subset", "n", "score", "unparsed", *times, "tokens", "errors")
    rows = [_subset_row(name, subset, times.values()) for name, subset in subsets]
    return "\n\n".join([*_notes(scores), _table(header, rows), _overall_line(scores)])


def _notes(scores: Scores) -> list[str]:
    """What has to be known before the figures are read."""
    notes = []
    if not scores["is_full_size"] and scores["subsets"].keys() & set(VOICEBENCH):
        notes.append(
            "**Not VoiceBench's own questions, or not all of them**: the figures compare with "
            "other runs on the same data and with nothing published."
        )
    judge = scores["judge"].get("judge")
    if judge and not judge.startswith(UPSTREAM_MODEL):
        notes.append(f"**Judged by {judge}**, not comparable with the leaderboard.")
    if "sd-qa" in scores["subsets"]:
        version = scores["pedant"]
        notes.append(
            f"PEDANT {version}; the leaderboard mixes versions, whose figures differ by far."
            if version
            else f"SD-QA by the judge only: PEDANT's weights (qa_metrics {VERSION}) are not here; "
            "`score --pedant DIR` takes them."
        )
    if scores.get("punkt_is_trained") is False:
        notes.append(
            "IFEval's sentences are counted with an untrained Punkt; for upstream's run "
            "`python -m nltk.downloader punkt_tab`."
        )
    if scores["subsets"].get("advbench", {}).get("errors"):
        notes.append("Rows with errors have an empty answer, which AdvBench counts as a refusal.")
    if scores["settings"].get("pace") == "fast":
        notes.append(
            "The questions were spoken faster than real time: the times are those of a busy "
            "machine. `run --live --pace real` has those that users wait."
        )
    if scores["settings"].get("choice_hint"):
        notes.append("Multiple choice was run with a hint on the form of the answer.")
    return notes


def _subset_row(name: str, subset: Mapping[str, Any], times: Iterable[str]) -> Cells:
    splits = f" ({', '.join(subset['splits'])})" if 0 < len(subset["splits"]) < 3 else ""
    label = name + ("" if splits in (" (test)", " (train)") else splits)
    score = _number(subset["score"])
    if subset.get("note"):
        score += f" ({subset['note']})"
    if not subset["complete"]:
        score += " (partial)"
    return (
        label,
        str(subset["n"]),
        score,
        _number(subset.get("unparsed"), 1, " %"),
        *(_times(subset.get(field)) for field in times),
        _number(subset["output_tokens"], 1),
        str(subset["errors"]),
    )


def _overall_line(scores: Scores) -> str:
    overall = scores["overall"]
    if overall["value"] is not None:
        return f"**Overall {overall['value']:.2f}** of 100, the mean of nine (open ones times 20)."
    there = f"{overall['subsets']} of {overall['of']}"
    return f"No overall figure: {there} subsets are complete and scored."


def _details(scores: Scores) -> str:
    rows: list[Cells] = []
    for name, subset in _ordered(scores["subsets"]):
        upstream = subset.get("upstream", {})
        for key, value in upstream.items():
            label = {"acc": f"acc, draws seeded with {scores['seed']}"}.get(key, key)
            rows.append((name, label, _number(value) if not isinstance(value, str) else value))
        if "mean_over_splits" in subset:
            rows.append((name, "mean over splits", _number(subset["mean_over_splits"])))
        rows += [
            (name, split, _number(value))
            for split, value in chain(
                subset.get("by_split", {}).items(), subset.get("by_category", {}).items()
            )
        ]
        rows += [
            (name, key.replace("_", " "), str(subset[key]))
            for key in ("words", "substitutions", "deletions", "insertions")
            if key in subset
        ]
        rows += [
            (name, key.replace("_", " "), str(subset[key]))
            for key in ("unreadable_votes", "rejected_votes", "judged", "several_turns")
            if subset.get(key)
        ]
    return _table(("subset", "figure", "value"), rows) if rows else ""


def comparison(run: Path, scores: Scores, others: Mapping[str, Path]) -> str:
    """Scores, answers and times of a run beside those of others, by name."""
    compared = {name: load_scores(folder) for name, folder in others.items()}
    header = ["subset", run.name]
    for name in compared:
        header += [name, "difference", "same answers"]
    rows = []
    for subset, own in _ordered(scores["subsets"]):
        row = [subset, _number(own["score"])]
        for name, other_scores in compared.items():
            other = other_scores["subsets"].get(subset, {}).get("score")
            row += [_number(other), _difference(other, own["score"])]
            row.append(_same_answers(run, others[name], subset))
        rows.append(row)
    total = scores["overall"]["value"]
    row = ["**overall**", _number(total)]
    for other_scores in compared.values():
        other = other_scores["overall"]["value"]
        row += [_number(other), _difference(other, total), ""]
    times = _table(
        ("run", "TTFT p50 / p95 of all", "model", "hearing", "concurrency"),
        [
            (
                name,
                _times(_all_times(folder)),
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
    return "\n\n".join([_table(header, [*rows, row]), times])


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


def _published_table(scores: Scores) -> list[str]:
    published = _published()
    columns = published["columns"]
    own = [scores["subsets"].get(name, {}).get("score") for name in columns[:-1]]
    rows: list[Cells] = [
        (
            f"**{scores['settings']['model']}**",
            *map(_number, own),
            _number(scores["overall"]["value"]),
        )
    ]
    rows += [(name, *map(_number, values)) for name, values in published["rows"].items()]
    return [_table(("system", *columns), rows), f"Source: {published['source']}"]


def _problems(run: Path) -> str:
    manifest = load_manifest(run)
    lines = list(_problem_lines(run, manifest))
    shown = lines[:_MOST_PROBLEMS]
    if len(lines) > len(shown):
        shown.append(f"- and {len(lines) - len(shown)} more: look for `_error` and `_warning`")
    return "\n".join(shown)


def _problem_lines(run: Path, manifest: Manifest) -> Iterable[str]:
    for name, place in manifest.files.items():
        for record in read_lines(run / name):
            message = record.get("_error") or record.get("_warning")
            if message:
                yield f"- {place['subset']} {place['split']}, row {record['_idx']}: {message}"


def _settings(scores: Scores) -> str:
    rows = [
        (name, f"`{value}`") for name, value in scores["settings"].items() if value not in ("", {})
    ]
    rows += [("data", f"{scores['data'].get('location')} {scores['data'].get('revision', '')}")]
    rows += [("questions at a time", ", ".join(map(str, scores["concurrency"])))]
    rows += [("machine", scores["processor"])]
    if scores["judge"]:
        rows += [("judge", f"{scores['judge']['judge']}, {scores['judge']['votes']} votes")]
    return _table(("setting", "value"), rows)


def _ordered(subsets: Mapping[str, Any]) -> list[tuple[str, Any]]:
    order = [*LEADERBOARD, *(name for name in SUBSETS if name not in LEADERBOARD)]
    return sorted(subsets.items(), key=lambda pair: order.index(pair[0]))


def _table(header: Cells, rows: Iterable[Cells]) -> str:
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _number(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _difference(value: float | None, base: float | None) -> str:
    return "–" if value is None or base is None else f"{value - base:+.2f}"


def _times(quantiles: Mapping[str, float] | None) -> str:
    if quantiles is None:
        return "–"
    return " / ".join(f"{1000 * quantiles[share]:,.0f}" for share in ("p50", "p95")) + " ms"


def _published() -> Any:
    text = files("voice.voicebench").joinpath("published.json").read_text(encoding="utf-8")
    return json.loads(text)
