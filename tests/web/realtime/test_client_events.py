"""Messages of anyone's become typed events or errors that say what is wrong."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent

from web.realtime import client_events as wanted
from web.realtime.client_events import event_id_of, parse_client_event
from web.realtime.errors import ProtocolError


def test_event_is_parsed_with_its_id():
    event = parse_client_event(
        '{"type": "conversation.item.truncate", "event_id": "e1", "item_id": "i", '
        '"content_index": 0, "audio_end_ms": 1500, "of_a_later_version": true}'
    )
    assert event == wanted.ItemTruncate(
        type="conversation.item.truncate",
        event_id="e1",
        item_id="i",
        content_index=0,
        audio_end_ms=1500,
    )


def test_every_client_event_of_the_api_is_known():
    union = get_args(RealtimeClientEvent)[0]
    names = {member.model_fields["type"].annotation for member in get_args(union)}
    for name in (get_args(annotation)[0] for annotation in names):
        with pytest.raises(ProtocolError) as caught:
            parse_client_event(json.dumps({"type": name, "event_id": 7}))
        assert caught.value.code == "invalid_type"


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ("[]", "invalid_event", None),
        ("7", "invalid_event", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": "response.explode"}', "unknown_event", "type"),
        ('{"type": ["response.create"]}', "unknown_event", "type"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 7}', "invalid_type", "audio"),
        ('{"type": "response.create", "response": []}', "invalid_type", "response"),
        (
            '{"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, '
            '"audio_end_ms": -1}',
            "invalid_value",
            "audio_end_ms",
        ),
    ],
)
def test_malformed_message_is_refused_with_a_code(message, code, param):
    with pytest.raises(ProtocolError) as caught:
        parse_client_event(message)
    assert (caught.value.code, caught.value.param) == (code, param)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_an_event_or_a_protocol_error(message):
    with pytest.raises(ProtocolError):
        parse_client_event(message)
    assert event_id_of(message) is None


def test_id_of_a_malformed_event_is_found():
    assert event_id_of('{"event_id": "e9", "type": "nonsense"}') == "e9"
    assert event_id_of('{"event_id": 9}') is None


def test_event_with_half_a_character_is_refused():
    """Nothing that holds one can be sent back."""
    for text in ('{"type": "response.create", "event_id": "\\ud800"}', '{"type": "\\ud83d"}'):
        with pytest.raises(ProtocolError) as caught:
            parse_client_event(text)
        assert caught.value.code == "invalid_json"
        assert event_id_of(text) is None
