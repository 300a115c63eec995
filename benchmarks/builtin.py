"""How good a checkpoint of the recipe is: `python -m benchmarks.builtin [--write]`.

Asks questions in phrasings and voices that were never trained on, as `parley train --evaluate`
does, with two seeds, in every held-out engine and in noise; asks for a name ten turns after it was
told; asks about more skills and about pictures, and for function calls; has turn ends judged.
One process a core; minutes. `--write` keeps the figures in docs/builtin-model.md.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.report import machine, machine_line
from streaming.turn_settings import TurnSettings
from voice import load
from voice.training.evaluate import MEMORY_TURNS, Report, TurnEnds
from voice.training.speech import HELDOUT_ACCENT
from voice.training.suite import Job, jobs

PAGE = Path(__file__).parents[1] / "docs" / "builtin-model.md"
BEGIN, END = "<!-- figures: python -m benchmarks.builtin --write -->", "<!-- end of figures -->"
SEEDS = 0, 1
GOAL = 0.85
"""Right answers, in unseen phrasings and unseen espeak variants."""


def measure(job: Job, model: str) -> Report | TurnEnds:
    """Does one job, in a process of its own."""
    torch.set_num_threads(1)
    return job.measure(load(model))


def page(found: dict[Job, Report | TurnEnds]) -> str:
    """What was found, as Markdown."""
    reports = {job: each for job, each in found.items() if isinstance(each, Report)}
    asked = {job: each for job, each in reports.items() if job.what == "questions"}
    both = [e for job, e in asked.items() if job.voice == "espeak" and job.snr_db is None]
    together = Report([result for each in both for result in each.results])
    voices = together.by("voice")
    accent = voices.pop(f"espeak {HELDOUT_ACCENT}", Report())
    variants = Report([result for each in voices.values() for result in each.results])
    lines = []
    for job, report in asked.items():
        name = f"{job.voice}, an unseen voice of another engine"
        if job.snr_db is not None:
            name = f"espeak-ng, in pink noise at {job.snr_db:g} dB"
        elif job.voice == "espeak":
            name = f"espeak-ng, unseen variants and accent (`--seed {job.seed}`)"
        lines.append(_line(name, report))
    lines[len(both) : len(both)] = [
        _line("the unseen variants alone, in accents that are trained on, of both", variants),
        _line(f"the unseen accent `{HELDOUT_ACCENT}` alone, of both", accent),
    ]
    once = {job.what: report for job, report in reports.items() if job not in asked}
    memory, functions = once["memory"], once["functions"]
    further, pictures = once["further"], once["pictures"]
    ends = next(each for each in found.values() if isinstance(each, TurnEnds))
    verdict = "met" if all(report.accuracy >= GOAL for report in both) else "MISSED"
    return "\n\n".join(
        [
            f"Measured on: {machine_line(machine())}.",
            _table(("asked by", "questions", "right", "words of its transcripts wrong"), lines),
            f"Goal: {GOAL:.0%} of the first two lines right: **{verdict}**. Per skill, both:",
            _table(("skill", "questions", "right"), _skills(together)),
            "The further skills of the recipe, asked in the same way:",
            _table(("skill", "questions", "right"), [*_skills(further), _line("all", further)]),
            "Drawings that are shown to it, and asked about aloud:",
            _table(("skill", "questions", "right"), [*_skills(pictures), _line("all", pictures)]),
            f"A name, asked for in the {MEMORY_TURNS}th turn: {memory.accuracy:.0%} of "
            f"{len(memory.results)} conversations (goal 90%).",
            "With functions at hand: right is the call with all its arguments, and the reply to its"
            " result. The other questions need none, or one that is not there.",
            _table(("skill", "questions", "right"), [*_skills(functions), _line("all", functions)]),
            _ends(ends),
        ]
    )


def _skills(report: Report) -> list[tuple[str, ...]]:
    skills = sorted(report.by("skill").items(), key=lambda each: -each[1].accuracy)
    return [_line(name.replace("_", " "), each) for name, each in skills]


def _line(name: str, report: Report) -> tuple[str, ...]:
    share = f"{report.accuracy:.1%}"
    return name, str(len(report.results)), share, f"{report.word_error_rate:.1%}"


def _table(head: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    rule = ("---", *["--:"] * (len(head) - 1))
    cut = [line[: len(head)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *cut))


def _ends(ends: TurnEnds) -> str:
    settings = TurnSettings()
    over = sum(p >= settings.finished_probability for p in ends.whole) / max(1, len(ends.whole))
    cut = sum(p < settings.unfinished_probability for p in ends.cut) / max(1, len(ends.cut))
    return (
        f"Turn ends: the area under the curve is **{ends.area:.3f}** for {len(ends.whole)} turns "
        f"against {len(ends.cut)} that were cut short. With the thresholds of turn-taking, "
        f"{over:.0%} of the turns are answered at once, and {cut:.0%} of the others waited for."
    )


def main(arguments: Sequence[str] | None = None, where: Path = PAGE) -> int:
    """Measures, prints and perhaps keeps; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builtin", description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--questions", type=int, default=500, help="of each seed (default 500)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs")
    options = parser.parse_args(arguments)
    planned = jobs(options.questions, SEEDS)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        results = pool.map(partial(measure, model=options.model), planned)
        text = page(dict(zip(planned, results, strict=True)))
    print(text)
    if options.write:
        before, _, rest = where.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        where.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
