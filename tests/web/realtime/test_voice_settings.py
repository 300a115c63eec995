"""What clients wish, as sessions understand it."""

import pytest

from voice.decoding import ReplySettings
from voice.session_settings import SessionSettings
from voice.tts.synthesizer import VoiceSettings
from web.realtime.config import SessionConfig, parse_response_config, updated
from web.realtime.errors import ProtocolError
from web.realtime.voice_settings import VoiceDefaults, response_settings, session_settings

DEFAULTS = VoiceDefaults(
    settings=SessionSettings(
        instructions="Be kind.",
        reply=ReplySettings(thinking=True, max_new_tokens=300),
        voice=VoiceSettings(voice="en-gb"),
    ),
    voices=frozenset({"en-us", "de"}),
)


def settings_of(changes: dict) -> SessionSettings:
    return session_settings(updated(SessionConfig(), changes), DEFAULTS)


def test_defaults_are_the_servers():
    settings = settings_of({})
    assert settings.instructions == "Be kind."
    assert settings.reply == DEFAULTS.settings.reply
    assert settings.voice.voice == "en-gb"
    assert not settings.transcribe


@pytest.mark.parametrize(
    ("voice", "speaks"), [("de", "de"), ("en-us+f3", "en-us+f3"), ("alloy", "en-gb")]
)
def test_voice_that_is_not_there_is_the_usual_one(voice, speaks):
    assert settings_of({"audio": {"output": {"voice": voice}}}).voice.voice == speaks
    assert settings_of({"audio": {"output": {"voice": {"id": voice}}}}).voice.voice == speaks


@pytest.mark.parametrize(
    ("effort", "thinking", "budget"),
    [("none", False, None), ("minimal", False, None), ("low", True, 256), ("xhigh", True, None)],
)
def test_reasoning_effort_is_a_budget(effort, thinking, budget):
    reply = settings_of({"reasoning": {"effort": effort}}).reply
    assert (reply.thinking, reply.thinking_budget) == (thinking, budget)
    assert reply.max_new_tokens == 300


def test_functions_reach_the_model_in_its_own_form():
    tool = {"type": "function", "name": "weather", "description": "Of a city."}
    (function,) = settings_of({"tools": [tool]}).functions
    assert function["function"]["name"] == "weather"
    assert function["function"]["parameters"] == {"type": "object", "properties": {}}


def test_text_transcription_and_tokens():
    settings = settings_of(
        {
            "output_modalities": ["text"],
            "max_output_tokens": 40,
            "audio": {"input": {"transcription": {}}, "output": {"speed": 0.25}},
        }
    )
    assert settings.modality == "text"
    assert settings.transcribe
    assert settings.reply.max_new_tokens == 40
    assert settings.voice.speed == 0.5


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_call_cannot_be_forced(choice):
    with pytest.raises(ProtocolError, match="cannot be made"):
        settings_of({"tool_choice": choice})


def test_response_does_its_part_otherwise():
    how = response_settings(
        parse_response_config(
            {
                "instructions": "Say hello.",
                "output_modalities": ["text"],
                "max_output_tokens": 9,
                "metadata": {"a": "b"},
            }
        )
    )
    assert (how.instructions, how.modality, how.max_new_tokens) == ("Say hello.", "text", 9)
    assert how.metadata == {"a": "b"}
    assert response_settings(parse_response_config(None)).modality is None


@pytest.mark.parametrize(
    "fields", [{"tools": [{"name": "x"}]}, {"tool_choice": "none"}, {"tool_choice": "required"}]
)
def test_response_has_the_tools_of_its_session(fields):
    with pytest.raises(ProtocolError, match=r"session\.update"):
        response_settings(parse_response_config(fields))
