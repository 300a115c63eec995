"""What `parley latency` does: servers in processes of their own, calls to them, and a table."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from voice.audio_file import read_audio
from voice.commands import UsageError
from web.latency.interview import Interview
from web.latency.measure import STAGES, Answer, Question, Summary, summarize
from web.media.interface import MediaError

if TYPE_CHECKING:
    from rich.progress import Progress

QUESTIONS = Path(__file__).parents[2] / "voice" / "samples" / "questions.tsv"
LINES_KEPT = 20
"""Of what a server says that does not come up."""


@dataclass(slots=True, kw_only=True)
class Run:
    """All answers of one server.

    Attributes:
        speculation: on, off, or ? where the server is somebody else's.
        address: of the server.
        worst_lateness_ms: of the caller's own clock.
        missed_frames: of 20 ms, that the caller came too late for.
    """

    speculation: str
    address: str
    answers: list[Answer] = field(default_factory=list)
    worst_lateness_ms: float = 0.0
    missed_frames: int = 0

    @property
    def summary(self) -> Summary:
        """See `Summary`."""
        return summarize(self.answers)


def latency(options: argparse.Namespace) -> None:
    """`parley latency`."""
    if options.url and options.speculation:
        raise UsageError("--speculation starts a server, --url names one: leave out one of them")
    if options.save is not None and not options.save.is_dir():
        raise UsageError(f"there is no directory {options.save}: make it first")
    questions = read_questions(options.questions)
    try:
        runs = measure(options, questions, Console(stderr=True))
    except MediaError as error:
        raise UsageError(str(error)) from error
    if options.json:
        for run in runs:
            print(json.dumps(as_json(run), ensure_ascii=False), flush=True)
        return
    Console().print(table(runs))
    for run in runs:
        for line in remarks(run):
            print(line)


def read_questions(file: Path) -> list[Question]:
    """Reads a table of questions: on each line a sound file beside it, what it says, and words one
    of which a right answer names, parted by `|`; between them tabs.

    Raises:
        UsageError: a line that is none.
    """
    questions = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            raise UsageError(
                f"{file}, line {number}: give FILE, QUESTION and ANSWERS with tabs between them"
            )
        name, text, answers = fields
        samples = read_audio(file.parent / name).samples
        questions.append(Question(text=text, samples=samples, answers=answers.split("|")))
    if not questions:
        raise UsageError(f"{file} holds no questions")
    return questions


def measure(
    options: argparse.Namespace, questions: Sequence[Question], console: Console
) -> list[Run]:
    """Asks all questions in `options.rounds` calls to each server.

    The servers take turns call by call, so that what disturbs the machine disturbs all of them.

    Raises:
        MediaError: a server does not come up, or a call fails.
    """
    from rich.progress import Progress

    with ExitStack() as stack:
        if options.url:
            runs = [Run(speculation="?", address=options.url.rstrip("/"))]
        else:
            wanted = [options.speculation] if options.speculation else ["on", "off"]
            runs = [
                Run(speculation=each, address=stack.enter_context(serving(options, each)))
                for each in wanted
            ]
        progress = stack.enter_context(Progress(console=console, transient=True))
        total = options.rounds * len(runs) * len(questions)
        _interview_all(options, questions, runs, progress, total)
    return runs


def _interview_all(
    options: argparse.Namespace,
    questions: Sequence[Question],
    runs: Sequence[Run],
    progress: Progress,
    total: int,
) -> None:
    task = progress.add_task("asking", total=total)
    for number in range(options.rounds):
        for run in runs:
            interview = Interview(run.address, options.api_key, seed=number)
            run.answers += asyncio.run(interview.hold(questions))
            run.worst_lateness_ms = max(run.worst_lateness_ms, interview.worst_lateness_ms)
            run.missed_frames += interview.card.missed_frames
            if options.save is not None:
                name = f"speculation-{run.speculation.replace('?', 'unknown')}-{number}.wav"
                _save(options.save / name, interview.card.recording())
            progress.advance(task, len(questions))


@contextmanager
def serving(options: argparse.Namespace, speculation: str) -> Iterator[str]:
    """A server in a process of its own; yields its address.

    Raises:
        MediaError: it does not come up.
    """
    command = [sys.executable, "-m", "web", "serve", "--port", "0", "--speculation", speculation]
    for name in ("model", "device", "dtype", "threads"):
        value = getattr(options, name)
        if value is not None:
            command += [f"--{name}", str(value)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        address = _address_of(process)
        # What it says from now on is read away: a full pipe would hold it up.
        assert process.stdout is not None
        threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if found := re.search(r"Parley is at (\S+?)/?$", line.strip()):
            return found[1]
    raise MediaError("the server does not come up: " + " ".join(said[-LINES_KEPT:]))


def table(runs: Sequence[Run]) -> Table:
    """The figures, a row for each server."""
    shown = Table(box=None, pad_edge=False)
    for name in ("speculation", "right", "P50, ms", "P95, ms", "P99, ms"):
        shown.add_column(name, justify="left" if name == "speculation" else "right")
    for name in STAGES:
        shown.add_column(name.removesuffix("_ms").replace("_", " "), justify="right")
    for run in runs:
        found = run.summary
        shown.add_row(
            run.speculation,
            f"{found.right} of {found.asked}",
            *(_number(each) for each in (found.p50_ms, found.p95_ms, found.p99_ms)),
            *(_pair(found.stages[name]) for name in STAGES),
        )
    return shown


def remarks(run: Run) -> list[str]:
    """What one has to know beside the figures, a line each."""
    found, lines = run.summary, []
    about = f"speculation {run.speculation}: "
    if found.heard < found.asked:
        lines.append(f"{about}{found.asked - found.heard} of {found.asked} were not answered.")
    if found.cut_in:
        lines.append(f"{about}{found.cut_in} answers began before their question had ended.")
    if run.missed_frames or run.worst_lateness_ms > 20:
        lines.append(
            f"{about}the caller itself was late by up to {run.worst_lateness_ms:.0f} ms: this "
            "machine is too busy for exact figures."
        )
    return lines


def as_json(run: Run) -> dict[str, Any]:
    """One run for programs."""
    return {
        "speculation": run.speculation,
        **run.summary.as_json(),
        "worst_lateness_ms": run.worst_lateness_ms,
        "missed_frames": run.missed_frames,
        "answers": [asdict(each) for each in run.answers],
    }


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _pair(value: tuple[float, float] | None) -> str:
    return "–" if value is None else f"{value[0]:.0f} ({value[1]:.0f})"


def _save(file: Path, recording: np.ndarray) -> None:
    import soundfile

    from web.latency.card import RATE_HZ

    soundfile.write(file, recording, RATE_HZ, subtype="PCM_16")
