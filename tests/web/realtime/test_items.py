"""Items in and out, and what of them is refused."""

import asyncio
import base64
import io

import pytest
from openai.types.realtime import ConversationItem
from PIL import Image
from pydantic import TypeAdapter

from voice.session_events import Content, Item
from web.realtime.config import Pcm
from web.realtime.errors import ProtocolError
from web.realtime.items import item_json, parse_item


def parse(fields: dict) -> Item:
    return asyncio.run(parse_item(fields, Pcm()))


def message(role: str, **part) -> dict:
    return {"type": "message", "role": role, "content": [part]}


def picture(size=(8, 4), kind="PNG") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_text_is_parsed():
    item = parse(message("user", type="input_text", text="Hello"))
    assert item == Item(role="user", content=(Content(kind="input_text", text="Hello"),))


def test_audio_is_parsed_whole():
    audio = base64.b64encode(bytes(2 * 24_000)).decode()
    (part,) = parse(message("user", type="input_audio", audio=audio)).content
    assert part.audio is not None
    assert abs(len(part.audio) - 16_000) <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_picture_is_parsed(kind):
    (part,) = parse(message("user", type="input_image", image_url=picture(kind=kind))).content
    assert part.image is not None
    assert part.image.size == (8, 4)


def test_function_output_is_parsed():
    item = parse({"type": "function_call_output", "call_id": "c", "output": "7", "id": "mine"})
    assert item == Item(id="mine", kind="function_call_output", call_id="c", output="7")


def test_names_of_the_beta_are_understood_in_assistant_messages():
    (part,) = parse(message("assistant", type="text", text="Hi")).content
    assert part.kind == "output_text"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "invalid_value", "item.type"),
        ({"type": "mcp_call"}, "invalid_value", "item.type"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        ({"type": "message", "role": "user", "content": []}, "invalid_value", "item.content"),
        (message("god", type="input_text", text=""), "invalid_value", "item.role"),
        (message("user", type="input_text"), "missing_required_parameter", "item.content.0.text"),
        (message("user", type="output_text", text=""), "invalid_value", "item.content.0.type"),
        (message("user", type="input_audio", audio="?"), "invalid_base64", "item.content.0.audio"),
        (
            message("user", type="input_image", image_url="http://169.254.169.254/"),
            "unsupported_image_url",
            "item.content.0.image_url",
        ),
        (
            message("user", type="input_image", image_url="data:image/svg+xml;base64,AA=="),
            "unsupported_image_type",
            "item.content.0.image_url",
        ),
        (
            message("user", type="input_image", image_url="data:image/png;base64,AAAA"),
            "invalid_image",
            "item.content.0.image_url",
        ),
        (
            message("user", type="input_image", image_url=picture((6000, 5000))),
            "image_too_large",
            "item.content.0.image_url",
        ),
        (
            {"type": "function_call_output", "output": "7"},
            "missing_required_parameter",
            "item.call_id",
        ),
    ],
)
def test_item_that_cannot_be_is_refused_with_its_path(fields, code, param):
    with pytest.raises(ProtocolError) as caught:
        parse(fields)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    "item",
    [
        Item(id="a", role="user", content=(Content(kind="input_audio", transcript="hello"),)),
        Item(id="b", role="assistant", content=(Content(kind="output_audio", transcript="Hi"),)),
        Item(id="c", kind="function_call", name="time", arguments="{}", call_id="call_1"),
        Item(id="d", kind="function_call_output", call_id="call_1", output="noon"),
    ],
)
def test_item_goes_out_as_the_api_has_it(item):
    TypeAdapter(ConversationItem).validate_python(item_json(item))
