"""Every event that goes out is one of the API's, as its own client library has it."""

import base64
import dataclasses

import numpy as np
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.web.scripted import ANSWER, answer, question
from voice import session_events as told
from voice.session_events import Content, Item, ResponseInfo
from web.realtime.config import (
    FLOOR_EVENTS,
    HISTORY_EVENTS,
    LATENCY_EVENTS,
    TOOL_EVENTS,
    SessionConfig,
    updated,
)
from web.realtime.errors import ProtocolError
from web.realtime.server_events import ServerEvents

API = TypeAdapter(RealtimeServerEvent)
WHERE = {"response_id": "r", "item_id": "i", "output_index": 0}
ALL_EXTENSIONS = updated(
    SessionConfig(), {"include": [FLOOR_EVENTS, LATENCY_EVENTS, HISTORY_EVENTS, TOOL_EVENTS]}
)


def made_of(events, *, is_pushed=False, config=None) -> list[dict]:
    maker = ServerEvents("sess_1", is_pushed=is_pushed)
    return [made for event in events for made in maker.of(event, config or SessionConfig())]


def kinds(events: list[dict]) -> list[str]:
    return [each["type"] for each in events]


OTHERS = [
    told.InputCleared(),
    told.InputTimedOut(item_id="i", audio_start_ms=1, audio_end_ms=2),
    told.InputTranscriptFailed(item_id="i", code="c", message="m"),
    told.ItemDeleted(item_id="i"),
    told.ItemTruncated(item_id="i", audio_end_ms=7, heard="Par"),
    told.FunctionCallArguments(**WHERE, call_id="c", name="time", arguments="{}"),
    told.PlaybackCleared(response_id="r"),
    told.ErrorOccurred(code="c", message="m"),
    told.OutputTextDelta(**WHERE, delta="x", is_transcript=False),
    told.OutputTextDone(**WHERE, text="x", is_transcript=False),
    told.ResponseDone(
        response=ResponseInfo(id="r", status="cancelled", reason="turn_detected", modality="text")
    ),
    told.ResponseDone(response=ResponseInfo(id="r", status="failed", error=("code", "why"))),
    told.ResponseDone(response=ResponseInfo(id="r", status="incomplete", reason="context_full")),
]


@pytest.mark.parametrize("is_pushed", [False, True])
def test_whole_turn_is_made_of_events_of_the_api(is_pushed):
    events = [*question("item_1", "hello"), *answer("resp_1", "item_2", is_pushed=is_pushed)]
    made = made_of([*events, *OTHERS], is_pushed=is_pushed)
    for each in made:
        event = API.validate_python(each)
        assert type(event).model_fields["type"].annotation.__args__ == (each["type"],)
    assert [each["event_id"] for each in made] == [f"event_{n + 1}" for n in range(len(made))]


def test_response_has_the_ladder_that_clients_wait_for():
    assert kinds(made_of(answer("resp_1", "item_2", is_pushed=True), is_pushed=True)) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]


def test_call_hears_of_its_playback_and_gets_no_sound_in_events():
    made = kinds(made_of(answer("resp_1", "item_2", is_pushed=False)))
    assert "response.output_audio.delta" not in made
    assert made[-1] == "output_audio_buffer.stopped"
    assert "output_audio_buffer.started" in made


def test_metadata_and_usage_are_told():
    made = made_of(answer("resp_1", "item_2", is_pushed=False))
    assert made[0]["response"]["metadata"] == {"a": "b"}
    done = next(each for each in made if each["type"] == "response.done")["response"]
    assert done["output"][0]["content"][0]["transcript"] == ANSWER
    assert done["usage"]["total_tokens"] == 44
    assert done["usage"]["input_token_details"] == {
        "text_tokens": 16,
        "audio_tokens": 24,
        "image_tokens": 0,
        "cached_tokens": 10,
    }


def test_sound_comes_whole_in_the_output_format():
    config = updated(SessionConfig(), {"audio": {"output": {"format": {"type": "audio/pcmu"}}}})
    samples = np.zeros(24_000, np.float32)
    events = [
        told.OutputAudioDelta(**WHERE, samples=samples[:9000]),
        told.OutputAudioDelta(**WHERE, samples=samples[9000:]),
        told.OutputAudioDone(**WHERE),
    ]
    made = made_of(events, is_pushed=True, config=config)
    sound = b"".join(base64.b64decode(each.get("delta", "")) for each in made)
    assert abs(len(sound) - 8000) <= 1
    assert made[-1]["type"] == "response.output_audio.done"


def test_extensions_are_silent_unless_included():
    events = [
        told.FloorChanged(user="speaking", assistant="idle", audio_ms=260),
        told.HistoryTrimmed(item_ids=("i",)),
        told.ToolCalled(response_id="r", call_id="c", name="time", arguments="{}", result="7 PM"),
        told.LatencyMeasured(
            response_id="r",
            speech_end_ms=1900,
            endpoint_ms=1.0,
            first_token_ms=None,
            first_audio_ms=2.0,
            heard_ms=3.0,
        ),
    ]
    assert made_of(events) == []
    assert kinds(made_of(events, config=ALL_EXTENSIONS)) == [
        FLOOR_EVENTS,
        HISTORY_EVENTS,
        TOOL_EVENTS,
        LATENCY_EVENTS,
    ]


def test_every_event_of_a_session_is_handled():
    parameters = {
        "item": Item(id="i", role="user", content=(Content(kind="input_text", text="x"),)),
        "part": Content(kind="output_text", text="x"),
        "response": ResponseInfo(id="r", status="in_progress"),
        "samples": np.zeros(480, np.float32),
        "item_ids": ("i",),
    }
    for kind in told.SessionEvent.__args__:
        if kind is told.SessionEnded:
            continue
        fields = {
            each.name: parameters.get(each.name, 0 if "int" in str(each.type) else "x")
            for each in dataclasses.fields(kind)
        }
        assert made_of([kind(**fields)], is_pushed=False, config=ALL_EXTENSIONS) or (
            kind is told.OutputAudioDelta
        ), kind


def test_errors_name_the_client_event():
    error = ServerEvents("s", is_pushed=False).error(ProtocolError("code", "text", "item.id"), "e7")
    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "code",
        "message": "text",
        "param": "item.id",
        "event_id": "e7",
    }
    API.validate_python(error)


def test_session_is_told_of_as_the_api_has_it():
    made = ServerEvents("s", is_pushed=False).session("session.created", SessionConfig(), 7)
    API.validate_python(made)
    assert made["session"]["object"] == "realtime.session"
