"""The configuration of a session, as clients see and change it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from web.realtime.client_events import Checked
from web.realtime.errors import ProtocolError, from_validation

MAX_INSTRUCTIONS = 100_000
MAX_TOOLS = 128

# Extensions: a session that includes them is told of them, under these types.
FLOOR_EVENTS = "parley.floor"
LATENCY_EVENTS = "parley.latency"
HISTORY_EVENTS = "parley.history_trimmed"
TOOL_EVENTS = "parley.tool_call"


class Pcm(Checked):
    """16 bit, little endian, mono."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class G711(Checked):
    """8 kHz, 8 bit."""

    type: Literal["audio/pcmu", "audio/pcma"]


AudioFormat = Pcm | G711


class ServerVad(Checked):
    """A turn ends with silence of a fixed length."""

    type: Literal["server_vad"]
    threshold: float | None = Field(default=0.5, ge=0.0, le=1.0)
    prefix_padding_ms: int | None = Field(default=300, ge=0, le=5000)
    silence_duration_ms: int | None = Field(default=500, ge=0, le=10_000)
    idle_timeout_ms: int | None = Field(default=None, ge=5000, le=30_000)
    create_response: bool | None = True
    interrupt_response: bool | None = True


class SemanticVad(Checked):
    """A turn ends when what was said is complete, or silence has lasted."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = "auto"
    create_response: bool | None = True
    interrupt_response: bool | None = True


class Transcription(Checked):
    """Asks for the text of what the user says; the session's own model writes it down."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class NoiseReduction(Checked):
    """Taken note of: browsers reduce noise, and the model was made to hear through it."""

    type: Literal["near_field", "far_field"] | None = None


class AudioInput(Checked):
    """What the user's side sounds like and when a turn is over."""

    format: AudioFormat = Pcm()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: ServerVad | SemanticVad | None = SemanticVad(type="semantic_vad")


class VoiceId(Checked):
    """A voice by its id."""

    id: str


class AudioOutput(Checked):
    """How the assistant speaks."""

    format: AudioFormat = Pcm()
    voice: str | VoiceId = "default"
    speed: float = Field(default=1.0, ge=0.25, le=1.5)

    @property
    def voice_name(self) -> str:
        """The voice, however it was named."""
        return self.voice if isinstance(self.voice, str) else self.voice.id


class Audio(Checked):
    """Both directions."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class FunctionTool(Checked):
    """A function that the client carries out."""

    type: Literal["function"] = "function"
    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


class NamedFunction(Checked):
    """The one function that must be called."""

    type: Literal["function"]
    name: str


class Reasoning(Checked):
    """How much the model thinks before it answers."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


Modalities = list[Literal["audio", "text"]]
ToolChoice = Literal["auto", "none", "required"] | NamedFunction
MaxTokens = Literal["inf"] | int


class SessionConfig(Checked):
    """Everything a client can set; see the Realtime API's session object."""

    type: Literal["realtime"] = "realtime"
    model: str = Field(default="builtin", max_length=256)
    instructions: str = Field(default="", max_length=MAX_INSTRUCTIONS)
    output_modalities: Modalities = Field(default=["audio"], min_length=1)
    audio: Audio = Audio()
    tools: list[FunctionTool] = Field(default=[], max_length=MAX_TOOLS)
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = None
    max_output_tokens: MaxTokens = "inf"
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    # Kept and sent back: what is not ours to do must not make a client fail.
    tracing: Any = None
    truncation: Any = "auto"
    prompt: Any = None

    @field_validator("output_modalities")
    @classmethod
    def _one_modality(cls, modalities: Modalities) -> Modalities:
        # The API allows one at a time; speech has its transcript anyway.
        return ["audio"] if "audio" in modalities else ["text"]

    @field_validator("max_output_tokens")
    @classmethod
    def _some_tokens(cls, tokens: MaxTokens) -> MaxTokens:
        if tokens != "inf" and not 1 <= tokens <= 4096:
            raise ValueError("must be from 1 to 4096, or 'inf'")
        return tokens

    @property
    def speaks(self) -> bool:
        """Whether responses are spoken."""
        return self.output_modalities == ["audio"]

    def includes(self, name: str) -> bool:
        """Whether the client has asked for events of an extension."""
        return name in (self.include or ())

    def as_json(self) -> dict[str, Any]:
        """As it is sent to clients."""
        return self.model_dump(mode="json")


class ResponseConfig(Checked):
    """What a single response may do differently."""

    instructions: str | None = Field(default=None, max_length=MAX_INSTRUCTIONS)
    output_modalities: Modalities | None = Field(default=None, min_length=1)
    audio: dict[str, Any] | None = None
    tools: list[FunctionTool] | None = Field(default=None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    max_output_tokens: MaxTokens | None = None
    reasoning: Reasoning | None = None
    metadata: dict[str, Any] | None = None
    conversation: str | None = None
    input: list[dict[str, Any]] | None = None


def updated(config: SessionConfig, changes: Mapping[str, Any]) -> SessionConfig:
    """The configuration with what a client changes; the parts it doesn't name stay as they are.

    Raises:
        ProtocolError: a value that cannot be; nothing is changed then.
    """
    kind = changes.get("type", "realtime")
    if kind != "realtime":
        raise ProtocolError(
            "unsupported_session_type",
            f"session.type {str(kind)[:80]!r} is not served: use 'realtime'",
            "session.type",
        )
    for index, tool in enumerate(_list(changes.get("tools"))):
        if isinstance(tool, Mapping) and tool.get("type") == "mcp":
            raise ProtocolError(
                "unsupported_tool",
                "MCP servers are not supported: give their functions as function tools",
                f"session.tools.{index}",
            )
    try:
        merged = _merged(config.as_json(), changes)
        # Whatever model a client asks for, it talks with the one that is here, and is told so.
        return SessionConfig.model_validate({**merged, "model": config.model})
    except ValidationError as error:
        raise from_validation(error, "session") from error


def parse_response_config(fields: Mapping[str, Any] | None) -> ResponseConfig:
    """What `response.create` asks for.

    Raises:
        ProtocolError: a value that cannot be, or a response outside the conversation.
    """
    try:
        config = ResponseConfig.model_validate(fields or {})
    except ValidationError as error:
        raise from_validation(error, "response") from error
    if config.conversation not in (None, "auto"):
        raise ProtocolError(
            "unsupported_parameter",
            "responses outside the conversation are not served: leave out response.conversation",
            "response.conversation",
        )
    if config.input is not None:
        raise ProtocolError(
            "unsupported_parameter",
            "a response with an input of its own is not served: use conversation.item.create",
            "response.input",
        )
    return config


def _merged(old: Any, new: Any) -> Any:
    """Objects are merged, everything else is replaced; so is an object of another type."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    if "type" in new and new["type"] != old.get("type"):
        return dict(new)
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
