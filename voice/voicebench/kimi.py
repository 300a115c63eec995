"""VoiceBench as Kimi-Audio-Evalkit keeps it: a line of JSON a clip, sound files beside.

```text
CONFIG.jsonl            index, audio_path, audio_content, answer, subset, … ; or one or two folders
CONFIG/0.wav, …         deeper, as its `data/download_benchmark.py` and `config.yaml` have it
```

Columns are given their own names again. Its MMSU is one file over all domains, here the split
``all``; its SD-QA is the region ``usa``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice.errors import VoiceError
from voice.voicebench.row import Row, Source
from voice.voicebench.subsets import ALL, SUBSETS

_OWN_NAMES: dict[str, tuple[str, type]] = {
    "audio_content": ("prompt", str),
    "answer": ("reference", str),
    "instruction": ("instruction_id_list", list),
    "instruction_kwargs": ("kwargs", list),
}
_NOT_VOICEBENCHS = ("audio_path", "question", "task_type")
_SPLITS = {"mmsu": ALL, "sd-qa": "usa"}


class KimiFileError(VoiceError):
    """A file of the kit's is damaged, or of another kind."""


@dataclass(frozen=True, slots=True)
class KimiFile:
    """The clips of one split.

    Attributes:
        path: of the file.
        records: its lines.
    """

    path: Path
    records: tuple[dict[str, Any], ...]

    def identity(self) -> list[str]:
        """What changes when the lines or the clips do."""
        lines = [json.dumps(record, sort_keys=True) for record in self.records]
        clips = [self._clip(record) for record in self.records]
        return [*lines, *(f"{clip.name} {clip.stat().st_size}" for clip in clips if clip)]

    def count(self) -> int:
        """How many clips there are."""
        return len(self.records)

    def rows(self) -> Iterator[Row]:
        """One row a clip; one whose file is missing has no sound."""
        for index, record in enumerate(self.records):
            yield Row(index, own_columns(record), self._clip(record))

    def _clip(self, record: dict[str, Any]) -> Path | None:
        """The kit notes paths as they were where it was run."""
        noted = Path(str(record["audio_path"]))
        folder = self.path.parent
        places = (noted, folder / noted, folder / noted.parent.name / noted.name)
        return next((place for place in places if place.is_file()), None)


def find_kimi(root: Path) -> dict[str, dict[str, Source]]:
    """The kit's files below ``root``: configuration → split → source.

    Raises:
        KimiFileError: one of them is damaged.
    """
    found: dict[str, dict[str, Source]] = {}
    for file in sorted(root.rglob("*.jsonl")):
        if _is_kimi(file):
            parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for record in read_kimi(file):
                parts[_split(file.stem, record)].append(record)
            found[file.stem] = {
                split: KimiFile(file, tuple(records)) for split, records in parts.items()
            }
    return found


def own_columns(record: dict[str, Any]) -> dict[str, Any]:
    """A line with VoiceBench's names; an answer that is empty stands for none."""
    columns: dict[str, Any] = {}
    for name, value in record.items():
        own, kind = _OWN_NAMES.get(name, (name, object))
        if name in _NOT_VOICEBENCHS or (name == "answer" and not value):
            continue
        columns[own if isinstance(value, kind) else name] = value
    return columns


def read_kimi(file: Path) -> list[dict[str, Any]]:
    """The lines of one of the kit's files.

    Raises:
        KimiFileError: a line is no object.
    """
    records = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise KimiFileError(f"{file}, line {number}, is no JSON ({error})") from error
        if not isinstance(record, dict) or "audio_path" not in record:
            raise KimiFileError(f"{file}, line {number}, has no audio_path: it is another format")
        records.append(record)
    return records


def _is_kimi(file: Path) -> bool:
    """By its first line: `metadata.jsonl` of an audio folder ends alike."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline()
    try:
        record = json.loads(first)
    except ValueError:
        return False
    return isinstance(record, dict) and {"index", "audio_path"} <= record.keys()


def _split(config: str, record: dict[str, Any]) -> str:
    subset = str(record.get("subset") or config)
    if subset != config and config not in SUBSETS:
        return subset
    return _SPLITS.get(config, "test")
