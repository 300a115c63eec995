"""The report of a run: Markdown to read, JSON for programs, a plot; runs beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from voice.voicebench.comparison import (
    comparison,
    kimi_table,
    ordered,
    published,
    published_table,
    upstream_table,
)
from voice.voicebench.journal import read_lines, write_whole
from voice.voicebench.judge import UPSTREAM_MODEL
from voice.voicebench.kimi_results import KimiResult, read_kimi_results
from voice.voicebench.manifest import Manifest, load_manifest
from voice.voicebench.pedant import VERSION
from voice.voicebench.plot import plot_runs
from voice.voicebench.score import Scores, load_scores
from voice.voicebench.subsets import VOICEBENCH
from voice.voicebench.tables import Cells, milliseconds, number, table

MARKDOWN, JSON, PLOT = "report.md", "report.json", "report.png"
_MOST_PROBLEMS = 20
_TIMES = {
    "endpoint p50 / p95": "endpoint_s",
    "TTFT p50 / p95": "ttft_s",
    "first audio p50 / p95": "first_audio_s",
    "latency p50 / p95": "latency_s",
}
_KIMI_NOTE = (
    "The kit takes one vote of its judge where the leaderboard takes three, has multiple choice "
    "judged unless its method is vb-mcq, and knows refusals by the case of their letters. The "
    "difference is that of the answers by upstream's rules, where these could be applied."
)
_ALWAYS = ("ttft_s", "latency_s")


def write_report(
    run: Path,
    others: Sequence[Path] = (),
    *,
    formats: Sequence[str] = ("md", "json"),
    plot: bool = False,
    kimi: Sequence[Path] = (),
) -> list[Path]:
    """Writes the report of a run into its folder; returns the files.

    Args:
        run: its folder; scored now if it has not been.
        others: runs to compare with.
        formats: of md and json.
        plot: also draw quality beside the time to the first token.
        kimi: results of Kimi-Audio-Evalkit to compare with.

    Raises:
        RunMismatch: a folder holds no run.
        KimiFileError: a file is no such result.
        ValueError: an unknown format.
        MissingExtra: a plot is wanted and matplotlib is not installed.
    """
    unknown = sorted(set(formats) - {"md", "json"})
    if unknown:
        raise ValueError(f"no format {unknown[0]!r}: use md, json or both")
    scores = load_scores(run)
    results = read_kimi_results(kimi)
    folders = _named(run, others)
    compared = {name: load_scores(folder) for name, folder in folders.items()}
    written = []
    if "md" in formats:
        write_whole(run / MARKDOWN, markdown(run, scores, folders, results).encode())
        written.append(run / MARKDOWN)
    if "json" in formats:
        content = {**scores, "compared": compared, "published": published()}
        if results:
            content["kimi"] = [result.as_dict() for result in results]
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_whole(run / JSON, text.encode())
        written.append(run / JSON)
    if plot:
        plot_runs(run / PLOT, {run.name: scores, **compared})
        written.append(run / PLOT)
    return written


def _named(run: Path, others: Sequence[Path]) -> dict[str, Path]:
    """Runs by the name of their folder, or by its whole path where names are the same."""
    names = [run.resolve().name, *(other.resolve().name for other in others)]
    return {
        str(other) if names.count(other.resolve().name) > 1 else other.resolve().name: other
        for other in others
    }


def markdown(
    run: Path,
    scores: Scores,
    others: Mapping[str, Path] = {},
    kimi: Sequence[KimiResult] = (),
) -> str:
    """The report as Markdown.

    Args:
        run: the run's folder.
        scores: what `score_run` made of it.
        others: name → folder of runs to compare with.
        kimi: results of Kimi-Audio-Evalkit to compare with.
    """
    parts = [f"# VoiceBench: {scores['settings']['model']}", summary(scores)]
    details = _details(scores)
    if details:
        parts += ["## In detail", details]
    if "upstream" in scores:
        parts += ["## Beside upstream's own script", *upstream_table(scores["upstream"])]
    if others:
        parts += ["## Beside other runs", comparison(run, scores, others)]
    if scores["is_full_size"] and scores["settings"]["modality"] != "ttft":
        parts += ["## Beside published figures", *published_table(scores)]
    if kimi:
        parts += ["## Beside Kimi-Audio-Evalkit", kimi_table(scores, kimi), _KIMI_NOTE]
    problems = _problems(run, scores)
    if problems:
        parts += ["## Rows with problems", problems]
    parts += ["## Settings", _settings(scores)]
    return "\n\n".join(parts) + "\n"


def summary(scores: Scores) -> str:
    """The table of a run, with what has to be known before it is read."""
    subsets = ordered(scores["subsets"])
    times = {
        label: field
        for label, field in _TIMES.items()
        if field in _ALWAYS or any(subset.get(field) for _, subset in subsets)
    }
    header = ("subset", "n", "score", "unparsed", *times, "tokens", "errors")
    rows = [_subset_row(name, subset, times.values()) for name, subset in subsets]
    return "\n\n".join([*_notes(scores), table(header, rows), _overall_line(scores)])


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
    score = number(subset["score"])
    if subset.get("note"):
        score += f" ({subset['note']})"
    if not subset["complete"]:
        score += " (partial)"
    return (
        label,
        str(subset["n"]),
        score,
        number(subset.get("unparsed"), 1, " %"),
        *(milliseconds(subset.get(field)) for field in times),
        number(subset["output_tokens"], 1),
        str(subset["errors"]),
    )


def _overall_line(scores: Scores) -> str:
    overall = scores["overall"]
    if overall["value"] is not None:
        how = ["the mean of nine (open ones times 20)"]
        subsets = scores["subsets"].values()
        if any(subset.get("unparsed") for subset in subsets):
            how.append("answers that name no choice as right as chance is")
        if any(subset.get("note") for subset in subsets):
            how.append("SD-QA by the judge only")
        return f"**Overall {overall['value']:.2f}** of 100, {', '.join(how)}."
    there = f"{overall['subsets']} of {overall['of']}"
    return f"No overall figure: {there} subsets are complete and scored."


def _details(scores: Scores) -> str:
    rows: list[Cells] = []
    for name, subset in ordered(scores["subsets"]):
        upstream = subset.get("upstream", {})
        for key, value in upstream.items():
            label = {"acc": f"acc, draws seeded with {scores['seed']}"}.get(key, key)
            rows.append((name, label, number(value) if not isinstance(value, str) else value))
        if "mean_over_splits" in subset:
            rows.append((name, "mean over splits", number(subset["mean_over_splits"])))
        rows += [
            (name, split, number(value))
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
    return table(("subset", "figure", "value"), rows) if rows else ""


def _problems(run: Path, scores: Scores) -> str:
    lines = list(_problem_lines(run, load_manifest(run)))
    lines += [
        f"- {subset}, row {index}, is not scored: {reason}"
        for subset, score in ordered(scores["subsets"])
        for index, reason in score.get("unscored", ())
    ]
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
    return table(("setting", "value"), rows)
