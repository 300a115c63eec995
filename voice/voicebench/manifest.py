"""The manifest of a run: what was asked, of what, and how. What differs in it is never mixed."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from voice.errors import VoiceError
from voice.voicebench.journal import locked, write_whole

FILE_NAME = "manifest.json"
PARTIAL = ".partial"
_PACKAGES = (
    "parley-voice", "torch", "numpy", "pyarrow", "openai", "av", "aiohttp", "qa-metrics", "nltk",
    "langdetect", "jiwer", "whisper-normalizer",
)  # fmt: skip


class RunMismatch(VoiceError):
    """A run folder holds results of other settings."""


@dataclass(slots=True)
class Manifest:
    """What is known of a run.

    Attributes:
        settings: of the run and its engine; the same in all its parts.
        data: where the data set is, and its revision.
        files: result file → subset, configuration, split, rows asked, rows there are, data digest.
        sessions: when and where the run was worked on.
    """

    settings: dict[str, Any]
    data: dict[str, Any]
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def save(self, run: Path) -> None:
        """Writes the manifest into the run's folder, with what other shards have noted there."""
        with locked(run):
            if (run / FILE_NAME).is_file():
                there = load_manifest(run)
                self.files = there.files | self.files
                added = [each for each in self.sessions if each not in there.sessions]
                self.sessions = [*there.sessions, *added]
            text = json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"
            write_whole(run / FILE_NAME, text.encode())

    def claim(self, name: str, place: Mapping[str, Any]) -> None:
        """Notes that the run has this result file.

        Raises:
            RunMismatch: it has it already, of other data.
        """
        old = self.files.get(name)
        if old is not None and old["digest"] != place["digest"]:
            raise RunMismatch(
                f"{name} was made from other data than is there now (digest {old['digest']}, now "
                f"{place['digest']}): run into another --out, or start again with --fresh"
            )
        self.files[name] = dict(place)


def load_manifest(run: Path) -> Manifest:
    """The manifest of a run.

    Raises:
        RunMismatch: the folder holds no run.
    """
    try:
        record = json.loads((run / FILE_NAME).read_text(encoding="utf-8"))
        return Manifest(**record)
    except FileNotFoundError:
        raise RunMismatch(
            f"{run} holds no run: make one with parley voicebench run --out {run}"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise RunMismatch(f"the manifest of {run} cannot be read: {error}") from error


def open_manifest(
    run: Path, settings: Mapping[str, Any], data: Mapping[str, Any], *, fresh: bool
) -> Manifest:
    """Begins a run or goes on with it.

    Args:
        run: its folder, made where there is none.
        settings: of run and engine.
        data: location and revision.
        fresh: remove what the folder holds of an earlier run.

    Raises:
        RunMismatch: the folder holds a run with other settings.
    """
    run.mkdir(parents=True, exist_ok=True)
    if not (run / FILE_NAME).is_file():
        return Manifest(dict(settings), dict(data))
    old = load_manifest(run)
    if fresh:
        _clear(run, old)
        return Manifest(dict(settings), dict(data))
    # Compared as JSON has them: a tuple comes back as a list.
    now = json.loads(json.dumps(dict(settings)))
    different = [
        f"{name} {old.settings.get(name)!r}, now {now.get(name)!r}"
        for name in sorted(old.settings.keys() | now.keys())
        if old.settings.get(name) != now.get(name)
    ]
    if different:
        raise RunMismatch(
            f"{run} holds a run with other settings ({'; '.join(different)}): run into another "
            "--out, or start again with --fresh"
        )
    old.data = dict(data)
    return old


def this_session(concurrency: int, shard: str) -> dict[str, Any]:
    """When, where and with which packages a run is worked on."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.platform(),
        "processor": _processor(),
        "concurrency": concurrency,
        "shard": shard,
        "versions": {"python": platform.python_version(), **versions},
    }


def _processor() -> str:
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _clear(run: Path, old: Manifest) -> None:
    names = [FILE_NAME, "scores.json", "judge.json", "report.md", "report.json", "report.png"]
    results = [*old.files, *(f"result-{name}" for name in old.files)]
    pooled = run.glob("*-mmsu-all-*.jsonl")
    files = [*(run / name for name in (*names, *results)), *pooled]
    for file in [*files, *(run / PARTIAL).glob("*.jsonl")]:
        file.unlink(missing_ok=True)
