"""What the commands of `parley voicebench` do, each with the options that its cli has read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voice.errors import VoiceError
from voice.voicebench.progress import progress_bars
from voice.voicebench.run_options import api_key, open_engine, run_settings

if TYPE_CHECKING:
    from voice.voicebench.dataset import DataSet
    from voice.voicebench.judge import Judge
    from voice.voicebench.manifest import Manifest
    from voice.voicebench.runner import Portion, SplitResult, Task

_MOST_PROBLEMS = 20


class Unfinished(VoiceError):
    """Something is left to do; the message says what, and how to go on."""


def run(options: argparse.Namespace) -> None:
    """`parley voicebench run`: asks what has not been asked yet."""
    from voice.voicebench.dataset import open_dataset
    from voice.voicebench.manifest import open_manifest, this_session
    from voice.voicebench.result_files import pool_splits
    from voice.voicebench.runner import run_split
    from voice.voicebench.subsets import hub_patterns, parse_subsets

    settings = run_settings(options)
    portion = _portion(options)
    subsets, splits = parse_subsets(options.subset), _names(options.split)
    is_main = "all" not in _names(options.subset)
    dataset = open_dataset(
        options.data, hub_patterns(subsets, splits, options.config, main=is_main)
    )
    tasks = _tasks(options, dataset)
    results = []
    with open_engine(options, settings) as engine:
        manifest = open_manifest(
            options.out,
            {**settings.as_dict(), **engine.identity()},
            {"location": str(options.data), "revision": dataset.revision},
            fresh=options.fresh,
        )
        concurrency = 1 if settings.modality == "ttft" else options.concurrency
        manifest.sessions.append(this_session(concurrency, options.shard))
        with progress_bars() as bar:
            for task in tasks:
                on_progress = bar(f"{task.subset.name} {task.split}")
                result = run_split(
                    task,
                    dataset,
                    engine,
                    settings,
                    options.out,
                    manifest,
                    portion=portion,
                    concurrency=concurrency,
                    on_progress=lambda result, show=on_progress: show(result.done, result.rows),  # type: ignore[misc]
                )
                results.append((task, result))
                pool_splits(options.out, settings, task.subset.name)
    _tell(results, options.out, portion)


def judge(options: argparse.Namespace) -> None:
    """`parley voicebench judge`: has open answers voted on."""
    from voice.voicebench.judge import JUDGE_FILE, judge_file
    from voice.voicebench.judge_batch import BatchJudge, export_requests
    from voice.voicebench.manifest import load_manifest

    folder = options.folder
    manifest = load_manifest(folder)
    names = [name for name in _judged_files(manifest) if (folder / name).is_file()]
    if not names:
        raise Unfinished(f"{folder} has no complete subset that a judge votes on: run one first")
    if options.export:
        count = export_requests(folder, names, options.judge_model, options.votes, options.export)
        print(f"{count} requests are in {options.export}; bring the answers with --import FILE.")
        return
    if options.fresh:
        for file in [folder / JUDGE_FILE, *(folder / f"result-{name}" for name in names)]:
            file.unlink(missing_ok=True)
        for file in (folder / ".partial").glob("result-*.jsonl"):
            file.unlink()
    voter = None if options.answers else _judge(options)
    left = 0
    with progress_bars() as bar:
        for name in names:
            silent = judge_file(
                folder,
                name,
                voter or BatchJudge(options.answers, name),
                concurrency=options.concurrency,
                on_vote=bar(name),
            )
            left += len(silent)
            for index, reason in silent[:_MOST_PROBLEMS]:
                print(f"parley: {name}, row {index}: {reason}", file=sys.stderr)
    if left:
        raise Unfinished(f"{left} answers have no votes yet: run the command again")
    print(f"{len(names)} files are judged.")


def score(options: argparse.Namespace) -> None:
    """`parley voicebench score`: writes scores.json and prints the table."""
    from voice.voicebench.pedant import Pedant
    from voice.voicebench.report import markdown
    from voice.voicebench.score import score_run
    from voice.voicebench.upstream import GOOD, Checkout, UpstreamDiffers

    judge_only = options.pedant == "none"
    pedant = Pedant.load(Path(options.pedant)) if options.pedant and not judge_only else None
    if options.upstream_python and not options.upstream:
        raise ValueError("--upstream-python is for --upstream CHECKOUT: name that as well")
    checkout = Checkout(options.upstream, options.upstream_python) if options.upstream else None
    with progress_bars() as bar:
        on_file = bar("upstream's evaluate.py") if checkout else (lambda done, count: None)
        scores = score_run(
            options.folder,
            seed=options.seed,
            pedant=pedant,
            judge_only=judge_only,
            checkout=checkout,
            on_file=on_file,
        )
    print(markdown(options.folder, scores), end="")
    checks = scores.get("upstream", {"files": []})["files"]
    bad = [check for check in checks if check["verdict"] not in GOOD]
    if bad:
        raise UpstreamDiffers(
            f"upstream's evaluate.py gives other figures for {len(bad)} of {len(checks)} files, or "
            "none: see the table"
        )


def report(options: argparse.Namespace) -> None:
    """`parley voicebench report`: writes the report's files."""
    from voice.voicebench.report import write_report

    formats = _names(options.format)
    for file in write_report(
        options.folder, options.compare, formats=formats, plot=options.plot, kimi=options.kimi
    ):
        print(file)


