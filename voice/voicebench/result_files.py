"""The files of a run: upstream's names for what is complete, journals for what is not."""

from __future__ import annotations

import re
from pathlib import Path

from voice.voicebench.journal import Record, read_lines, write_lines
from voice.voicebench.manifest import PARTIAL
from voice.voicebench.settings import RunSettings
from voice.voicebench.subsets import ALL, SUBSETS


def result_name(settings: RunSettings, subset: str, split: str) -> str:
    """Upstream's name of a result file."""
    return f"{settings.file_name}-{subset}-{split}-{settings.modality}.jsonl"


def journal_path(run: Path, name: str, shard: int, shards: int) -> Path:
    """Where one of so many shards keeps what it has done of a file."""
    part = f".{shard + 1}-of-{shards}" if shards > 1 else ""
    return run / PARTIAL / f"{name.removesuffix('.jsonl')}{part}.jsonl"


def _journals(run: Path, name: str) -> list[Path]:
    stem = re.escape(name.removesuffix(".jsonl"))
    pattern = re.compile(rf"{stem}(\.\d+-of-\d+)?\.jsonl")
    return sorted(file for file in (run / PARTIAL).glob("*.jsonl") if pattern.fullmatch(file.name))


def finished(run: Path, name: str) -> dict[int, Record]:
    """All records of a split, from its result file and all journals."""
    files = [run / name, *_journals(run, name)]
    return {record["_idx"]: record for file in files for record in read_lines(file)}


def complete(run: Path, name: str, done: dict[int, Record]) -> None:
    """Writes the result file; the journals have done their work."""
    write_lines(run / name, (done[index] for index in sorted(done)))
    for file in _journals(run, name):
        file.unlink(missing_ok=True)


def pool_splits(run: Path, settings: RunSettings, subset: str) -> None:
    """Writes one file with all splits of a subset, as soon as all are complete.

    One figure for MMSU is over all its rows, and upstream scores one file at a time.
    """
    splits = SUBSETS[subset].rows
    files = [run / result_name(settings, subset, split) for split in splits]
    if len(files) > 1 and all(file.is_file() for file in files):
        records = (record for file in files for record in read_lines(file))
        write_lines(run / result_name(settings, subset, ALL), records)
