"""From microphone to speaker: `python -m benchmarks.latency [--write]`, or `parley latency`.

Recorded questions are played into calls to a server in a process of its own. The caller records
both directions on one clock, and the wait is read off that recording: from the last sample of the
question above -40 dBFS to the first one of the answer above it. It holds everything: the frame of
the microphone, both codecs, the network of this machine, the endpoint, the model, the voice, and
the frames in which the answer is played. The columns behind it are the server's own clock, in ms
after the last voiced window of 32 ms. A first sound earlier than the endpoint was made ahead and
held (speculation). Servers with and without it take turns, call by call.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.measure import Cell, Goal, Row
from web.latency.cli import add_options
from web.latency.command import Run, as_json, measure, read_questions, remarks
from web.latency.measure import STAGES

NAME = "latency"
COMMAND = "python -m benchmarks.latency --write"
GOALS_MS = {"P50": 350, "P95": 450}
"""With speculation."""


def rows(runs: Sequence[Run]) -> Iterator[Row]:
    """A line for each server."""
    for run in runs:
        found = run.summary
        cells: dict[str, Cell] = {
            "speculation": run.speculation,
            "right": f"{found.right} of {found.asked}",
        }
        waits = {"P50": found.p50_ms, "P95": found.p95_ms, "P99": found.p99_ms}
        cells |= {f"{name}, ms": "–" if ms is None else ms for name, ms in waits.items()}
        for name in STAGES:
            pair = found.stages[name]
            column = f"{name.removesuffix('_ms').replace('_', ' ')}, ms"
            cells[column] = "–" if pair is None else f"{pair[0]:.0f} ({pair[1]:.0f})"
        cells["caller late by up to, ms"] = run.worst_lateness_ms
        yield Row(cells, gate="", goal=_goal(run, waits))


def _goal(run: Run, waits: dict[str, float | None]) -> Goal | None:
    if run.speculation != "on":
        return None
    text = ", ".join(f"{name} ≤ {limit} ms" for name, limit in GOALS_MS.items())
    found = [(waits[name], limit) for name, limit in GOALS_MS.items()]
    return Goal(text, all(ms is not None and ms <= limit for ms, limit in found))


def main(arguments: Sequence[str] | None = None, results: Path = report.RESULTS) -> int:
    """Measures what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    add_options(parser)
    parser.add_argument("--write", action="store_true", help=f"keep it in {results.name}")
    options = parser.parse_args(arguments)
    where = report.machine()
    print(report.machine_line(where), flush=True)
    runs = measure(options, read_questions(options.questions), Console(stderr=True))
    text = report.table(list(rows(runs)))
    print(f"\n{text}")
    for line in (each for run in runs for each in remarks(run)):
        print(line)
    if options.write:
        about = f"Written by `{COMMAND}`. Measured on: {report.machine_line(where)}."
        report.write_section(results, NAME, [(__doc__ or "").strip(), about, text])
        print(f"\nwritten to {results}")
    print(json.dumps({"machine": where, "runs": [as_json(run) for run in runs]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
