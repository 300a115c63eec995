"""Runs the benchmarks: `python -m benchmarks [PART…] [--write]`.

Prints one table per part and ends with one line of JSON. The exit status is 1 when compared results
differ or a part cannot run; then nothing is written.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType

import torch

from benchmarks import decode, encoder, first_token, pipeline, prefill, report, snapshot, vad
from benchmarks.command import run_parts
from benchmarks.sizes import Sizes

PARTS: dict[str, ModuleType] = {
    "decode": decode,
    "first_token": first_token,
    "prefill": prefill,
    "snapshot": snapshot,
    "encoder": encoder,
    "vad": vad,
    "pipeline": pipeline,
}
"""Every part's docstring says what it measures and why; `run` measures it."""


def main(arguments: Sequence[str] | None = None, sizes: Sizes | None = None) -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help=f"keep it in {report.RESULTS.name}")
    parser.add_argument("--model", help="what the pipeline loads; builtin by default")
    parser.add_argument("--threads", type=int, default=1, help="of torch, 1 by default")
    options = parser.parse_args(arguments)
    if strange := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(strange)}; there are {', '.join(PARTS)}")
    if options.write and options.parts:
        parser.error("--write keeps a whole run; leave out the parts")
    sizes = replace(sizes or Sizes(), **({"model": options.model} if options.model else {}))
    torch.set_num_threads(options.threads)
    parts = {
        name: (PARTS[name].__doc__ or "", partial(PARTS[name].run, sizes))
        for name in options.parts or PARTS
    }
    results = report.RESULTS if options.write else None
    return run_parts(parts, report.machine(), "python -m benchmarks --write", results)


if __name__ == "__main__":
    sys.exit(main())
