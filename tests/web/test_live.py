"""VoiceBench through the live product path: a Realtime session a question."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.web.scripted import ANSWER, ScriptedSession
from tests.web.served import serving
from voice import session_events as told
from voice.assistant import Assistant
from voice.voicebench.engine import EngineUnusable, Failure, Question, Reply
from voice.voicebench.live_engine import (
    LiveEngine,
    LiveServer,
    LiveSettings,
    named_server,
    realtime_address,
)
from voice.voicebench.settings import RunSettings
from web.cli import main
from web.live import on_thread, session_defaults
from web.serve import SAMPLES

SETTINGS = RunSettings(model="scripted", system="Be brief.", max_new_tokens=99)
BY_HAND = LiveSettings(turns="manual", spoken=False)
SOUND = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)


class Recorder:
    """Opens scripted sessions, and keeps them."""

    def __init__(self, kind: type[ScriptedSession] = ScriptedSession) -> None:
        self.sessions: list[ScriptedSession] = []
        self._kind = kind

    def __call__(self, *arguments: Any) -> ScriptedSession:
        self.sessions.append(self._kind(*arguments))
        return self.sessions[-1]


def asked(
    open_session: Callable[..., Any],
    *questions: Question,
    live: LiveSettings = BY_HAND,
    settings: RunSettings = SETTINGS,
    retries: int = 2,
    **serving_settings: Any,
) -> list[Reply | Failure]:
    """What an engine makes of questions, in their order."""
    with on_thread(serving(open_session, **serving_settings)) as server:
        engine = LiveEngine(
            LiveServer(f"http://127.0.0.1:{server.port}", {}),
            settings,
            live,
            retries=retries,
            sleep=lambda seconds: None,
        )
        outcomes = {question.index: outcome for question, outcome in engine.answer(questions, 2)}
    return [outcomes[question.index] for question in questions]


def spoken_question(index: int = 0, **fields: Any) -> Question:
    return Question(index, SOUND, "", "Be brief.", 0, **fields)


def test_session_is_set_up_as_the_run_says_and_hears_the_whole_clip() -> None:
    recorder = Recorder()
    (reply,) = asked(recorder, spoken_question())
    assert isinstance(reply, Reply)
    assert (reply.text, reply.turns, reply.output_tokens) == (ANSWER, 1, 4)
    assert reply.ttft_s is not None
    assert 0 <= reply.ttft_s <= reply.latency_s
    (session,) = recorder.sessions
    assert session.settings.instructions == "Be brief."
    assert session.settings.modality == "text"
    assert session.settings.reply.max_new_tokens == 99
    assert not session.settings.reply.thinking
    assert not session.settings.transcribe
    assert session.settings.turns.create_response is False
    assert session.heard_samples == pytest.approx(len(SOUND), abs=20)


@pytest.mark.parametrize(("budget", "most"), [(0, None), (100, 256), (2000, 4096), (16_384, None)])
def test_thinking_is_asked_for_with_its_budget(budget: int, most: int | None) -> None:
    settings = RunSettings(model="m", thinking=True, reasoning_budget=budget, max_new_tokens=20_480)
    recorder = Recorder()
    asked(recorder, spoken_question(), settings=settings)
    reply = recorder.sessions[0].settings.reply
    assert (reply.thinking, reply.thinking_budget) == (True, most)


class Breaking(ScriptedSession):
    """The first of its kind breaks off in the middle of its answer."""

    broken = 0

    def commit(self) -> None:
        if not Breaking.broken:
            Breaking.broken += 1
            response = told.ResponseInfo(id="resp_1", status="in_progress")
            self.emit(told.InputCommitted(item_id="item_1", previous_item_id=None))
            self.emit(told.ResponseCreated(response=response))
            raise RuntimeError("broken")
        super().commit()


def test_session_that_breaks_off_is_asked_again() -> None:
    Breaking.broken = 0
    recorder = Recorder(Breaking)
    (reply,) = asked(recorder, spoken_question())
    assert isinstance(reply, Reply)
    assert reply.text == ANSWER
    assert len(recorder.sessions) == 2


class Failing(ScriptedSession):
    """Answers with an error."""

    def commit(self) -> None:
        self.emit(told.ErrorOccurred(code="audio_dropped", message="the model is too slow"))


def test_session_that_always_fails_leaves_its_question_for_a_later_run() -> None:
    recorder = Recorder(Failing)
    first, second = asked(recorder, spoken_question(0), spoken_question(1))
    for failure in (first, second):
        assert isinstance(failure, Failure)
        assert not failure.permanent
        assert "after 3 attempts" in failure.message
        assert "the model is too slow" in failure.message
    assert len(recorder.sessions) == 6


def test_server_without_room_stops_the_run() -> None:
    with pytest.raises(EngineUnusable, match=r"opens no session.*--max-sessions"):
        asked(Recorder(), spoken_question(), max_sessions=0)


def test_session_that_is_refused_stops_the_run() -> None:
    settings = RunSettings(model="m", system="x" * 100_001)
    long = Question(0, SOUND, "", settings.system, 0)
    with pytest.raises(EngineUnusable, match="refuses the session"):
        asked(Recorder(), long, settings=settings)


def test_nobody_at_the_address_stops_the_run() -> None:
    with pytest.raises(EngineUnusable, match="start parley serve"):
        named_server("http://127.0.0.1:9", None)


@pytest.mark.parametrize(
    "url", ["http://host:1", "http://host:1/", "ws://host:1/v1", "http://host:1/v1/realtime"]
)
def test_server_may_be_named_in_any_way(url: str) -> None:
    assert realtime_address(url) == "http://host:1/v1/realtime"


def test_running_server_says_what_it_serves() -> None:
    with on_thread(serving()) as server:
        named = named_server(f"http://127.0.0.1:{server.port}", "secret")
    assert named.identity["served_model"] == "builtin"
    assert named.identity["temperature"] == "the server's"
    assert "secret" not in repr(named)


def test_settings_that_clients_cannot_set_are_the_servers_defaults() -> None:
    settings = RunSettings(
        model="m", temperature=0.6, top_p=0.95, max_new_tokens=20_480, seed=3, reasoning_budget=7
    )
    reply = session_defaults(settings).reply
    assert (reply.temperature, reply.top_p, reply.seed) == (0.6, 0.95, 3)
    assert (reply.max_new_tokens, reply.thinking_budget) == (20_480, 7)
    assert session_defaults(RunSettings(model="m", temperature=0.2, top_k=1)).reply.temperature == 0
    with pytest.raises(ValueError, match="top_k=5"):
        session_defaults(RunSettings(model="m", top_k=5))


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recorded questions, a sentence with its transcript, and silence."""
    root = tmp_path_factory.mktemp("data")
    names = ("capital_of_france", "two_plus_three")
    rows = [
        {"audio": {"bytes": (SAMPLES / f"{name}.flac").read_bytes()}, "prompt": name}
        for name in names
    ]
    for subset, columns in (("commoneval", {}), ("asr", {"text": "hello"})):
        file = root / subset / "test-00000-of-00001.parquet"
        file.parent.mkdir()
        pq.write_table(pa.Table.from_pylist([{**row, **columns} for row in rows]), file)
    return root


