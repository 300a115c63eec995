"""What clients set of a session, merged and checked."""

import pytest
from openai.types.realtime import RealtimeSessionCreateRequest

from web.realtime.config import (
    LATENCY_EVENTS,
    SemanticVad,
    ServerVad,
    SessionConfig,
    parse_response_config,
    updated,
)
from web.realtime.errors import ProtocolError


def test_configuration_is_a_session_of_the_api():
    RealtimeSessionCreateRequest.model_validate(SessionConfig().as_json())


def test_update_leaves_what_it_does_not_name():
    config = updated(
        SessionConfig(), {"instructions": "Be brief.", "audio": {"output": {"voice": "ash"}}}
    )
    config = updated(config, {"audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    assert config.instructions == "Be brief."
    assert config.audio.output.voice_name == "ash"
    assert config.audio.input.transcription is not None
    assert config.audio.input.turn_detection == SemanticVad(type="semantic_vad")


def test_null_turn_detection_means_manual_turns():
    config = updated(SessionConfig(), {"audio": {"input": {"turn_detection": None}}})
    assert config.audio.input.turn_detection is None


def test_other_turn_detection_replaces_the_old_one():
    changes = {"type": "server_vad", "silence_duration_ms": 300}
    config = updated(SessionConfig(), {"audio": {"input": {"turn_detection": changes}}})
    assert config.audio.input.turn_detection == ServerVad(
        type="server_vad", silence_duration_ms=300
    )
    changes = {"type": "server_vad", "threshold": 0.7}
    config = updated(config, {"audio": {"input": {"turn_detection": changes}}})
    assert config.audio.input.turn_detection == ServerVad(
        type="server_vad", silence_duration_ms=300, threshold=0.7
    )


def test_model_that_is_asked_for_is_not_the_one_that_answers():
    assert updated(SessionConfig(model="builtin"), {"model": "gpt-realtime"}).model == "builtin"


def test_partial_update_of_the_agents_sdk_is_taken():
    config = updated(SessionConfig(), {"type": "realtime", "tracing": "auto"})
    assert config.tracing == "auto"


def test_both_modalities_mean_speech():
    assert updated(SessionConfig(), {"output_modalities": ["text", "audio"]}).speaks
    assert not updated(SessionConfig(), {"output_modalities": ["text"]}).speaks


def test_extensions_are_told_of_on_request_only():
    assert not SessionConfig().includes(LATENCY_EVENTS)
    assert updated(SessionConfig(), {"include": [LATENCY_EVENTS]}).includes(LATENCY_EVENTS)


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"type": "transcription"}, "unsupported_session_type", "session.type"),
        ({"instructions": 7}, "invalid_type", "session.instructions"),
        ({"output_modalities": []}, "invalid_value", "session.output_modalities"),
        ({"output_modalities": ["smell"]}, "invalid_value", "session.output_modalities.0"),
        ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools.0.name"),
        ({"tools": [{"type": "mcp"}]}, "unsupported_tool", "session.tools.0"),
        ({"audio": {"output": {"speed": 9}}}, "invalid_value", "session.audio.output.speed"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        ({"audio": None}, "invalid_type", "session.audio"),
    ],
)
def test_value_that_cannot_be_is_refused_with_its_path(changes, code, param):
    with pytest.raises(ProtocolError) as caught:
        updated(SessionConfig(), changes)
    assert caught.value.code == code
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)


@pytest.mark.parametrize("fields", [{"conversation": "none"}, {"input": []}])
def test_response_outside_the_conversation_is_refused(fields):
    with pytest.raises(ProtocolError, match="not served"):
        parse_response_config(fields)


def test_response_keeps_its_metadata():
    config = parse_response_config({"metadata": {"client_event_id": "e"}, "instructions": "Hi"})
    assert config.metadata == {"client_event_id": "e"}
