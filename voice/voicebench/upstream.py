"""Upstream's own `evaluate.py`, run on our files: its figures beside ours.

A checkout of github.com/MatthewCYM/VoiceBench and a Python with its requirements are the user's.
The script logs one dictionary a file and writes nothing. Where it draws answers at random,
unseeded, its figure can be any between none and all of them right: that is compared, and not the
draws.
"""

from __future__ import annotations

import ast
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voice.errors import VoiceError
from voice.voicebench.journal import read_lines
from voice.voicebench.manifest import Manifest
from voice.voicebench.pedant import Pedant
from voice.voicebench.scoring import EVALUATORS, aggregate
from voice.voicebench.subsets import ALL, SUBSETS

EQUAL, DRAWN, OTHER, BOTH_STOP, FAILED = (
    "equal",
    "equal but for the draws",
    "DIFFERENT",
    "both stop",
    "upstream fails",
)
GOOD = (EQUAL, DRAWN, BOTH_STOP)
"""Nothing speaks against our figures."""
_SCRIPT = "evaluate.py"
_TIMEOUT_S = 1800.0
_NUMPY = re.compile(r"np\.\w+\(([^()]*)\)")
_NOT_A_NUMBER = re.compile(r"\bnan\b")
_ROUNDING = 1e-6


class UpstreamMissing(VoiceError):
    """There is no checkout of upstream's where one was named."""


class UpstreamDiffers(VoiceError):
    """Upstream's script gives other figures, or none."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of upstream's.

    Attributes:
        directory: where it is.
        python: that has its requirements; by default the one of a .venv in it, or this one.

    Raises:
        UpstreamMissing: it has no `evaluate.py`.
    """

    directory: Path
    python: Path | None = None

    def __post_init__(self) -> None:
        if not (self.directory / _SCRIPT).is_file():
            raise UpstreamMissing(
                f"{self.directory} holds no {_SCRIPT}: git clone "
                "https://github.com/MatthewCYM/VoiceBench, and name its folder"
            )

    @property
    def commit(self) -> str:
        """Which commit is checked out; empty if nobody knows."""
        command = ["git", "-C", str(self.directory), "rev-parse", "HEAD"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def evaluate(self, file: Path, evaluator: str) -> dict[str, Any]:
        """What the script logs for a result file.

        Raises:
            UpstreamDiffers: it fails, or logs no dictionary.
        """
        script = str((self.directory / _SCRIPT).resolve())
        command = [self._interpreter(), script, "--src_file", file.name, "--evaluator", evaluator]
        try:
            done = subprocess.run(
                command,
                cwd=file.parent,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_S,
                # Upstream's majority of three different votes depends on the order of hashes.
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UpstreamDiffers(str(error)) from error
        lines = (done.stderr + done.stdout).strip().splitlines()
        if done.returncode:
            raise UpstreamDiffers(lines[-1] if lines else f"exit status {done.returncode}")
        for line in reversed(lines):
            if (figures := _dictionary(line)) is not None:
                return figures
        raise UpstreamDiffers(f"{_SCRIPT} logs no figures")

    def _interpreter(self) -> str:
        own = self.directory / ".venv" / "bin" / "python"
        if self.python is not None:
            return str(self.python)
        return str(own) if own.is_file() else sys.executable


@dataclass(slots=True)
class Check:
    """One file, scored here and there.

    Attributes:
        subset, split: what it holds.
        verdict: how the figures compare.
        ours, upstream: the figures.
        message: why there are none of upstream's.
    """

    subset: str
    split: str
    verdict: str = FAILED
    ours: dict[str, Any] = field(default_factory=dict)
    upstream: dict[str, Any] = field(default_factory=dict)
    message: str = ""


def check_run(
    run: Path,
    manifest: Manifest,
    checkout: Checkout,
    *,
    seed: int = 0,
    pedant: Pedant | None = None,
    on_file: Callable[[int, int], None] = lambda done, count: None,
) -> list[Check]:
    """Has all complete files of a run scored by upstream's script.

    Args:
        run: its folder.
        manifest: of the run.
        checkout: upstream's.
        seed, pedant: as in `voice.voicebench.score.score_run`.
        on_file: called at the start and after each.
    """
    files = list(_files(run, manifest))
    checks = []
    on_file(0, len(files))
    for number, (file, subset, split) in enumerate(files, 1):
        evaluator = SUBSETS[subset].evaluator
        assert evaluator is not None
        check = Check(subset, split)
        try:
            check.ours = aggregate(evaluator, read_lines(file), seed=seed, pedant=pedant)
        except ValueError as error:
            check.ours = {"error": str(error)}
        try:
            check.upstream = checkout.evaluate(file, evaluator)
            check.verdict = _verdict(evaluator, check.ours, check.upstream)
        except UpstreamDiffers as error:
            check.message = str(error)
            check.verdict = BOTH_STOP if "error" in check.ours else FAILED
        checks.append(check)
        on_file(number, len(files))
    return checks


def _files(run: Path, manifest: Manifest) -> Iterator[tuple[Path, str, str]]:
    """Result files that upstream scores, with subset and split; the pooled ones where there are."""
    pooled: set[str] = set()
    for name, place in manifest.files.items():
        subset, split = place["subset"], place["split"]
        if SUBSETS[subset].evaluator not in EVALUATORS or subset in pooled:
            continue
        prefix = "result-" if SUBSETS[subset].is_judged else ""
        whole = run / name.replace(f"-{subset}-{split}-", f"-{subset}-{ALL}-")
        if whole.is_file():
            pooled.add(subset)
            yield whole, subset, ALL
        elif (run / f"{prefix}{name}").is_file():
            yield run / f"{prefix}{name}", subset, split


def _verdict(evaluator: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    if "error" in ours:
        return OTHER
    is_drawn = evaluator in ("mcq", "bbh") and ours["fail"] > 0
    for name, figure in theirs.items():
        own = ours.get(name)
        if own is None:  # PEDANT's, where its weights are not here
            continue
        if is_drawn and name == "acc":
            if (
                not ours["strict"] - _ROUNDING
                <= figure
                <= ours["strict"] + ours["fail"] + _ROUNDING
            ):
                return OTHER
        elif not _same(own, figure):
            return OTHER
    return DRAWN if is_drawn else EQUAL


def _same(own: float, figure: float) -> bool:
    if math.isnan(own) or math.isnan(figure):
        return math.isnan(own) and math.isnan(figure)
    return math.isclose(own, figure, rel_tol=_ROUNDING, abs_tol=_ROUNDING)


def _dictionary(line: str) -> dict[str, Any] | None:
    """The dictionary of numbers that a log line ends with; None if it does not."""
    start = line.find("{")
    if start < 0:
        return None
    text = _NOT_A_NUMBER.sub("'nan'", _NUMPY.sub(r"\1", line[start:].strip()))
    try:
        found = ast.literal_eval(text)
        return {str(name): float(figure) for name, figure in found.items()}
    except (ValueError, SyntaxError, AttributeError, TypeError):
        return None
