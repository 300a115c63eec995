"""`parley serve --record`: a real call is written down, and replays."""

import argparse
import asyncio
from pathlib import Path

import pytest

from tests.web.served import serving
from voice.engine import Engine
from voice.recording.files import Recording, find_recordings
from voice.recording.recorder import Recorder
from voice.recording.setup import setup
from web.cli import main
from web.latency.command import QUESTIONS, read_questions
from web.latency.interview import Interview
from web.serve import RECORDING_NOTE, open_session_of


def test_call_is_recorded_and_replays_bit_for_bit(builtin, tmp_path: Path, capsys):
    questions = [q for q in read_questions(QUESTIONS) if "France" in q.text or "plus" in q.text]
    made = setup(builtin, model="builtin", tts="espeak")

    async def hold() -> list[str]:
        engine = Engine(builtin)
        engine.start()
        try:
            open_session = open_session_of(
                engine, with_tools=False, observe=lambda: Recorder(tmp_path, made)
            )
            async with serving(open_session) as server:
                interview = Interview(f"http://127.0.0.1:{server.port}")
                return [each.reply for each in await interview.hold(questions)]
        finally:
            engine.close()

    replies = asyncio.run(hold())
    assert all(replies)
    (folder,) = find_recordings([tmp_path])
    said = [e["text"] for e in Recording(folder).events() if e.get("is") == "OutputTextDone"]
    assert said == replies
    assert main(["replay", str(folder)]) == 0
    assert "equal" in capsys.readouterr().out
    assert main(["replay", str(folder), "--set", "turns.silence_ms=320"]) == 1
    assert "EndpointReached" in capsys.readouterr().out


def test_who_talks_to_a_recording_server_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    taken: list[argparse.Namespace] = []
    monkeypatch.setattr("web.serve.serve", taken.append)
    from web.serve import _note

    for arguments in ([], ["--record", str(tmp_path)]):
        assert main(["serve", *arguments]) == 0
    plain, recording = map(_note, taken)
    assert RECORDING_NOTE not in plain
    assert recording == f"{plain} {RECORDING_NOTE}"