def make(options: argparse.Namespace) -> None:
    """`parley voicebench make`: writes the small benchmark."""
    from voice.voicebench.extras import MissingExtra

    try:
        from voice.voicebench.small import make_small
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"making voices needs the package {error.name}: pip install 'parley-voice[train]'"
        ) from error
    count = make_small(options.directory, options.items, options.seed)
    print(f"{count} questions are in {options.directory}.")


def _portion(options: argparse.Namespace) -> Portion:
    from voice.voicebench.runner import Portion

    first, _, count = options.shard.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise ValueError(f"--shard {options.shard} is not I/N with I from 1 to N, such as 2/4")
    return Portion(limit=options.limit, shard=int(first) - 1, shards=int(count))


def _tasks(options: argparse.Namespace, dataset: DataSet) -> list[Task]:
    from voice.voicebench.runner import Task
    from voice.voicebench.subsets import parse_subsets, wanted_splits

    asked, is_main = _names(options.split), "all" not in _names(options.subset)
    tasks = []
    for subset in parse_subsets(options.subset):
        if not is_main and subset.name not in dataset.sources:
            continue
        config = dataset.config_of(subset.name, options.config)
        splits = wanted_splits(subset, dataset.splits(config), asked, main=is_main)
        tasks += [Task(subset, config, split) for split in splits]
    return tasks


def _names(text: str) -> list[str]:
    return [name for name in text.replace(" ", "").split(",") if name]


def _judge(options: argparse.Namespace) -> Judge:
    if options.rules:
        from voice.voicebench.rule_judge import RuleJudge

        return RuleJudge(options.votes)
    if not options.judge_url:
        raise ValueError(
            "name who judges: --judge-url URL, --export FILE for a machine that reaches none, or "
            "--rules for the small benchmark"
        )
    from voice.voicebench.judge import UrlJudge

    return UrlJudge(
        options.judge_url,
        options.judge_model,
        votes=options.votes,
        api_key=api_key(options) or "none",
        retries=options.retries,
    )


def _judged_files(manifest: Manifest) -> Iterator[str]:
    from voice.voicebench.subsets import SUBSETS

    for name, place in manifest.files.items():
        if SUBSETS[place["subset"]].is_judged:
            yield name


def _tell(results: list[tuple[Task, SplitResult]], out: Path, portion: Portion) -> None:
    """Says what is odd and what is left.

    Raises:
        Unfinished: rows of this portion have no answer.
    """
    left = 0
    for task, result in results:
        for index, message in result.problems[:_MOST_PROBLEMS]:
            where = f"{task.subset.name} {task.split}, row {index}"
            print(f"parley: {where}: {message}", file=sys.stderr)
        more = len(result.problems) - _MOST_PROBLEMS
        if more > 0:
            print(f"parley: {task.subset.name} {task.split}: and {more} more", file=sys.stderr)
        left += result.unanswered
    complete = sum(result.is_complete for _, result in results)
    if left:
        raise Unfinished(f"{left} questions have no answer yet: run the command again")
    where = f" in this shard of {portion.shards}" if portion.shards > 1 else ""
    print(f"{complete} of {len(results)} splits are complete in {out}; nothing is left{where}.")
