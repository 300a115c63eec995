"""Results as text for people, as one line of JSON for programs, and as a page to keep."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import transformers

from benchmarks.measure import Cell, Row, Spread

RESULTS = Path(__file__).with_name("results.md")
_ROOT = Path(__file__).parents[1]

Parts = Mapping[str, tuple[str, Sequence[Row]]]
"""By name: the part's explanation, and its rows."""


def machine() -> dict[str, object]:
    """Where and with what this runs."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def machine_line(machine: Mapping[str, object]) -> str:
    """The same as one line for people."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.items())


def table(rows: Sequence[Row]) -> str:
    """A markdown table; columns in the order in which rows bring them."""
    columns = list(dict.fromkeys(name for row in rows for name in row.cells))
    lines = [[*columns, "goal", "equal"]]
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal.text}: {'met' if row.goal.met else 'MISSED'}"
        cells = [_text(row.cells[name]) if name in row.cells else "" for name in columns]
        lines.append([*cells, goal, row.gate])
    kept = [i for i in range(len(lines[0])) if any(line[i] for line in lines[1:])]
    lines = [[line[i] for i in kept] for line in lines]
    lines.insert(1, ["---"] * len(kept))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(machine: Mapping[str, object], parts: Parts, command: str) -> str:
    """What to keep of a run of `command`: what was measured, on what, and what was compared."""
    text = [
        "# Benchmarks",
        f"Written by `{command}`. Milliseconds are medians, with the 95th "
        "percentile in brackets. Everything on one line was measured in one run, in turns, with "
        "the same weights, after what is compared had given the same results (last column). "
        "Weights are random except for the pipeline's, so these are speeds, not answers. Ratios "
        "carry over to other machines; milliseconds do not.",
        "Measured on: " + machine_line(machine) + ".",
    ]
    for name, (explanation, rows) in parts.items():
        text += [f"## {name}", explanation.strip(), table(rows)]
    return "\n\n".join(text) + "\n"


_SECTION = "<!-- {}: written by a command of its own -->", "<!-- end of {} -->"


def write_section(page: Path, name: str, paragraphs: Sequence[str]) -> None:
    """Puts a section of another command's into a page, or in the place of what it was."""
    before, _, after = _split(page.read_text(encoding="utf-8"), name)
    begin, end = (each.format(name) for each in _SECTION)
    section = "\n\n".join([begin, f"## {name}", *paragraphs, end])
    page.write_text(f"{before.rstrip()}\n\n{section}\n{after}", encoding="utf-8")


def sections_of_others(page: Path) -> str:
    """What `write_section` has put into a page, to be kept when it is written anew."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    begin, end = (re.escape(each).replace(r"\{\}", "(.+?)") for each in _SECTION)
    found = re.finditer(f"{begin}.*?{end.replace('(.+?)', chr(92) + '1')}", text, re.DOTALL)
    return "".join(f"\n{each[0]}\n" for each in found)


def _split(text: str, name: str) -> tuple[str, str, str]:
    begin, end = (each.format(name) for each in _SECTION)
    before, _, rest = text.partition(begin)
    section, _, after = rest.partition(f"{end}\n")
    return before, section, after


def json_line(machine: Mapping[str, object], parts: Parts, failures: Mapping[str, str]) -> str:
    """Everything on one line."""
    rows = {name: [_plain(row) for row in rows] for name, (_, rows) in parts.items()}
    return json.dumps({"machine": machine, "parts": rows, "failures": failures})


def _plain(row: Row) -> dict[str, object]:
    plain: dict[str, object] = {}
    for name, cell in row.cells.items():
        plain[name] = (
            {"median": cell.median, "p95": cell.p95, "repeats": len(cell.values)}
            if isinstance(cell, Spread)
            else cell
        )
    goal = None if row.goal is None else asdict(row.goal)
    return plain | {"gate": row.gate, "goal": goal}


def _text(cell: Cell) -> str:
    if isinstance(cell, Spread):
        return f"{_number(cell.median)} ({_number(cell.p95)})"
    return _number(cell) if isinstance(cell, float) else str(cell)


def _number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    """The commit, with a plus if files differ from it; "unknown" outside a repository."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
