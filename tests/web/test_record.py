"""`parley serve --record`: a real session is written down, and replays."""

import argparse
import asyncio
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.web.served import base64_pieces, question, serving
from voice.engine import Engine
from voice.opening import RECORDING_NOTE, note_of, open_session_of, recorders_of
from voice.recording.files import Recording, find_recordings
from web.cli import main


async def ask(builtin, options: argparse.Namespace) -> str:
    """One question to a server of the model, over a WebSocket; what is answered."""
    engine = Engine(builtin)
    engine.start()
    try:
        observe = recorders_of(options, builtin)
        open_session = open_session_of(engine, with_tools=False, observe=observe)
        async with (
            serving(open_session) as server,
            AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none") as client,
            client.realtime.connect(model="builtin") as connection,
        ):
            for audio in base64_pieces(question("capital_of_france")):
                await connection.input_audio_buffer.append(audio=audio)
            async with asyncio.timeout(60):
                async for event in connection:
                    assert event.type != "error", event
                    if event.type == "response.done":
                        return event.response.output[0].content[0].transcript
    finally:
        engine.close()
    raise AssertionError("no answer")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> argparse.Namespace:
    taken: list[argparse.Namespace] = []
    monkeypatch.setattr("web.serve.serve", taken.append)
    assert main(["serve", "--record", str(tmp_path / "recordings")]) == 0
    return taken[0]


def test_session_is_recorded_and_replays_bit_for_bit(builtin, options, capsys):
    reply = asyncio.run(ask(builtin, options))
    assert reply
    (folder,) = find_recordings([options.record])
    said = [e["text"] for e in Recording(folder).events() if e.get("is") == "OutputTextDone"]
    assert said == [reply]
    assert main(["replay", str(folder)]) == 0
    assert "equal" in capsys.readouterr().out
    assert main(["replay", str(folder), "--set", "turns.first_pause_ms=160"]) == 1
    assert "SpeechPaused" in capsys.readouterr().out


def test_who_talks_to_a_recording_server_is_told(options):
    recording = note_of(options)
    options.record = None
    assert recording == f"{note_of(options)} {RECORDING_NOTE}"
