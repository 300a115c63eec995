"""What a recording holds, and what becomes of a session that cannot be recorded."""

import json
import stat
import threading

import numpy as np
import pytest
import soundfile

from tests.voice.recording.conftest import SETTINGS
from voice.playback import SAMPLE_RATE_HZ
from voice.recording.files import Recording, RecordingError, WavWriter, find_recordings, read_wav
from voice.session_events import ErrorOccurred, SessionEnded


def test_recording_holds_what_was_heard_and_played(recorded, question):
    call = recorded()
    call.send(question)
    call.silence(1500)
    recording = call.end()
    heard, rate = soundfile.read(recording.folder / "heard.wav", dtype="float32")
    assert rate == 16_000
    np.testing.assert_array_equal(heard, np.concatenate(call.heard))
    spoken, rate = soundfile.read(recording.folder / "spoken.wav", dtype="float32")
    assert rate == SAMPLE_RATE_HZ
    np.testing.assert_array_equal(spoken, call.sound)
    assert np.any(spoken)


def test_silence_that_fills_a_window_is_in_the_sound(recorded, question):
    from dataclasses import replace

    from streaming.turn_settings import TurnSettings

    manual = replace(SETTINGS, turns=TurnSettings.from_turn_detection(None))
    call = recorded(settings=manual)
    call.send(question[:1000])
    call.session.commit()
    recording = call.end()
    assert len(recording.sound("heard.wav", 16_000)) == 1024


def test_recording_says_how_the_session_was_opened(recorded):
    call = recorded(seed=7)
    session = call.end().session
    assert session["session_id"] == call.session.id
    assert session["seed"] == 7
    assert session["settings"]["turns"]["silence_ms"] == 512
    assert session["scorer"] == "GatedScorer"
    assert session["model"] == "tiny"


def test_events_bear_their_sample(recorded, question):
    call = recorded()
    call.send(question)
    call.silence(1500)
    events = list(call.end().events())
    (paused,) = (each for each in events if each.get("is") == "SpeechPaused")
    (stopped,) = (each for each in events if each.get("is") == "InputSpeechStopped")
    assert paused["at"] // 16 == stopped["audio_end_ms"]
    kinds = {each["in"] for each in events if "in" in each}
    assert kinds == {"sound", "read", "report", "wish"}


def test_recording_is_for_its_owner_alone(recorded):
    folder = recorded().end().folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("heard.wav", "spoken.wav", "events.jsonl", "session.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_sessions_of_one_seed_name_things_alike(recorded, question):
    names = []
    for _ in range(2):
        call = recorded(seed=5)
        call.send(question)
        call.silence(1000)
        names.append([getattr(event, "item_id", None) for event in call.events])
        call.recorder.folder.rename(call.recorder.folder.with_name(f"{len(names)}"))
        call.session.close()
    assert names[0] == names[1]
    assert any(names[0])


def test_full_disk_ends_the_session_with_the_reason(recorded, monkeypatch):
    call = recorded()

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call.recorder, "_heard", type("Full", (), {"write": full})())
    call.silence(20)
    (ended,) = call.of(SessionEnded)
    assert isinstance(ended.error, RecordingError)
    assert "No space left" in str(ended.error)
    assert not call.of(ErrorOccurred)


def test_playback_that_is_read_elsewhere_ends_the_session(recorded):
    call = recorded()
    reader = threading.Thread(target=call.session.playback.read, args=(480,))
    reader.start()
    reader.join()
    call.engine.run()
    (ended,) = call.of(SessionEnded)
    assert "event loop's thread" in str(ended.error)


def test_folder_that_cannot_be_made_opens_no_session(engine, tmp_path):
    from tests.voice.recording.conftest import RecordedCall

    with pytest.raises(RecordingError, match="cannot be written"):
        RecordedCall(engine, tmp_path / "nowhere")
    assert not engine.sessions


def test_sound_that_was_cut_off_is_read_up_to_there(tmp_path):
    writer = WavWriter(tmp_path / "a.wav", 16_000)
    sound = np.linspace(-1, 1, 1000, dtype=np.float32)
    writer.write(sound)
    writer._file.flush()
    np.testing.assert_array_equal(read_wav(tmp_path / "a.wav", 16_000), sound)
    writer.close()
    with pytest.raises(RecordingError, match="not float32 mono 24000"):
        read_wav(tmp_path / "a.wav", 24_000)


