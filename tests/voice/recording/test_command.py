"""The command `parley replay`."""

import json
from pathlib import Path

import pytest

from tests.voice.recording.conftest import SETTINGS
from tests.voice.tiny import write_tiny
from voice import load
from voice.cli import main
from voice.engine import Engine
from voice.recording.command import changing
from voice.recording.recorder import Recorder
from voice.recording.setup import differences, setup
from voice.session_settings import SessionSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(model: Path, tmp_path: Path, question) -> Path:
    """Two recorded sessions of a checkpoint, spoken with espeak-ng."""
    assistant = load(model)
    engine = Engine(assistant)
    made = setup(assistant, model=str(model), tts="espeak")
    for number in range(2):
        session = engine.open_session(
            lambda event: None, settings=SETTINGS, observer=Recorder(tmp_path, made)
        )
        for start in range(0, 2 * len(question), 320):
            frame = question[start : start + 320]
            session.hear(frame if len(frame) else question[:320] * 0)
            engine.run()
            session.playback.read(480 + 80 * number)
            engine.run()
        session.close()
    engine.close()
    return tmp_path


def test_replay_says_that_recordings_are_equal(folder, capsys):
    assert main(["replay", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("equal: 3.6 s" in line for line in lines)


def test_replay_with_another_threshold_names_the_decision(folder, capsys):
    first = str(sorted(folder.iterdir())[0])
    assert main(["replay", first, "--set", "turns.silence_ms=300"]) == 1
    captured = capsys.readouterr()
    assert "DIFFERS" in captured.out
    assert "EndpointReached at" in captured.out
    assert "1 of 1 replays differ" in captured.err


def test_replay_as_json_is_for_programs(folder, capsys):
    assert main(["replay", str(folder), "--json", "--set", "reply.max_new_tokens=2"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["equal"] for each in lines] == [False, False]
    assert lines[0]["difference"]["name"] == "reply-1"


def test_replay_by_another_checkpoint_says_so(folder, tmp_path, capsys):
    other = write_tiny(tmp_path / "other", seed=1)
    first = str(sorted(each for each in folder.iterdir() if "sess" in each.name)[0])
    assert main(["replay", first, "--model", str(other)]) == 1
    assert "the weights of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("assignment", "remedy"),
    [
        ("turns.silence_ms", "NAME=VALUE"),
        ("turns.silense_ms=3", "silence_ms"),
        ("turns=3", "turns.silence_ms"),
        ("turns.silence_ms.x=3", "has no parts"),
        ("turns.silence_ms=soon", "give a number"),
        ("turns.silence_ms=-3", "whole number of ms"),
        ("turns.mode=never", "never"),
    ],
)
def test_setting_that_cannot_be_is_explained(folder, capsys, assignment, remedy):
    assert main(["replay", str(folder), "--set", assignment]) == 1
    assert remedy in capsys.readouterr().err


def test_settings_take_values_of_their_own_kind():
    change = changing(
        [
            "turns.mode=silence",
            "reply.temperature=1",
            "reply.thinking=true",
            "instructions=true",
            "turns.idle_timeout_ms=9000",
        ]
    )
    changed = change(SessionSettings())
    assert changed.turns.mode.value == "silence"
    assert changed.reply.temperature == 1.0
    assert changed.reply.thinking is True
    assert changed.instructions == "true"
    assert changed.turns.idle_timeout_ms == 9000


def test_folder_without_recordings_is_explained(tmp_path, capsys):
    assert main(["replay", str(tmp_path)]) == 1
    assert "--record makes them" in capsys.readouterr().err


def test_same_machine_and_weights_differ_in_nothing(model):
    assistant = load(model)
    here = setup(assistant, model="a", tts="espeak")
    assert differences(here, setup(load(model), model="a", tts="espeak")) == []
    assert len(differences({}, here)) == 8
