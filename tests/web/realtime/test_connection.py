"""A client's messages against a scripted session."""

import asyncio
import base64
import json

import pytest

from tests.web.scripted import ScriptedSession, answer, question
from voice import session_events as told
from web.realtime.config import SessionConfig
from web.realtime.connection import RealtimeConnection, Transport
from web.realtime.voice_settings import VoiceDefaults


class Client:
    """Talks to a connection the way a transport does; keeps what is sent back."""

    def __init__(self, *, is_pushed: bool = True) -> None:
        self.received: list[dict] = []
        self.reasons: list[str] = []
        transport = Transport(
            send=self.received.append, ended=self.reasons.append, is_pushed=is_pushed
        )
        self.connection = RealtimeConnection(
            ScriptedSession, SessionConfig(), VoiceDefaults(), transport
        )
        self.session: ScriptedSession = self.connection.session  # type: ignore[assignment]
        self.connection.start()

    def __call__(self, kind: str, **fields) -> list[dict]:
        """What one client event brings back."""
        return self.raw(json.dumps({"type": kind, "event_id": "mine", **fields}))

    def raw(self, message: str) -> list[dict]:
        before = len(self.received)
        asyncio.run(self.connection.receive(message))
        return self.received[before:]

    def error(self, kind: str, **fields) -> dict:
        (event,) = self(kind, **fields)
        assert event["type"] == "error"
        assert event["error"]["event_id"] == "mine"
        return event["error"]

    def have_answered(self, *, is_pushed: bool = True) -> None:
        for event in [
            *question("item_1", "hello"),
            *answer("resp_1", "item_2", is_pushed=is_pushed),
        ]:
            self.session.emit(event)


SECOND = base64.b64encode(bytes(2 * 24_000)).decode()


def test_client_is_greeted_with_the_session():
    (created,) = Client().received
    assert created["type"] == "session.created"
    assert created["session"]["model"] == "builtin"


def test_spoken_turn_by_hand():
    client = Client()
    assert client("input_audio_buffer.append", audio=SECOND) == []
    events = client("input_audio_buffer.commit")
    assert abs(client.session.heard_samples - 16_000) <= 1
    assert events[-1]["type"] == "response.done"


def test_much_sound_at_once_lets_others_have_their_turn():
    client = Client()
    seen = []

    async def watch():
        while True:
            seen.append(client.session.heard_samples)
            await asyncio.sleep(0)

    async def both():
        watching = asyncio.create_task(watch())
        sound = base64.b64encode(bytes(2 * 24_000 * 20)).decode()
        message = json.dumps({"type": "input_audio_buffer.append", "audio": sound})
        await client.connection.receive(message)
        watching.cancel()

    asyncio.run(both())
    assert len(set(seen)) >= 20
    minutes = base64.b64encode(bytes(2 * 24_000 * 61)).decode()
    assert client.error("input_audio_buffer.append", audio=minutes)["code"] == "audio_too_long"


def test_update_is_confirmed_and_reaches_the_session():
    client = Client()
    (event,) = client("session.update", session={"type": "realtime", "instructions": "Be brief."})
    assert event["type"] == "session.updated"
    assert event["session"]["instructions"] == "Be brief."
    assert client.session.settings.instructions == "Be brief."


def test_update_that_is_refused_changes_nothing():
    client = Client()
    error = client.error("session.update", session={"instructions": "x", "max_output_tokens": -1})
    assert error["param"] == "session.max_output_tokens"
    assert client.session.settings.instructions == ""
    assert client.connection.config.instructions == ""


def test_items_are_added_retrieved_and_deleted():
    client = Client()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    added = client("conversation.item.create", item={**item, "id": "mine_1"})
    assert [each["type"] for each in added] == ["conversation.item.added", "conversation.item.done"]
    (retrieved,) = client("conversation.item.retrieve", item_id="mine_1")
    assert retrieved["item"]["content"] == [{"type": "input_text", "text": "Hi"}]
    (deleted,) = client("conversation.item.delete", item_id="mine_1")
    assert deleted["item_id"] == "mine_1"


def test_item_is_added_once():
    client = Client()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    client("conversation.item.create", item={**item, "id": "mine_1"})
    error = client.error("conversation.item.create", item={**item, "id": "mine_1"})
    assert (error["code"], error["param"]) == ("item_create_duplicate_item_id", "item.id")


def test_truncate_says_how_much_was_heard():
    client = Client()
    item = {"type": "function_call_output", "call_id": "c", "output": "7", "id": "i"}
    client("conversation.item.create", item=item)
    (truncated,) = client(
        "conversation.item.truncate", item_id="i", content_index=0, audio_end_ms=300
    )
    assert truncated["type"] == "conversation.item.truncated"
    assert client.session.asked == [("truncate", "i", 300)]


def test_refusals_of_the_session_name_the_field():
    client = Client()
    wishes = [
        ("delete", {"item_id": "x"}),
        ("retrieve", {"item_id": "x"}),
        ("truncate", {"item_id": "x", "content_index": 0, "audio_end_ms": 0}),
    ]
    for kind, fields in wishes:
        error = client.error(f"conversation.item.{kind}", **fields)
        assert (error["code"], error["param"]) == (f"item_{kind}_invalid_item_id", "item_id")


def test_response_is_cancelled_by_its_id_only():
    client = Client()
    client.session.emit(answer("resp_1", "item_2", is_pushed=True)[0])
    assert (
        client.error("response.cancel", response_id="other")["code"] == "response_cancel_not_active"
    )
    assert client("response.cancel", response_id="resp_1") == []
    assert client.session.asked[-1] == ("cancel_response",)


def test_refusal_of_the_session_is_told_with_its_code():
    error = Client().error("input_audio_buffer.commit")
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("is_pushed", "kind", "fields"),
    [
        (False, "input_audio_buffer.append", {"audio": SECOND}),
        (True, "output_audio_buffer.clear", {}),
    ],
)
def test_what_goes_another_way_on_this_transport_is_refused(is_pushed, kind, fields):
    assert Client(is_pushed=is_pushed).error(kind, **fields)["code"] == "unsupported_event"


def test_malformed_messages_are_errors_and_the_connection_goes_on():
    client = Client()
    for message in ("", "[]", "{", '{"type": 7}', '{"type": "input_audio_buffer.append"}'):
        (event,) = client.raw(message)
        assert event["type"] == "error"
    assert client("input_audio_buffer.append", audio=SECOND) == []


def test_session_that_fails_ends_the_connection_with_its_error():
    client = Client()
    client.session.emit(told.SessionEnded(error=RuntimeError("the model thread died")))
    assert client.received[-1]["error"]["type"] == "server_error"
    assert "model thread died" in client.received[-1]["error"]["message"]
    assert client.reasons == ["the session failed"]
    assert client("response.create") == []


def test_nothing_is_sent_after_close():
    client = Client()
    client.connection.close()
    client.connection.close()
    assert client.session.is_closed
    before = len(client.received)
    client.session.emit(told.InputCleared())
    assert len(client.received) == before


@pytest.mark.parametrize("end", ["input_audio_buffer.commit", "input_audio_buffer.clear"])
def test_sound_after_a_turn_by_hand_is_heard(end):
    client = Client()
    for _ in range(3):
        assert client("input_audio_buffer.append", audio=SECOND) == []
        assert "error" not in [event["type"] for event in client(end)]
    assert abs(client.session.heard_samples - 3 * 16_000) <= 100
