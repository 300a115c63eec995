"""Items of a conversation: the client's JSON to the session's dataclasses, and back."""

import asyncio
import base64
import binascii
import io
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from voice.session_events import Content, Item
from web.realtime.client_events import Checked
from web.realtime.config import AudioFormat
from web.realtime.errors import ProtocolError, from_validation
from web.realtime.wire_audio import WireDecoder

MAX_IMAGE_PIXELS = 24_000_000
MAX_PARTS = 64

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")


class _Part(Checked):
    type: Literal[
        "input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"
    ]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None
    image_url: str | None = None


class _Message(Checked):
    type: Literal["message"]
    role: Literal["user", "assistant", "system"]
    content: list[_Part] = Field(min_length=1, max_length=MAX_PARTS)
    id: str | None = Field(default=None, max_length=64)
    status: Literal["completed", "incomplete", "in_progress"] | None = None


class _FunctionCall(Checked):
    type: Literal["function_call"]
    name: str
    arguments: str
    call_id: str | None = None
    id: str | None = Field(default=None, max_length=64)


class _FunctionCallOutput(Checked):
    type: Literal["function_call_output"]
    call_id: str
    output: str
    id: str | None = Field(default=None, max_length=64)


_KINDS: dict[str, type[Checked]] = {
    "message": _Message,
    "function_call": _FunctionCall,
    "function_call_output": _FunctionCallOutput,
}
# Which parts a message of a role may have; the short names are those of the beta API.
_PARTS_OF_ROLE = {
    "user": {"input_text", "input_audio", "input_image"},
    "assistant": {"output_text", "output_audio", "text", "audio"},
    "system": {"input_text"},
}
_GA_NAMES: dict[str, Any] = {"text": "output_text", "audio": "output_audio"}


async def parse_item(fields: dict[str, Any], audio_format: AudioFormat) -> Item:
    """The item that `conversation.item.create` holds.

    Pictures are decoded on another thread, since a large one takes a while.

    Raises:
        ProtocolError: it is malformed, or holds what a conversation cannot take in.
    """
    model = _KINDS.get(str(fields.get("type")))
    if model is None:
        raise ProtocolError(
            "invalid_value", f"item.type must be one of {', '.join(_KINDS)}", "item.type"
        )
    try:
        item = TypeAdapter(model).validate_python(fields)
    except ValidationError as error:
        raise from_validation(error, "item") from error
    match item:
        case _Message():
            content = [
                await _content(part, item.role, f"item.content.{index}", audio_format)
                for index, part in enumerate(item.content)
            ]
            return Item(id=item.id or "", role=item.role, content=tuple(content))
        case _FunctionCall():
            return Item(
                id=item.id or "",
                kind="function_call",
                name=item.name,
                arguments=item.arguments,
                call_id=item.call_id or "",
            )
        case _FunctionCallOutput():
            return Item(
                id=item.id or "",
                kind="function_call_output",
                call_id=item.call_id,
                output=item.output,
            )
    raise AssertionError(item)


async def _content(part: _Part, role: str, param: str, audio_format: AudioFormat) -> Content:
    if part.type not in _PARTS_OF_ROLE[role]:
        raise ProtocolError(
            "invalid_value",
            f"{param}.type {part.type!r} does not go with the role {role!r}",
            f"{param}.type",
        )
    kind = _GA_NAMES.get(part.type, part.type)
    match kind:
        case "input_text" | "output_text":
            if part.text is None:
                raise _missing(f"{param}.text")
            return Content(kind=kind, text=part.text)
        case "output_audio":
            # What it sounded like is of no use to the model; what was said is.
            if part.transcript is None:
                raise _missing(f"{param}.transcript")
            return Content(kind=kind, transcript=part.transcript)
        case "input_audio":
            if part.audio is None:
                raise _missing(f"{param}.audio")
            decoder = WireDecoder(audio_format)
            first = decoder.decode(part.audio, f"{param}.audio")
            samples = np.concatenate([first, decoder.flush()])
            return Content(kind=kind, audio=samples, transcript=part.transcript)
    if part.image_url is None:
        raise _missing(f"{param}.image_url")
    image = await asyncio.to_thread(_decode_image, part.image_url, f"{param}.image_url")
    return Content(kind=kind, image=image)


def _missing(param: str) -> ProtocolError:
    return ProtocolError("missing_required_parameter", f"{param} is missing: add it", param)


def _decode_image(url: str, param: str) -> Image.Image:
    header, _, data = url.partition(",")
    if not header.startswith("data:"):
        raise ProtocolError(
            "unsupported_image_url",
            f"{param} must be a data URL with base64: the server opens no addresses",
            param,
        )
    if not header.endswith(";base64") or header[5:].split(";")[0] not in _IMAGE_TYPES:
        raise ProtocolError(
            "unsupported_image_type",
            f"{param} must be base64 of one of {', '.join(_IMAGE_TYPES)}",
            param,
        )
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise ProtocolError(
                    "image_too_large",
                    f"{param} has more than {MAX_IMAGE_PIXELS // 1_000_000} megapixels: scale it "
                    "down; the model sees far fewer",
                    param,
                )
            return image.convert("RGB")
    except binascii.Error as error:
        raise ProtocolError("invalid_base64", f"{param} is no base64: {error}", param) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ProtocolError("invalid_image", f"{param} is no picture: {error}", param) from error


def item_json(item: Item) -> dict[str, Any]:
    """The item as server events carry it; sound and pictures are not sent back."""
    fields: dict[str, Any] = {"id": item.id, "object": "realtime.item", "type": item.kind}
    fields["status"] = item.status
    match item.kind:
        case "message":
            fields["role"] = item.role
            fields["content"] = [content_json(part) for part in item.content]
        case "function_call":
            fields |= {"name": item.name, "arguments": item.arguments, "call_id": item.call_id}
        case "function_call_output":
            fields |= {"call_id": item.call_id, "output": item.output}
    return fields


def content_json(part: Content) -> dict[str, Any]:
    """A part of a message as items carry it."""
    match part.kind:
        case "input_text" | "output_text":
            return {"type": part.kind, "text": part.text}
        case "input_audio" | "output_audio":
            return {"type": part.kind, "transcript": part.transcript}
    return {"type": part.kind}
