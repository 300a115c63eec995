"""Lines of JSON on disk that survive being killed at any moment.

A journal is appended to, one finished item a line, and each line is on the disk before the next
item is asked for. A last line that was cut off is dropped when the journal is opened again. What is
complete becomes a result file in one step.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from voice.errors import VoiceError

Record = dict[str, Any]


class RunBusy(VoiceError):
    """Another process writes the same part of a run."""


class Journal:
    """An open journal; use it in a ``with``.

    Args:
        path: its file, made where there is none.

    Raises:
        RunBusy: another process has it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise RunBusy(
                f"another process is writing {path}: wait for it, or give each a --shard i/n"
            ) from error
        whole = path.read_bytes().rfind(b"\n") + 1
        self._file.truncate(whole)

    def add(self, record: Record) -> None:
        """Appends a record; when this returns it is on the disk."""
        self._file.write(encode(record))
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder against the other processes that do the same, waiting for its turn."""
    with (folder / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def encode(record: Record) -> bytes:
    """One line; ASCII, because upstream's scripts read with the encoding of the locale."""
    return json.dumps(record, ensure_ascii=True).encode("ascii") + b"\n"


def read_lines(path: Path) -> list[Record]:
    """The records of a journal or result file; a cut-off last line is left out.

    Raises:
        ValueError: a line that is no JSON.
    """
    if not path.is_file():
        return []
    records = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}, is no JSON ({error}): remove it") from error
    return records


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Writes a file as a whole: it has its name only when it is complete."""
    write_whole(path, b"".join(map(encode, records)))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file as a whole, by way of a neighbour."""
    neighbour = path.with_name(f".{path.name}.{os.getpid()}")
    with neighbour.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    neighbour.replace(path)
