"""A folder of speech with transcripts, in the layouts that speech corpora come in.

```text
metadata.csv or .jsonl   file_name and text (or transcription, sentence)      datasets' audiofolder
*.trans.txt              "NAME words …" a line, NAME.flac beside it           LibriSpeech
NAME.wav with NAME.txt   one transcript a file
```
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice.voicebench.row import Row

SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")


@dataclass(frozen=True, slots=True)
class SpeechFolder:
    """Clips with the columns that belong to them, in the order of their names."""

    root: Path
    clips: tuple[tuple[Path, dict[str, Any]], ...]

    def identity(self) -> list[str]:
        """What changes when the clips or transcripts do."""
        return [
            f"{file.relative_to(self.root)} {_size(file)} {columns}" for file, columns in self.clips
        ]

    def count(self) -> int:
        """How many clips there are."""
        return len(self.clips)

    def rows(self) -> Iterator[Row]:
        """One row a clip; a listed clip that is missing has no sound."""
        for index, (file, columns) in enumerate(self.clips):
            yield Row(index, columns, file if file.is_file() else None)


def find_speech(root: Path) -> SpeechFolder | None:
    """The clips below ``root`` that have transcripts; None if there are none."""
    clips = [*_listed(root), *_librispeech(root)] or list(_side_by_side(root))
    if not clips:
        return None
    return SpeechFolder(root, tuple(sorted(clips, key=lambda clip: str(clip[0]))))


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _listed(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(root.rglob("metadata.*")):
        records: list[dict[str, Any]] = []
        with file.open(encoding="utf-8", newline="") as lines:
            if file.suffix == ".csv":
                records = list(csv.DictReader(lines))
            elif file.suffix == ".jsonl":
                records = [json.loads(line) for line in lines if line.strip()]
        for record in records:
            if record.get("file_name"):
                yield file.parent / record["file_name"], dict(record)


def _librispeech(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(root.rglob("*.trans.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            sound = next(file.parent.glob(f"{name}.*"), file.parent / f"{name}.flac")
            yield sound, {"id": name, "text": text}


def _side_by_side(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(root.rglob("*")):
        transcript = file.with_suffix(".txt")
        if file.suffix.lower() in SOUND_SUFFIXES and transcript.is_file():
            text = " ".join(transcript.read_text(encoding="utf-8").split())
            yield file, {"id": file.stem, "text": text}
