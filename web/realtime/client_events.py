"""What clients may send: the eleven client events of the Realtime API, checked and typed.

Fields that are not known are ignored: clients of later versions send more.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web.realtime.errors import ProtocolError, from_validation
from web.realtime.json_text import parse_json


class Checked(BaseModel):
    """Frozen, and without conversions: a number is no text, nor a text a number."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ClientEvent(Checked):
    """Something a client wants."""

    type: str
    event_id: str | None = Field(default=None, max_length=512)


class SessionUpdate(ClientEvent):
    """Changes what it names of the session's configuration."""

    type: Literal["session.update"]
    session: dict[str, Any]


class InputAudioAppend(ClientEvent):
    """More of what the user says."""

    type: Literal["input_audio_buffer.append"]
    audio: str
    """Base64, in the session's input format."""


class InputAudioCommit(ClientEvent):
    """What was said becomes a turn."""

    type: Literal["input_audio_buffer.commit"]


class InputAudioClear(ClientEvent):
    """What was said is dropped."""

    type: Literal["input_audio_buffer.clear"]


class OutputAudioClear(ClientEvent):
    """What is being said is cut off (WebRTC)."""

    type: Literal["output_audio_buffer.clear"]


class ItemCreate(ClientEvent):
    """A message or function output joins the conversation."""

    type: Literal["conversation.item.create"]
    item: dict[str, Any]
    previous_item_id: str | None = None


class ItemRetrieve(ClientEvent):
    """Asks for an item."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(ClientEvent):
    """Tells how much of a spoken item was heard."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0)


class ItemDelete(ClientEvent):
    """An item leaves the conversation."""

    type: Literal["conversation.item.delete"]
    item_id: str


class ResponseCreate(ClientEvent):
    """Asks for a response."""

    type: Literal["response.create"]
    response: dict[str, Any] | None = None


class ResponseCancel(ClientEvent):
    """Ends the response that is being made."""

    type: Literal["response.cancel"]
    response_id: str | None = None


_EVENTS: dict[str, type[ClientEvent]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": InputAudioAppend,
    "input_audio_buffer.commit": InputAudioCommit,
    "input_audio_buffer.clear": InputAudioClear,
    "output_audio_buffer.clear": OutputAudioClear,
    "conversation.item.create": ItemCreate,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.truncate": ItemTruncate,
    "conversation.item.delete": ItemDelete,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}


def parse_client_event(message: str) -> ClientEvent:
    """Returns the event that a text message holds.

    Raises:
        ProtocolError: it is no JSON object, of no known type, or lacks what its type needs;
            see `event_id_of`.
    """
    try:
        fields = parse_json(message)
    except ValueError as error:
        raise ProtocolError("invalid_json", f"the message is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ProtocolError("invalid_event", "the message must be a JSON object with a type")
    kind = fields.get("type")
    if kind is None:
        raise ProtocolError("missing_required_parameter", "type is missing: add it", "type")
    model = _EVENTS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ProtocolError(
            "unknown_event", f"type {str(kind)[:80]!r} is unknown: use {', '.join(_EVENTS)}", "type"
        )
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise from_validation(error) from error


def event_id_of(message: str) -> str | None:
    """The client's id of an event that could not be parsed, if it has one."""
    try:
        fields = parse_json(message)
    except ValueError:
        return None
    event_id = fields.get("event_id") if isinstance(fields, dict) else None
    return event_id if isinstance(event_id, str) and len(event_id) <= 512 else None