def test_recordings_are_found_one_by_one_and_in_a_folder(recorded, tmp_path):
    folder = recorded().end().folder
    assert find_recordings([folder]) == [folder]
    assert find_recordings([tmp_path]) == [folder]
    with pytest.raises(RecordingError, match="no recording in"):
        find_recordings([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("session.json", "{", "no recording of a session"),
        ("session.json", '{"format": 99}', "format 99"),
        ("session.json", "[]", "no recording of a session"),
        ("session.json", '{"format": 1}', "nothing of use"),
        ("events.jsonl", "x\n", "line 1: no JSON"),
        ("events.jsonl", "[1]\n", "line 1: no event"),
        ("events.jsonl", '{"in": "sound", "samples": 99999999}\n', "shorter than"),
        ("events.jsonl", '{"in": "wish", "name": "hear", "arguments": {}}\n', "unknown wish"),
        ("events.jsonl", '{"in": "wish", "name": "truncate", "arguments": {}}\n', "cannot be"),
        ("events.jsonl", '{"in": "magic"}\n', "unknown input"),
        ("heard.wav", "RIFF", "too short"),
        ("session.json", "[" * 100_000, "no recording of a session"),
        ("events.jsonl", '{"in": "silence"}\n', "line 1.*samples"),
        ("events.jsonl", '{"in": "sound", "samples": -1}\n', "line 1.*samples"),
        ("events.jsonl", '{"in": "read", "samples": 1000000000000}\n', "line 1.*samples"),
        ("events.jsonl", '{"in": "report", "source": "remind", "facts": {}}\n', "delay_s"),
        ("events.jsonl", '{"in": "report", "source": "a", "facts": {"after": "b"}}\n', "after"),
        ("events.jsonl", '{"at": "soon"}\n', "line 1: at is no sample"),
        ("events.jsonl", "[" * 100_000 + "\n", "line 1: no JSON"),
    ],
)
def test_damaged_recording_is_refused_with_the_reason(recorded, replay, name, text, reason):
    folder = recorded().end().folder
    (folder / name).write_text(text)
    with pytest.raises(RecordingError, match=reason):
        replay(Recording(folder))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": "seven"}, "seed"),
        ({"is_pushed": 1}, "is_pushed"),
        ({"tools": [{"function": {"name": "a"}}]}, "tools.0.function.description"),
        ({"settings": {}}, "no settings of a session"),
        ({"settings": {"is": "SessionSettings", "instructions": 5}}, "instructions"),
        ({"settings": {"is": "SessionSettings", "reply": {"is": "Item"}}}, "reply"),
        ({"settings": {"is": "ReplySettings", "max_new_tokens": "9"}}, "max_new_tokens: .*integer"),
        ({"machine": {"device": "toaster"}}, "machine.device"),
        ({"machine": {"threads": 10**9}}, "machine.threads"),
        ({"turn_end": "whenever"}, "turn_end"),
    ],
)
def test_recording_of_no_session_that_can_be_is_refused(recorded, replay, change, reason):
    folder = recorded().end().folder
    session = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps(session | change))
    with pytest.raises(RecordingError, match=reason):
        replay(Recording(folder))


def test_events_that_are_no_text_or_no_file_are_refused(recorded, replay):
    folder = recorded().end().folder
    (folder / "events.jsonl").write_bytes(b'{"in": "\xff"}\n')
    with pytest.raises(RecordingError, match="line 1: no JSON"):
        replay(Recording(folder))
    (folder / "events.jsonl").unlink()
    with pytest.raises(RecordingError, match="has no file"):
        replay(Recording(folder))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"item_id": 5, "audio_end_ms": 1}, "item_id: .*string"),
        ({"item_id": "a", "audio_end_ms": "1"}, "audio_end_ms: .*integer"),
        ({"item_id": "a", "audio_end_ms": 1, "more": 1}, "more"),
    ],
)
def test_wish_of_another_kind_is_refused(recorded, replay, arguments, reason):
    folder = recorded().end().folder
    wish = {"in": "wish", "name": "truncate", "arguments": arguments}
    (folder / "events.jsonl").write_text(json.dumps(wish) + "\n")
    with pytest.raises(RecordingError, match=reason):
        replay(Recording(folder))


@pytest.mark.parametrize("name", ["attachment-1.png", "a" * 5000])
def test_attachment_that_is_no_picture_is_refused(recorded, replay, name):
    folder = recorded().end().folder
    (folder / "attachment-1.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    part = {"is": "Content", "kind": "input_image", "image": {"file": name}}
    item = {"is": "Item", "role": "user", "content": [part]}
    wish = {"in": "wish", "name": "add_item", "arguments": {"item": item}}
    (folder / "events.jsonl").write_text(json.dumps(wish) + "\n")
    with pytest.raises(RecordingError, match=r"no picture|has no file"):
        replay(Recording(folder))


def test_attachment_cannot_lie_elsewhere(recorded, replay):
    folder = recorded().end().folder
    item = {"is": "Content", "kind": "input_audio", "audio": {"file": "../heard.wav"}}
    wish = {
        "in": "wish",
        "name": "add_item",
        "arguments": {"item": {"is": "Item", "role": "user", "content": [item]}},
    }
    (folder / "events.jsonl").write_text(json.dumps(wish) + "\n")
    with pytest.raises(RecordingError, match="has no file"):
        replay(Recording(folder))