@pytest.fixture
def loaded(builtin: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the built-in model loaded and warm."""
    monkeypatch.setattr("web.live.load_assistant", lambda options: builtin)
    monkeypatch.setattr("web.live.warm_up", lambda assistant: None)


def lines(out: Path, subset: str, modality: str = "audio") -> list[dict[str, Any]]:
    file = out / f"builtin-{subset}-test-{modality}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def run(data: Path, out: Path, *options: str, subset: str = "commoneval") -> int:
    common = ("--subset", subset, "--system-prompt", "none", "--max-new-tokens", "32")
    return main(["voicebench", "run", "--data", str(data), "--out", str(out), *common, *options])


@pytest.mark.usefixtures("loaded")
def test_questions_are_answered_as_users_are(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    assert run(data, tmp_path / "live", "--live", "--concurrency", "2") == 0
    first, second = lines(tmp_path / "live", "commoneval")
    assert "Paris" in first["response"]
    for line in (first, second):
        assert line["_turns"] == 1
        assert 0 < line["_ttft_s"] <= line["_first_audio_s"] <= line["_latency_s"]
        assert line["_endpoint_s"] <= line["_ttft_s"]
        assert line["_output_tokens"] > 1
    manifest = json.loads((tmp_path / "live" / "manifest.json").read_text())["settings"]
    assert manifest["hearing"] == "live"
    assert (manifest["turns"], manifest["pace"], manifest["spoken"]) == ("server", "fast", True)
    assert manifest["checkpoint"]


@pytest.mark.usefixtures("loaded")
def test_live_run_goes_on_where_it_was_stopped_and_mixes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = ("--live", "--turns", "manual", "--spoken", "off")
    assert run(data, tmp_path / "part", *by_hand, "--limit", "1") == 0
    assert run(data, tmp_path / "part", *by_hand) == 0
    assert run(data, tmp_path / "whole", *by_hand) == 0
    part, whole = (
        [
            {name: value for name, value in line.items() if not name.endswith("_s")}
            for line in lines(tmp_path / name, "commoneval")
        ]
        for name in ("part", "whole")
    )
    assert part == whole
    assert run(data, tmp_path / "part", "--live", "--turns", "server", "--spoken", "off") == 1
    assert "turns 'manual', now 'server'" in capsys.readouterr().err
    assert run(data, tmp_path / "part") == 1  # not live
    assert "hearing 'live', now 'whole'" in capsys.readouterr().err


@pytest.mark.usefixtures("loaded")
def test_live_questions_may_be_typed_and_timed(data: Path, tmp_path: Path) -> None:
    options = ("--live", "--spoken", "off", "--limit", "1", "--modality")
    assert run(data, tmp_path / "text", *options, "text") == 0
    assert lines(tmp_path / "text", "commoneval", "text")[0]["response"]
    assert run(data, tmp_path / "ttft", *options, "ttft") == 0
    line = lines(tmp_path / "ttft", "commoneval", "ttft")[0]
    assert line["response"] == line["_ttft_s"] > 0
    assert line["_output_tokens"] == 1


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("turns", ["server", "manual"])
def test_captions_are_what_speech_recognition_gets(data: Path, tmp_path: Path, turns: str) -> None:
    out = tmp_path / "run"
    assert run(data, out, "--live", "--turns", turns, "--spoken", "off", subset="asr") == 0
    first, second = lines(out, "asr")
    assert first["response"].startswith("what is the capital")
    assert second["response"] != first["response"]


@pytest.mark.usefixtures("loaded")
def test_silence_is_told_by_its_index(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000), 16_000, format="FLAC")
    rows = [{"audio": {"bytes": buffer.getvalue()}, "prompt": "nothing"}]
    file = tmp_path / "data" / "commoneval" / "test-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert run(tmp_path / "data", tmp_path / "run", "--live", "--spoken", "off") == 0
    line = lines(tmp_path / "run", "commoneval")[0]
    assert (line["response"], line["_error"]) == ("", "the server heard no speech in the clip")
    assert "commoneval test, row 0: the server heard no speech" in capsys.readouterr().err


@pytest.mark.usefixtures("loaded")
def test_report_has_the_times_of_live_answers(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("espeakng_loader")
    assert run(data, tmp_path / "run", "--live", "--limit", "1") == 0
    capsys.readouterr()
    assert main(["voicebench", "score", "--run", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    header = "| subset | n | score | unparsed | endpoint p50 / p95 | TTFT p50 / p95 | first audio"
    assert header in text
    assert "faster than real time" in text
