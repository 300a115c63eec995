"""Data sets are read in every form that they have on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from huggingface_hub.utils import filter_repo_objects

from tests.voice.voicebench.tools import flac, records, write_parquet
from voice.audio_file import read_audio
from voice.voicebench.dataset import DataSetError, open_dataset
from voice.voicebench.row import BadRow
from voice.voicebench.subsets import SUBSETS, hub_patterns

ROWS = records(5, reference=lambda index: "ABCD"[index % 4])


def write_arrow(path: Path, rows: list, *, as_file: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    new = pa.ipc.new_file if as_file else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def hub_cache(root: Path) -> Path:
    repository = root / "datasets--hlt-lab--voicebench"
    for revision in ("old", "new"):
        tree(repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("new")
    return root


def tree(root: Path) -> Path:
    write_parquet(root / "openbookqa" / "test-00000-of-00002.parquet", ROWS[:3])
    write_parquet(root / "openbookqa" / "test-00001-of-00002.parquet", ROWS[3:])
    return root


def converted(root: Path) -> Path:
    write_parquet(root / "openbookqa" / "test" / "0000.parquet", ROWS)
    return root


def arrow_cache(root: Path) -> Path:
    folder = root / "hlt-lab___voicebench" / "openbookqa" / "0.0.0" / "c0ffee"
    write_arrow(folder / "voicebench-test.arrow", ROWS)
    write_arrow(folder / "cache-1234.arrow", ROWS[:1])
    return root


def arrow_cache_in_parts(root: Path) -> Path:
    folder = root / "hlt-lab___voicebench" / "openbookqa" / "0.0.0" / "c0ffee"
    write_arrow(folder / "voicebench-test-00000-of-00002.arrow", ROWS[:2])
    write_arrow(folder / "voicebench-test-00001-of-00002.arrow", ROWS[2:])
    return root


def saved(root: Path) -> Path:
    folder = root / "openbookqa" / "test"
    write_arrow(folder / "data-00000-of-00001.arrow", ROWS)
    (folder.parent / "dataset_dict.json").write_text('{"splits": ["test"]}')
    return root


def saved_split(root: Path) -> Path:
    folder = root / "openbookqa"
    write_arrow(folder / "data-00000-of-00001.arrow", ROWS, as_file=True)
    (folder / "state.json").write_text('{"_split": "test"}')
    return root


FORMS = [hub_cache, tree, converted, arrow_cache, arrow_cache_in_parts, saved, saved_split]


@pytest.mark.parametrize("write", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_rows(write: Callable[[Path], Path], tmp_path: Path) -> None:
    dataset = open_dataset(str(write(tmp_path)))
    assert dataset.config_of("openbookqa") == "openbookqa"
    assert dataset.splits("openbookqa") == ["test"]
    source = dataset.source("openbookqa", "test")
    rows = list(source.rows())
    assert source.count() == len(rows) == 5
    for index, row in enumerate(rows):
        assert row.index == index
        assert row.prompt == f"question {index}"
        assert row.columns == {"prompt": f"question {index}", "reference": "ABCD"[index % 4]}
        assert np.array_equal(row.samples(), read_audio(flac(index)).samples)


def test_hub_cache_is_read_at_its_main_revision(tmp_path: Path) -> None:
    dataset = open_dataset(str(hub_cache(tmp_path)))
    assert dataset.revision == "new"
    direct = tmp_path / "datasets--hlt-lab--voicebench" / "snapshots" / "old"
    assert open_dataset(str(direct)).revision == "old"
    assert dataset.identity("openbookqa", "test") != open_dataset(str(direct)).identity(
        "openbookqa", "test"
    )


def test_cache_is_found_in_the_home_of_the_hub(tmp_path: Path) -> None:
    hub_cache(tmp_path / "hub")
    dataset = open_dataset(str(tmp_path))
    assert dataset.revision == "new"
    assert dataset.source("openbookqa", "test").count() == 5


@pytest.mark.parametrize("form", [tree, converted, lambda root: tree(root / "mirror")])
def test_patterns_of_the_hub_name_what_is_asked_for_in_every_form(
    form: Callable[[Path], Path], tmp_path: Path
) -> None:
    form(tmp_path)
    write_parquet(tmp_path / "sd-qa" / "aus-00000-of-00001.parquet", ROWS)
    wanted = hub_patterns([SUBSETS["openbookqa"], SUBSETS["sd-qa"]], [], None, main=True)
    files = [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.parquet")]
    fetched = list(filter_repo_objects(files, allow_patterns=wanted))
    assert len(fetched) == len(files) - 1
    assert not any("aus" in file for file in fetched)


def test_missing_part_is_named(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "openbookqa" / "test-00001-of-00002.parquet").unlink()
    with pytest.raises(DataSetError, match=r"has 1 of 2 parts of test.*fetch it again"):
        open_dataset(str(tmp_path))


def test_truncated_file_is_named(tmp_path: Path) -> None:
    file = tree(tmp_path) / "openbookqa" / "test-00000-of-00002.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    source = open_dataset(str(tmp_path)).source("openbookqa", "test")
    with pytest.raises(DataSetError, match=r"test-00000-of-00002\.parquet cannot be read"):
        list(source.rows())
    with pytest.raises(DataSetError, match="cannot be read"):
        source.count()


def test_place_without_data_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="no directory"):
        open_dataset(str(tmp_path / "nowhere"))
    with pytest.raises(DataSetError, match="holds no data set"):
        open_dataset(str(tmp_path))
    with pytest.raises(DataSetError, match="has no bbh; it holds openbookqa"):
        open_dataset(str(tree(tmp_path))).config_of("bbh")


def test_bad_audio_raises_for_its_row_only(tmp_path: Path) -> None:
    rows = records(5)
    rows[1]["audio"] = None
    rows[2]["audio"]["bytes"] = None
    rows[3]["audio"]["bytes"] = flac(3)[:200]
    write_parquet(tmp_path / "bbh" / "test-00000-of-00001.parquet", rows)
    read = list(open_dataset(str(tmp_path)).source("bbh", "test").rows())
    for index in (1, 2):
        with pytest.raises(BadRow, match="no audio"):
            read[index].samples()
    with pytest.raises(BadRow, match=r"truncated|damaged"):
        read[3].samples()
    assert len(read[4].samples()) == 1600


def test_audio_may_be_a_file_beside(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "data" / "train-00000-of-00001.parquet",
        [{"audio": {"bytes": None, "path": "a.flac"}, "text": "x"}, {"audio": None, "text": "y"}],
    )
    (tmp_path / "data" / "a.flac").write_bytes(flac(0))
    dataset = open_dataset(str(tmp_path))
    config = dataset.config_of("asr")  # the only one there is
    rows = list(dataset.source(config, "train").rows())
    assert len(rows[0].samples()) == 1600
    assert [row.columns["text"] for row in rows] == ["x", "y"]


@pytest.mark.parametrize("layout", ["csv", "jsonl", "librispeech", "beside"])
def test_folder_of_speech_is_a_data_set(layout: str, tmp_path: Path) -> None:
    for index, name in enumerate(("one", "two")):
        (tmp_path / f"{name}.flac").write_bytes(flac(index))
    texts = {"one": "hello there", "two": "good bye"}
    if layout == "csv":
        lines = ["file_name,text", *(f"{name}.flac,{text}" for name, text in texts.items())]
        (tmp_path / "metadata.csv").write_text("\n".join(lines))
    elif layout == "jsonl":
        lines = [json.dumps({"file_name": f"{n}.flac", "text": t}) for n, t in texts.items()]
        (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    elif layout == "librispeech":
        lines = [f"{name} {text}" for name, text in texts.items()]
        (tmp_path / "1.trans.txt").write_text("\n".join(lines))
    else:
        for name, text in texts.items():
            (tmp_path / f"{name}.txt").write_text(text)
    dataset = open_dataset(str(tmp_path))
    rows = list(dataset.source(dataset.config_of("asr"), "test").rows())
    assert [row.columns["text"] for row in rows] == ["hello there", "good bye"]
    assert np.array_equal(rows[1].samples(), read_audio(flac(1)).samples)
