"""Reads a data set as its users have it, and decodes its audio.

```text
hub cache         …/datasets--hlt-lab--voicebench/snapshots/REVISION/ and a tree as below
downloaded tree   …/CONFIG/SPLIT-00000-of-00001.parquet, or below data/
converted branch  …/CONFIG/SPLIT/0000.parquet
datasets' cache   …/hlt-lab___voicebench/CONFIG/0.0.0/HASH/voicebench-SPLIT.arrow
save_to_disk      …/CONFIG/SPLIT/data-00000-of-00001.arrow, or …/CONFIG/data-….arrow
Hub id            fetched into the hub cache, the configurations that are asked for only
Kimi's layout     CONFIG.jsonl and CONFIG/0.wav (see `voice.voicebench.kimi`)
folder of speech  sound files with transcripts (see `voice.voicebench.speech_folder`)
```

Audio stays as bytes until a row is asked for its samples: a row whose audio is missing or damaged
raises then, and the others are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice.errors import VoiceError
from voice.voicebench.extras import require
from voice.voicebench.kimi import find_kimi
from voice.voicebench.row import Row, Source
from voice.voicebench.speech_folder import SOUND_SUFFIXES, find_speech
from voice.voicebench.subsets import VOICEBENCH

_BATCH_ROWS = 16
_SHARDED = re.compile(r"(?P<split>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})$")
_CONVERTED = re.compile(r"\d{4}$")
_AUDIO_COLUMNS = ("audio", "Audio", "context", "wav", "file_name")


class DataSetError(VoiceError):
    """The data set is not there, is incomplete, or has another form."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """An opened data set: configuration → split → source."""

    location: str
    sources: dict[str, dict[str, Source]]
    revision: str = ""

    def config_of(self, subset: str, config: str | None = None) -> str:
        """The configuration that holds a subset.

        Args:
            subset: its name; the formats that come under any name may be the only one there is.
            config: the configuration's name where it is another.

        Raises:
            DataSetError: there is none.
        """
        name = config or subset
        if name in self.sources:
            return name
        if config is None and len(self.sources) == 1 and subset not in VOICEBENCH:
            return next(iter(self.sources))
        found = ", ".join(sorted(self.sources))
        raise DataSetError(f"{self.location} has no {name}; it holds {found}")

    def splits(self, config: str) -> list[str]:
        """The splits of a configuration that is there."""
        return list(self.sources[config])

    def source(self, config: str, split: str) -> Source:
        """Where the rows of a split are."""
        return self.sources[config][split]

    def identity(self, config: str, split: str) -> str:
        """A digest of the revision, and of names and sizes of a split's files."""
        parts = [self.revision, *self.sources[config][split].identity()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TableFiles:
    """A split in parquet or arrow files."""

    files: tuple[Path, ...]

    def identity(self) -> list[str]:
        """Names and sizes."""
        return [f"{file.name} {file.stat().st_size}" for file in self.files]

    def count(self) -> int:
        """How many rows there are."""
        return sum(_num_rows(file) for file in self.files)

    def rows(self) -> Iterator[Row]:
        """All rows, in their order."""
        index = 0
        for file in self.files:
            for batch in _batches(file):
                for record in batch.to_pylist():
                    yield _row(index, record, file.parent)
                    index += 1


def open_dataset(location: str, patterns: Sequence[str] | None = None) -> DataSet:
    """Opens a directory in any of the forms above, or fetches a Hub id.

    Args:
        location: a directory, or owner/name.
        patterns: which files of a Hub id are fetched; by default all.

    Raises:
        DataSetError: nothing is there, parts are missing, or the Hub cannot be reached.
        KimiFileError: a file of that kit's is damaged.
        MissingExtra: pyarrow is not installed.
    """
    require("pyarrow", "reading a data set")
    root, revision = Path(location), ""
    if not root.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", location):
        root = _fetch(location, patterns)
    if not root.is_dir():
        raise DataSetError(f"there is no directory {location}, and it is no Hub id (owner/name)")
    root = _snapshot(root)
    if root.parent.name == "snapshots":
        revision = root.name
    sources = _find_tables(root) or find_kimi(root)
    folder = None if sources else find_speech(root)
    if folder is not None:
        sources = {"default": {"test": folder}}
    if not sources:
        raise DataSetError(
            f"{location} holds no data set: expected CONFIG/SPLIT-00000-of-00001.parquet, "
            ".arrow files of datasets, Kimi-Audio-Evalkit's .jsonl, or sound files with transcripts"
        )
    return DataSet(location, sources, revision)


def _fetch(hub_id: str, patterns: Sequence[str] | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = list(patterns) if patterns else None
    try:
        return Path(snapshot_download(hub_id, repo_type="dataset", allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataSetError(
            f"cannot fetch {hub_id} from the Hub ({reason}); download it elsewhere with "
            f"`hf download --repo-type dataset {hub_id}` and give the directory"
        ) from error


def _snapshot(root: Path) -> Path:
    """Goes down from a cache to the one version in it that is meant."""
    for pattern in ("datasets--*voicebench", "*___voicebench"):
        inside = sorted([*root.glob(pattern), *root.glob(f"hub/{pattern}")])
        root = inside[0] if len(inside) == 1 else root
    snapshots = root / "snapshots"
    if not snapshots.is_dir():
        return root
    main = root / "refs" / "main"
    if main.is_file() and (snapshots / main.read_text().strip()).is_dir():
        return snapshots / main.read_text().strip()
    return max((each for each in snapshots.iterdir() if each.is_dir()), key=_changed, default=root)


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _find_tables(root: Path) -> dict[str, dict[str, Source]]:
    found: dict[tuple[str, str], dict[Path, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted([*root.rglob("*.parquet"), *root.rglob("*.arrow")]):
        place = _place(file, root)
        if place is not None:
            found[place][file.parent].append(file)
    sources: dict[str, dict[str, Source]] = defaultdict(dict)
    for (config, split), folders in found.items():
        files = folders[max(folders, key=_changed)]  # the newest of several versions
        _require_all_parts(files)
        sources[config][split] = TableFiles(tuple(files))
    return dict(sources)


def _place(file: Path, root: Path) -> tuple[str, str] | None:
    """Configuration and split of a file."""
    folders = [root.resolve().name, *file.relative_to(root).parts[:-1]]
    name = file.stem
    sharded = _SHARDED.match(name)
    if file.suffix == ".arrow":
        if name.startswith(("cache-", "tmp")):  # left by datasets' own computations
            return None
        if sharded and sharded["split"] == "data":  # save_to_disk
            if (file.parent.parent / "dataset_dict.json").is_file():
                return folders[-2], folders[-1]
            return folders[-1], _saved_split(file.parent)
        split = (sharded["split"] if sharded else name).partition("-")[2]
        return (folders[-3], split) if split and len(folders) > 2 else None
    if _CONVERTED.match(name) and len(folders) > 1:
        return folders[-2], folders[-1]
    config = "default" if folders[-1] == "data" or len(folders) == 1 else folders[-1]
    return config, sharded["split"] if sharded else name


def _saved_split(folder: Path) -> str:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return str(state.get("_split") or "test")
    except (OSError, ValueError):
        return "test"


def _require_all_parts(files: Sequence[Path]) -> None:
    for file in files:
        sharded = _SHARDED.match(file.stem)
        if sharded and int(sharded["parts"]) != len(files):
            raise DataSetError(
                f"{file.parent} has {len(files)} of {int(sharded['parts'])} parts of "
                f"{sharded['split']}: the download is incomplete, fetch it again"
            )


def _num_rows(file: Path) -> int:
    if file.suffix == ".parquet":
        with _reading(file):
            parquet = require("pyarrow.parquet", "reading a data set")
            return int(parquet.read_metadata(file).num_rows)
    return sum(int(batch.num_rows) for batch in _batches(file))


def _batches(file: Path) -> Iterator[Any]:
    """Record batches of a file, small ones."""
    with _reading(file):
        if file.suffix == ".parquet":
            parquet = require("pyarrow.parquet", "reading a data set")
            yield from parquet.ParquetFile(file).iter_batches(batch_size=_BATCH_ROWS)
            return
        for batch in _arrow_batches(file):
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield batch.slice(start, _BATCH_ROWS)


def _arrow_batches(file: Path) -> Iterator[Any]:
    arrow = require("pyarrow", "reading a data set")
    source = arrow.memory_map(str(file))
    try:
        stream = arrow.ipc.open_stream(source)
    except arrow.ArrowInvalid:
        reader = arrow.ipc.open_file(source)
        return (reader.get_batch(i) for i in range(reader.num_record_batches))
    return iter(stream)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    arrow = require("pyarrow", "reading a data set")
    try:
        yield
    except (arrow.ArrowException, OSError) as error:
        raise DataSetError(f"{file} cannot be read ({error}); fetch it again") from error


def _row(index: int, record: dict[str, Any], folder: Path) -> Row:
    sound: bytes | Path | None = None
    audio = next((name for name in _AUDIO_COLUMNS if _is_sound(record.get(name))), None)
    if audio is not None:
        value = record.pop(audio)
        fields = value if isinstance(value, dict) else {"bytes": None, "path": value}
        if isinstance(value, bytes):
            fields = {"bytes": value}
        sound = fields.get("bytes")
        path = fields.get("path")
        if sound is None and path and (folder / path).is_file():
            sound = folder / path
    else:
        record.pop("audio", None)  # null
    return Row(index, _jsonable(record), sound)


def _is_sound(value: Any) -> bool:
    if isinstance(value, dict):
        return "bytes" in value or "path" in value
    if isinstance(value, str):
        return Path(value).suffix.lower() in SOUND_SUFFIXES
    return isinstance(value, bytes)


def _jsonable(record: dict[str, Any]) -> dict[str, Any]:
    """The record as JSON knows it; bytes are dropped."""
    kept = {name: value for name, value in record.items() if not isinstance(value, bytes)}
    result = json.loads(json.dumps(kept, default=str))
    assert isinstance(result, dict)
    return result
