"""A recording's folder.

    session.json    how the session was opened, with what, and on what
    events.jsonl    what came in ("in") and what came of it ("at"), a line each, in order
    heard.wav       the microphone, float32 mono 16 kHz
    spoken.wav      what was played, float32 mono 24 kHz
    attachment-*    sounds and pictures that the client sent

Lines are written as things happen, so a recording that was cut off is whole up to there.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from voice.errors import VoiceError

FORMAT = 1
SESSION, EVENTS, HEARD, SPOKEN = "session.json", "events.jsonl", "heard.wav", "spoken.wav"

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_IEEE_FLOAT = 3
_BYTES = 4
_MAX_DATA_BYTES = 2**32 - 1 - _HEADER.size


class RecordingError(VoiceError):
    """A recording cannot be read or written; the message says what is wrong with it."""


class WavWriter:
    """Float32 mono sound that grows; readable at any time up to the last `flush`.

    Args:
        file: is made, for its owner alone.
        rate: Hz.
    """

    def __init__(self, file: Path, rate: int) -> None:
        self.samples = 0
        self._rate = rate
        self._file = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._file.write(self._header())

    def write(self, samples: np.ndarray) -> None:
        """Adds float32 [samples].

        Raises:
            RecordingError: the file would be longer than WAV can say.
        """
        self.samples += len(samples)
        if self.samples * _BYTES > _MAX_DATA_BYTES:
            raise RecordingError("a recording holds at most 4 GB of sound: open another session")
        self._file.write(np.ascontiguousarray(samples, "<f4").tobytes())

    def flush(self) -> None:
        """Everything so far is on its way to the disk, and the header says how much it is."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, os.SEEK_END)
        self._file.flush()

    def close(self) -> None:
        """No more comes."""
        self.flush()
        self._file.close()

    def _header(self) -> bytes:
        data = self.samples * _BYTES
        size = _HEADER.size - 8 + data
        rate, width = self._rate, _BYTES
        form = (b"fmt ", 16, _IEEE_FLOAT, 1, rate, rate * width, width, 8 * width)
        return _HEADER.pack(b"RIFF", size, b"WAVE", *form, b"data", data)


def read_wav(file: Path, rate: int) -> np.ndarray:
    """What a `WavWriter` wrote: float32 [samples], also if it was cut off.

    Raises:
        RecordingError: the file is another's.
    """
    with file.open("rb") as opened:
        header = opened.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise RecordingError(f"{file} is no sound of a recording: it is too short")
        found = _HEADER.unpack(header)
        if (found[0], found[2], found[5], found[6], found[7]) != (
            b"RIFF",
            b"WAVE",
            _IEEE_FLOAT,
            1,
            rate,
        ):
            raise RecordingError(f"{file} is no sound of a recording: not float32 mono {rate} Hz")
        data = opened.read()
    return np.frombuffer(data[: len(data) // _BYTES * _BYTES], "<f4").copy()


class Recording:
    """One that was made.

    Args:
        folder: of the recording.

    Attributes:
        session: what `session.json` says.

    Raises:
        RecordingError: it is none, or one of a later version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.session: dict[str, Any] = json.loads((folder / SESSION).read_text("utf-8"))
            version = self.session["format"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordingError(f"{folder} is no recording of a session: {error!r}") from error
        if version != FORMAT:
            raise RecordingError(
                f"{folder} has format {version!r}; this version of Parley reads format {FORMAT}"
            )

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines, in order; a last one that was cut off is left out.

        Raises:
            RecordingError: a line that is none.
        """
        with self.path(EVENTS).open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    event = json.loads(line.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    raise RecordingError(f"{EVENTS}, line {number}: no JSON: {error}") from error
                if not isinstance(event, dict) or not ({"in", "at"} & set(event)):
                    raise RecordingError(f"{EVENTS}, line {number}: no event of a session")
                yield event

    def sound(self, name: str, rate: int) -> np.ndarray:
        """What `heard.wav`, `spoken.wav` or an attachment holds: float32 [samples]."""
        return read_wav(self.path(name), rate)

    def path(self, name: str) -> Path:
        """Where a file of the recording is.

        Raises:
            RecordingError: it would be elsewhere, or is not there.
        """
        path = self.folder / name
        try:
            is_there = path.parent == self.folder and path.is_file()
        except OSError:  # no name that a file can have
            is_there = False
        if not is_there:
            raise RecordingError(f"the recording {self.folder} has no file {name!r}")
        return path


def find_recordings(paths: list[Path]) -> list[Path]:
    """Folders of recordings: those given, and those directly in folders that are none themselves.

    Raises:
        RecordingError: a path that leads to none.
    """
    found = []
    for path in paths:
        if (path / SESSION).is_file():
            found.append(path)
            continue
        inner = sorted(each.parent for each in path.glob(f"*/{SESSION}"))
        if not inner:
            raise RecordingError(f"there is no recording in {path}: --record makes them")
        found += inner
    return found
