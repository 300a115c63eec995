"""Recordings that were damaged: a replay, a difference, or a line that names what is wrong."""

import io
import json
import shutil
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from streaming.turn_settings import TurnSettings
from tests.fuzz.mutation import ODD_VALUES, as_json, corrupted, mangled, mutate
from tests.fuzz.witness import ModelWitness, undisturbed
from tests.voice.recording.conftest import SETTINGS, RecordedCall, question
from tests.voice.talk import CountingVoice, assistant
from voice import cli
from voice.engine import Engine
from voice.recording import command
from voice.recording.setup import setup
from voice.session_events import Content, Item
from voice.session_settings import ResponseSettings
from voice.tools import Tool
from voice.tts import synthesizer

__all__ = ["assistant", "question"]

pytestmark = pytest.mark.timeout(3600)

VALUES = st.sampled_from(
    (
        *ODD_VALUES,
        *({"file": "attachment-1.png"}, {"file": "attachment-2.wav"}, {"file": "../x.wav"}),
        *({"file": "session.json"}, {"file": "a" * 5000}, {"file": "\0.wav"}, {"file": None}),
        *(
            {"is": "SessionSettings"},
            {"is": "Item"},
            {"is": "TurnMode", "value": "manual"},
            {"is": 5},
        ),
        *("sound", "read", "wish", "report", "silence", "configure", "add_item", "close", "commit"),
        *("remind", "tool-1", "reply-1", "counting", "none", "cuda", "float16", "reply"),
        *(12, 320, 16_000, 10**6, 10**9),
    )
)
File = bytes | None
"""What a file holds; None: there is a folder of that name."""
Damage = tuple[int, Mapping[str, File], tuple[str, ...]]
"""The number of the recording, the files that are otherwise, and those that are gone."""


def _spoken(call: RecordedCall, question: np.ndarray) -> None:
    call.send(question[:9000])
    call.silence(700)
    assert any(type(each).__name__ == "ResponseDone" for each in call.events)


def _typed(call: RecordedCall, question: np.ndarray) -> None:
    picture = Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3))
    parts = (Content(kind="input_text", text="hello"), Content(kind="input_image", image=picture))
    first = call.session.add_item(Item(role="user", content=parts))
    sound = Content(kind="input_audio", audio=question[:4000])
    call.session.add_item(Item(role="user", content=(sound,)), first.id)
    call.session.create_response(ResponseSettings(metadata={"a": "b"}, max_new_tokens=3))
    call.silence(200)
    call.session.configure(
        type(SETTINGS)(
            reply=SETTINGS.reply,
            stream=SETTINGS.stream,
            turns=TurnSettings.from_turn_detection(None),
        )
    )
    call.session.delete_item(first.id)
    call.send(question[:2000])
    call.session.commit()


@pytest.fixture(scope="module")
def recordings(assistant, question, tmp_path_factory) -> list[Mapping[str, bytes]]:
    """The files of two: a spoken question and its answer, and wishes of all kinds."""
    made = []
    tool = Tool(name="look", description="Looks.", run=lambda: "a cat")
    for number, hold in enumerate((_spoken, _typed)):
        engine = Engine(assistant, open_voice=CountingVoice)
        parent = tmp_path_factory.mktemp("recordings")
        call = RecordedCall(engine, parent, seed=number, tools=[tool])
        hold(call, question)
        folder = call.end().folder
        session = json.loads((folder / "session.json").read_text())
        session |= setup(assistant, model="tiny", tts="counting")
        (folder / "session.json").write_text(json.dumps(session))
        made.append({each.name: each.read_bytes() for each in folder.iterdir()})
    return made


@st.composite
def damaged(draw, recordings: list[Mapping[str, bytes]]) -> Damage:
    """A recording of which one or two files have something wrong in them, or are gone."""
    number = draw(st.integers(0, len(recordings) - 1))
    files: dict[str, File] = dict(recordings[number])
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        match draw(st.integers(0, 9)):
            case 0:
                name = draw(st.sampled_from(sorted(files)))
                if draw(st.booleans()):
                    del files[name]
                else:
                    files[name] = None
            case 1 | 2:
                name = draw(st.sampled_from(sorted(files)))
                files[name] = corrupted(draw, files[name] or b"")
            case 3 | 4 | 5 if files.get("session.json"):
                files["session.json"] = _changed(draw, files["session.json"])
            case _ if files.get("events.jsonl"):
                lines = files["events.jsonl"].splitlines(keepends=True)
                at = draw(st.integers(0, len(lines) - 1))
                match draw(st.integers(0, 7)):
                    case 0:
                        del lines[at:]
                    case 1:
                        del lines[at]
                    case 2:
                        lines.insert(draw(st.integers(0, len(lines))), lines[at])
                    case _:
                        wished = [n for n, each in enumerate(lines) if b'"in":"wish"' in each]
                        if wished and draw(st.booleans()):
                            at = draw(st.sampled_from(wished))
                        lines[at] = _changed(draw, lines[at]).replace(b"\n", b" ") + b"\n"
                files["events.jsonl"] = b"".join(lines)
    whole = recordings[number]
    gone = tuple(name for name in whole if name not in files)
    return number, {name: files[name] for name in files if files[name] != whole[name]}, gone


def _changed(draw, data: bytes) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # changed before
        return corrupted(draw, data)
    if not isinstance(value, dict) or draw(st.integers(0, 9)) == 0:
        return mangled(draw, data.decode("utf-8", "replace")).encode("utf-8", "replace")
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        mutate(draw, value, VALUES)
    return as_json(value).encode("utf-8", "replace")


def test_any_recording_is_replayed_or_refused(effort, assistant, recordings, tmp_path, monkeypatch):
    alone = undisturbed(assistant)
    monkeypatch.setattr(synthesizer, "_ENGINES", {"counting": CountingVoice})

    def load(options):
        assert isinstance(options.model, str)
        assert options.device in (None, "cpu", "cuda")
        assert options.dtype in (None, "float32", "float16", "bfloat16")
        assert options.threads is None or 1 <= options.threads <= 4096
        return assistant

    monkeypatch.setattr(command, "load_assistant", load)
    folder = tmp_path / "recording"

    def replay(number: int, changed: Mapping[str, File], gone=()) -> tuple[int, str, str]:
        files = {**recordings[number], **changed}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in files.items():
            if name in gone:
                continue
            if data is None:
                (folder / name).mkdir()
            else:
                (folder / name).write_bytes(data)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = cli.main(["replay", str(folder)])
        return status, out.getvalue(), err.getvalue()

    def attempt(chosen):
        witness = ModelWitness(Engine(assistant, open_voice=CountingVoice))
        for damage in chosen:
            status, out, err = replay(*damage)
            if status == 0:
                assert "equal: " in out
            else:
                assert status == 1
                assert err.startswith("parley: ")
                assert len(err) > len("parley: \n") + 10
                assert len(err.splitlines()) == 1
            witness.go_on()
        assert witness.result() == alone

    for number in range(len(recordings)):
        assert replay(number, {})[2].split() == []
    effort.spend("recordings", damaged(recordings), 10, attempt)
    for number in range(len(recordings)):
        assert replay(number, {})[2].split() == []
