"""Runs parts one after the other, prints them, and keeps them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.measure import GateFailed, Row, Unavailable

Part = tuple[str, Callable[[], Iterator[Row]]]
"""What a part measures and why, and what measures it."""


def run_parts(
    parts: Mapping[str, Part],
    where: Mapping[str, object],
    command: str,
    results: Path | None = None,
) -> int:
    """Runs all parts, whatever becomes of the others.

    Args:
        parts: by name.
        where: the machine, see `report.machine`.
        command: what was run.
        results: the file to keep the results in, if all parts succeed.

    Returns:
        The exit status: 0, or 1 if compared results differ or a part cannot run.
    """
    print(report.machine_line(where), flush=True)
    done: dict[str, tuple[str, Sequence[Row]]] = {}
    failures: dict[str, str] = {}
    for name, (explanation, run) in parts.items():
        start = time.perf_counter()
        try:
            rows = list(run())
        except GateFailed as failure:
            failures[name] = str(failure)
            print(f"\n{name}: FAILED, the results differ: {failure}", flush=True)
            continue
        except Unavailable as absence:
            failures[name] = str(absence)
            print(f"\n{name}: SKIPPED: {absence}", flush=True)
            continue
        done[name] = (explanation, rows)
        print(f"\n{name} ({time.perf_counter() - start:.0f} s)\n{report.table(rows)}", flush=True)
    if results is not None and not failures:
        kept = report.sections_of_others(results)
        results.write_text(report.page(where, done, command) + kept, encoding="utf-8")
        print(f"\nwritten to {results}")
    print(report.json_line(where, done, failures))
    return 1 if failures else 0
