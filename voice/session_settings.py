"""How a session listens, thinks and speaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from streaming.encoder import StreamSettings
from streaming.turn_settings import TurnSettings
from voice.decoding import ReplySettings
from voice.session_events import Modality
from voice.tts.synthesizer import VoiceSettings

MAX_HEAR_S = 60
"""The most sound that a session takes at once."""

ToolChoice = Literal["auto", "none"]
ContextPolicy = Literal["summarise", "drop"]
"""What becomes of the oldest turns when the context is full: they leave a summary, which the model
writes when it has nothing else to do, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """The dials of a session; all but `stream` may change while it goes on.

    Attributes:
        instructions: the system text.
        modality: whether replies are spoken, or written alone.
        turns: when turns begin and end; `TurnSettings.from_turn_detection` reads OpenAI's form.
        reply: how replies are made; thinking and its budget are here.
        voice: how they are spoken.
        functions: the client's, in OpenAI's form: it is told of calls and brings the results.
        tool_choice: whether the model may call functions, the session's own tools included.
        fillers: what is said while a tool takes long (`TurnSettings.filler_ms`), one after the
            other; it is no part of the history. None: such waits are silent.
        context: what becomes of the oldest turns when the context is full. Where there was no time
            to write a summary, they are dropped.
        transcribe: whether what the user says is written down.
        stream: how the encoder cuts live audio.
    """

    instructions: str = ""
    modality: Modality = "audio"
    turns: TurnSettings = field(default_factory=TurnSettings)
    reply: ReplySettings = field(default_factory=ReplySettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    functions: tuple[Mapping[str, Any], ...] = ()
    tool_choice: ToolChoice = "auto"
    fillers: tuple[str, ...] = ("One moment, please.", "I am still looking.")
    context: ContextPolicy = "drop"
    transcribe: bool = True
    stream: StreamSettings = field(default_factory=StreamSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSettings:
    """What one response does otherwise than the session; None is as the session does.

    Attributes:
        instructions: further ones, which only this response obeys.
        modality: as in `SessionSettings`.
        max_new_tokens: as in `ReplySettings`.
        metadata: echoed in the events of the response.
        script: what it says, if that is known already: nothing is asked of the model.
    """

    instructions: str = ""
    modality: Modality | None = None
    max_new_tokens: int | None = None
    metadata: Mapping[str, Any] | None = None
    script: str = ""
