"""A client's configuration as the settings of a session."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from voice.decoding import ReplySettings
from voice.session_settings import ResponseSettings, SessionSettings, TurnSettings
from voice.tts.synthesizer import VoiceSettings
from web.realtime.config import FunctionTool, ResponseConfig, SessionConfig
from web.realtime.errors import ProtocolError

THINKING_BUDGETS: Mapping[str, int | None] = {
    "low": 256,
    "medium": 1024,
    "high": 4096,
    "xhigh": None,
}
"""Tokens that `reasoning.effort` allows; the efforts that are not here mean none."""

_SLOWEST, _FASTEST = 0.5, 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceDefaults:
    """What the server decides, and clients build on.

    Attributes:
        settings: of every session, where its client wishes nothing else.
        voices: that the synthesiser has. Other names, such as OpenAI's, mean its usual voice.
    """

    settings: SessionSettings = field(default_factory=SessionSettings)
    voices: frozenset[str] = frozenset()


def session_settings(config: SessionConfig, defaults: VoiceDefaults) -> SessionSettings:
    """The settings that a configuration asks for.

    Raises:
        ProtocolError: it asks for what no session can do.
    """
    base = defaults.settings
    detection = config.audio.input.turn_detection
    try:
        turns = TurnSettings.from_turn_detection(
            None if detection is None else detection.model_dump()
        )
    except ValueError as error:
        param = "session.audio.input.turn_detection"
        raise ProtocolError("invalid_value", str(error), param) from error
    if config.tool_choice not in ("auto", "none"):
        raise ProtocolError(
            "unsupported_parameter",
            "the model cannot be made to call a function: use 'auto' or 'none'",
            "session.tool_choice",
        )
    return replace(
        base,
        instructions=config.instructions or base.instructions,
        modality="audio" if config.speaks else "text",
        turns=replace(turns, speculate=base.turns.speculate, filler_ms=base.turns.filler_ms),
        reply=_reply(config, base.reply),
        voice=_voice(config, defaults),
        functions=tuple(_function(tool) for tool in config.tools),
        tool_choice="none" if config.tool_choice == "none" else "auto",
        transcribe=config.audio.input.transcription is not None,
    )


def response_settings(config: ResponseConfig) -> ResponseSettings:
    """What one response does otherwise.

    Raises:
        ProtocolError: it asks for what no single response can do otherwise.
    """
    if config.tools or config.tool_choice not in (None, "auto"):
        raise ProtocolError(
            "unsupported_parameter",
            "tools are the session's: change them with session.update",
            "response.tools" if config.tools else "response.tool_choice",
        )
    modality = config.output_modalities
    tokens = config.max_output_tokens
    return ResponseSettings(
        instructions=config.instructions or "",
        modality=None if modality is None else ("audio" if "audio" in modality else "text"),
        max_new_tokens=tokens if isinstance(tokens, int) else None,
        metadata=config.metadata,
    )


def _reply(config: SessionConfig, base: ReplySettings) -> ReplySettings:
    tokens = config.max_output_tokens
    reply = replace(base, max_new_tokens=tokens) if isinstance(tokens, int) else base
    effort = config.reasoning.effort if config.reasoning else None
    if effort is None:
        return reply
    return replace(
        reply, thinking=effort in THINKING_BUDGETS, thinking_budget=THINKING_BUDGETS.get(effort)
    )


def _voice(config: SessionConfig, defaults: VoiceDefaults) -> VoiceSettings:
    output = config.audio.output
    base = defaults.settings.voice
    # A variant follows the name: en-us+f3.
    known = output.voice_name.partition("+")[0] in defaults.voices
    return replace(
        base,
        voice=output.voice_name if known else base.voice,
        speed=min(_FASTEST, max(_SLOWEST, base.speed * output.speed)),
    )


def _function(tool: FunctionTool) -> dict[str, Any]:
    """In the form that chat templates know."""
    parameters = tool.parameters or {"type": "object", "properties": {}}
    described = {
        "name": tool.name,
        "description": tool.description or "",
        "parameters": parameters,
    }
    return {"type": "function", "function": described}
