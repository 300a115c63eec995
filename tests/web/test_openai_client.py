"""OpenAI's own Python client, unmodified, talks with the built-in model over a WebSocket.

Sound is sent as fast as it goes: the session's time is the samples it has heard.
"""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import numpy as np
import pytest
from openai import AsyncOpenAI

from tests.web.served import base64_pieces, question, serving_model, weather_question
from voice.assistant import Assistant

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@asynccontextmanager
async def conversation(assistant: Assistant):
    async with serving_model(assistant) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        async with (
            AsyncOpenAI(base_url=address, api_key="none") as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            yield connection


async def say(connection, samples: np.ndarray) -> None:
    for audio in base64_pieces(samples):
        await connection.input_audio_buffer.append(audio=audio)


async def until(connection, kind: str) -> list:
    """The events up to and including the first of a kind; an error ends the test."""
    events = []
    async with asyncio.timeout(60):
        while not events or events[-1].type != kind:
            events.append(await connection.recv())
            assert events[-1].type != "error", events[-1]
    return events


def spoken(events: list) -> tuple[str, np.ndarray]:
    """What was said, and its sound at 24 kHz."""
    text = "".join(e.delta for e in events if e.type == "response.output_audio_transcript.delta")
    sound = b"".join(
        base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta"
    )
    return text, np.frombuffer(sound, "<i2").astype(np.float32) / 32768


def test_spoken_conversation_with_a_truncate(builtin):
    asyncio.run(spoken_conversation(builtin))


async def spoken_conversation(assistant: Assistant) -> None:
    async with conversation(assistant) as connection:
        created = await until(connection, "session.created")
        assert created[0].session.model == "builtin"
        session = {
            "type": "realtime",
            "audio": {"input": {"transcription": {"model": "whisper-1"}}},
        }
        await connection.session.update(session=session)
        await until(connection, "session.updated")

        await say(connection, question("capital_of_france"))
        events = await until(connection, "response.done")
        kinds = [event.type for event in events]
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index(
            "input_audio_buffer.speech_stopped"
        )
        text, sound = spoken(events)
        assert "Paris" in text
        assert len(sound) > 24_000
        assert np.abs(sound).max() > 0.05
        response = events[-1].response
        assert response.status == "completed"
        assert response.usage.input_token_details.audio_tokens > 20
        item_id = response.output[0].id

        await connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=700
        )
        await until(connection, "conversation.item.truncated")
        await connection.conversation.item.retrieve(item_id=item_id)
        item = (await until(connection, "conversation.item.retrieved"))[-1].item
        heard = item.content[0].transcript
        assert heard
        assert text.startswith(heard)
        assert len(heard) < len(text)

        await say(connection, question("two_plus_three"))
        events = await until(connection, "response.done")
        assert spoken(events)[0]
        assert events[-1].response.usage.input_token_details.cached_tokens > 20


def test_spoken_question_makes_the_model_call_the_client_s_function(builtin):
    asyncio.run(spoken_call(builtin))


async def spoken_call(assistant: Assistant) -> None:
    async with conversation(assistant) as connection:
        await connection.session.update(session={"type": "realtime", "tools": [TOOL]})
        await until(connection, "session.updated")
        await say(connection, question("capital_of_france"))
        assert "Paris" in spoken(await until(connection, "response.done"))[0]

        await say(connection, np.concatenate([weather_question(), np.zeros(16_000, np.float32)]))
        (call,) = (await until(connection, "response.done"))[-1].response.output
        assert (call.type, call.name) == ("function_call", "get_weather")
        assert json.loads(call.arguments) == {"city": "Paris"}

        result = {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "21 degrees, sunny",
        }
        await connection.conversation.item.create(item=result)
        await connection.response.create()
        text, sound = spoken(await until(connection, "response.done"))
        assert text.strip() == "It is 21 degrees and sunny."
        assert np.abs(sound).max() > 0.05


def test_turns_by_hand_in_writing_with_a_function(builtin):
    asyncio.run(turns_by_hand(builtin))


async def turns_by_hand(assistant: Assistant) -> None:
    async with conversation(assistant) as connection:
        session = {
            "type": "realtime",
            "output_modalities": ["text"],
            "tools": [TOOL],
            "audio": {"input": {"turn_detection": None}},
        }
        await connection.session.update(session=session)
        await until(connection, "session.updated")

        await say(connection, question("hello", 0.2))
        await connection.input_audio_buffer.commit()
        await until(connection, "input_audio_buffer.committed")
        await connection.response.create(response={"metadata": {"client_event_id": "mine"}})
        events = await until(connection, "response.done")
        assert next(e for e in events if e.type == "response.created").response.metadata == {
            "client_event_id": "mine"
        }
        assert events[-1].response.output[0].content[0].text
        assert not [event for event in events if event.type == "response.output_audio.delta"]

        # A call of an earlier conversation, put into the history by hand.
        for item in (
            {"type": "function_call", "name": "get_weather", "arguments": "{}", "call_id": "c1"},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        ):
            await connection.conversation.item.create(item=item)
            await until(connection, "conversation.item.done")
        await connection.response.create()
        assert (await until(connection, "response.done"))[-1].response.status == "completed"


def test_ephemeral_secret_is_made_by_the_client_library(builtin):
    async def body() -> None:
        async with serving_model(builtin) as server:
            address = f"http://127.0.0.1:{server.port}/v1"
            async with AsyncOpenAI(base_url=address, api_key="none") as client:
                session = {"type": "realtime", "instructions": "Be brief."}
                secret = await client.realtime.client_secrets.create(session=session)
            assert secret.value.startswith("ek_")
            async with (
                AsyncOpenAI(base_url=address, api_key=secret.value) as client,
                client.realtime.connect(model="any") as connection,
            ):
                created = await connection.recv()
                assert created.session.instructions == "Be brief."

    asyncio.run(body())


@pytest.mark.parametrize("audio", ["*", "A"])
def test_error_reaches_the_client_with_its_code(builtin, audio):
    async def body() -> None:
        async with conversation(builtin) as connection:
            await connection.recv()
            await connection.input_audio_buffer.append(audio=audio)
            event = await connection.recv()
            assert event.type == "error"
            assert event.error.code == "invalid_base64"

    asyncio.run(body())
