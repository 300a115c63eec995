"""Client events to begin with, and what becomes of them."""

import base64
import copy
import io
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.mutation import ODD_VALUES, as_json, mangled, mutate

TONE = (np.sin(np.arange(2400) * 0.1) * 8000).astype("<i2").tobytes()
SPEECH = (np.random.default_rng(5).uniform(-6000, 6000, 12_000)).astype("<i2").tobytes()
SOUND = base64.b64encode(TONE).decode()


def _picture(form: str, **options: Any) -> str:
    file = io.BytesIO()
    pixels = np.arange(24 * 20 * 3, dtype=np.uint8).reshape(20, 24, 3)
    Image.fromarray(pixels).save(file, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


PICTURE = _picture("PNG")
TOOL = {
    "type": "function",
    "name": "look",
    "description": "Looks.",
    "parameters": {
        "type": "object",
        "properties": {"where": {"type": "string", "enum": ["here", "there"]}},
        "required": ["where"],
    },
}
DETECTION = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": 6000,
    "create_response": True,
    "interrupt_response": True,
}


def message(role: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    item = {"type": "message", "role": role, "content": list(parts), **fields}
    return {"type": "conversation.item.create", "item": item, "previous_item_id": None}


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


SKELETONS: tuple[dict[str, Any], ...] = (
    update(instructions="Be brief.", tools=[TOOL, {**TOOL, "name": "go"}], tool_choice="auto"),
    update(
        output_modalities=["text"],
        max_output_tokens=12,
        reasoning={"effort": "low"},
        tracing={"workflow_name": "a", "group_id": "b", "metadata": {"c": 1}},
        prompt={"id": "p", "variables": {"a": "b"}},
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
        include=["parley.floor", "parley.latency", "parley.tool_call"],
    ),
    update(
        audio={
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "whisper-1", "language": "en", "prompt": "a"},
                "noise_reduction": {"type": "near_field"},
                "turn_detection": DETECTION,
            },
            "output": {"format": {"type": "audio/pcm"}, "voice": "alloy", "speed": 1.2},
        }
    ),
    update(
        audio={
            "input": {
                "format": {"type": "audio/pcmu"},
                "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "en-us+f3"}},
        }
    ),
    update(audio={"input": {"turn_detection": None, "transcription": None}}),
    {"type": "input_audio_buffer.append", "audio": SOUND},
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(SPEECH).decode()},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    message("user", {"type": "input_text", "text": "hello"}, id="mine_1"),
    message(
        "user",
        {"type": "input_audio", "audio": SOUND, "transcript": "hi"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
        id="mine_2",
    ),
    message("user", {"type": "input_image", "image_url": _picture("JPEG")}),
    message("assistant", {"type": "output_text", "text": "Yes."}, id="mine_3"),
    message("system", {"type": "input_text", "text": "Be kind."}, id="mine_4"),
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {
            "type": "function_call",
            "id": "mine_5",
            "name": "look",
            "call_id": "call_1",
            "arguments": '{"where": "here"}',
        },
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
    },
    {"type": "conversation.item.retrieve", "item_id": "mine_1"},
    {
        "type": "conversation.item.truncate",
        "item_id": "mine_3",
        "content_index": 0,
        "audio_end_ms": 120,
    },
    {"type": "conversation.item.delete", "item_id": "mine_1"},
    {"type": "response.create"},
    {
        "type": "response.create",
        "response": {
            "instructions": "In one word.",
            "output_modalities": ["text"],
            "max_output_tokens": 5,
            "metadata": {"a": "b"},
            "conversation": "auto",
            "tool_choice": "auto",
        },
    },
    {"type": "response.cancel"},
    {"type": "response.cancel", "response_id": "resp_1"},
)

VALUES = st.sampled_from(
    (
        *ODD_VALUES,
        *("item_1", "item_2", "mine_1", "mine_2", "mine_3", "call_1", "resp_1"),
        *("audio/pcmu", "audio/pcma", "semantic_vad", "server_vad", "low", "none", "required"),
        *("user", "assistant", "system", "input_text", "input_audio", "input_image", "text"),
        *("function_call", "function_call_output", "message", "mcp", "realtime", "transcription"),
        *("session.update", "input_audio_buffer.append", "response.create", "response.cancel"),
        *(SOUND, SOUND[:-3], SOUND[:-4] + "AAA=", SOUND[:-4], "AAA=", "A", "=", "////", "_-_-"),
        *("data:,", "data:image/png;base64,", "data:image/png;base64,AAAA", "http://a/b.png"),
        *(PICTURE[:-40], PICTURE.replace("png", "webp", 1), "data:image/jpeg;base64," + SOUND),
        *(12, 500, 4096, 24_000, 8_000),
    )
)


@st.composite
def client_messages(draw: Any) -> str:
    """Texts that a client may send, from the right ones to those that are no JSON at all."""
    event = copy.deepcopy(draw(st.sampled_from(SKELETONS)))
    if draw(st.integers(0, 3)) == 0:
        event["event_id"] = draw(st.sampled_from(("mine", "mine", None, "\ud800", "a" * 600, 7)))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2, 3)))):
        mutate(draw, event, VALUES)
    if draw(st.integers(0, 15)) == 0:
        text = as_json(draw(st.sampled_from(ODD_VALUES)))
    else:
        text = as_json(event, is_ascii=draw(st.booleans()))
    for _ in range(draw(st.sampled_from((0, 0, 0, 0, 0, 0, 0, 0, 1, 2)))):
        text = mangled(draw, text)
    return text.encode("utf-8", "replace").decode()
