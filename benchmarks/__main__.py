"""Runs the benchmarks: `python -m benchmarks [PART…] [--write]`.

Prints one table per part and ends with one line of JSON. The exit status is 1 when compared results
differ or a part cannot run; then nothing is written.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType

import torch

from benchmarks import decode, encoder, first_token, pipeline, prefill, report, snapshot
from benchmarks.measure import GateFailed, Row, Unavailable
from benchmarks.sizes import Sizes

PARTS: dict[str, ModuleType] = {
    "decode": decode,
    "first_token": first_token,
    "prefill": prefill,
    "snapshot": snapshot,
    "encoder": encoder,
    "pipeline": pipeline,
}
"""Every part's docstring says what it measures and why; `run` measures it."""


def main(arguments: Sequence[str] | None = None, sizes: Sizes | None = None) -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if strange := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(strange)}; there are {', '.join(PARTS)}")
    if options.write and options.parts:
        parser.error("--write keeps a whole run; leave out the parts")
    sizes = replace(sizes or Sizes(), **({"model": options.model} if options.model else {}))
    torch.set_num_threads(options.threads)
    where = report.machine()
    print(report.machine_line(where), flush=True)
    parts: dict[str, tuple[str, Sequence[Row]]] = {}
    failures: dict[str, str] = {}
    for name in options.parts or PARTS:
        run: Callable[[Sizes], Iterator[Row]] = PARTS[name].run
        start = time.perf_counter()
        try:
            rows = list(run(sizes))
        except GateFailed as failure:
            failures[name] = str(failure)
            print(f"\n{name}: FAILED, the results differ: {failure}", flush=True)
            continue
        except Unavailable as absence:
            failures[name] = str(absence)
            print(f"\n{name}: SKIPPED: {absence}", flush=True)
            continue
        parts[name] = (PARTS[name].__doc__ or "", rows)
        print(f"\n{name} ({time.perf_counter() - start:.0f} s)\n{report.table(rows)}", flush=True)
    if options.write and not failures:
        report.RESULTS.write_text(report.page(where, parts), encoding="utf-8")
        print(f"\nwritten to {report.RESULTS}")
    print(report.json_line(where, parts, failures))
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help=f"keep it in {report.RESULTS.name}")
    parser.add_argument("--model", help="what the pipeline loads; builtin by default")
    parser.add_argument("--threads", type=int, default=1, help="of torch, 1 by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
