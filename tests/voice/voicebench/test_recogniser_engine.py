"""The word error rate of a Parakeet TDT recogniser, whole and streamed."""

import json
from pathlib import Path

import pytest

from tests.voice.tiny import write_tiny_recogniser
from tests.voice.voicebench.tools import flac, write_parquet
from voice.audio_file import read_audio
from voice.cli import main
from voice.transcription import open_transcriber

SECONDS = (1.0, 3.0, 2.0)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_recogniser(tmp_path_factory.mktemp("parakeet") / "parakeet-tdt")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rows = [
        {"audio": {"bytes": flac(index, seconds)}, "text": "p1 p2", "prompt": "p1 p2"}
        for index, seconds in enumerate(SECONDS)
    ]
    for config in ("asr", "commoneval"):
        write_parquet(root / config / "test-00000-of-00001.parquet", rows)
    return root


def run(data: Path, out: Path, model: Path, *options: str, subset: str = "asr") -> int:
    arguments = ("--data", str(data), "--out", str(out), "--model", str(model), "--threads", "1")
    return main(["voicebench", "run", *arguments, "--subset", subset, *options])


def lines(out: Path) -> list[dict[str, object]]:
    text = (out / "parakeet-tdt-asr-test-audio.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("hearing", ["whole", "streamed"])
def test_words_are_those_of_parley_transcribe(
    recogniser: Path, data: Path, tmp_path: Path, hearing: str
) -> None:
    assert run(data, tmp_path, recogniser, "--hearing", hearing) == 0
    transcribe = open_transcriber(recogniser)
    for line, (index, seconds) in zip(lines(tmp_path), enumerate(SECONDS), strict=True):
        expected = transcribe(read_audio(flac(index, seconds)).samples)
        assert line["response"] == expected.text
        assert line["response"]
        assert line["_output_tokens"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())["settings"]
    assert (manifest["engine"], manifest["hearing"]) == ("recogniser", hearing)
    assert manifest["checkpoint"]


def test_word_error_rate_is_scored(
    recogniser: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, tmp_path, recogniser) == 0
    assert main(["voicebench", "score", "--run", str(tmp_path)]) == 0
    assert "| asr | 3 | " in capsys.readouterr().out


def test_recogniser_answers_no_questions(
    recogniser: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, tmp_path, recogniser, subset="commoneval") == 1
    assert "a recogniser, which answers no questions: --subset asr" in capsys.readouterr().err
