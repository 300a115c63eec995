"""Events of clients: each message is carried out or refused with a code; the session goes on."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from streaming.vad import VoiceDetector
from tests.fuzz.client_events import client_messages
from tests.fuzz.witness import Client, ModelWitness, ProtocolWitness, undisturbed
from tests.voice.talk import FAST, SHORT, CountingVoice, Loudness, assistant
from tests.web.served import client_of, serving
from voice.engine import Engine
from voice.session_settings import SessionSettings

__all__ = ["assistant"]

pytestmark = pytest.mark.timeout(3600)

CODE = re.compile(r"[a-z0-9_]+")
SETTINGS = SessionSettings(reply=SHORT, stream=FAST)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def check_told(events) -> None:
    """Each is JSON that can be sent, and each error says what is wrong."""
    for event in events:
        json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        if event["type"] == "error":
            error = event["error"]
            assert CODE.fullmatch(error["code"]), error
            assert error["message"]
            assert error["code"] not in ("session_failed", "server_error"), error


def test_any_message_is_carried_out_or_refused(effort, loop):
    undisturbed = loop.run(ProtocolWitness().result())

    async def attempt(messages):
        witness = ProtocolWitness()
        client = Client(is_pushed=len(messages[0]) % 4 != 0)
        for message in messages:
            check_told(await client.send(message))
            await witness.go_on()
        assert client.ended == []
        (retrieved,) = await client.send('{"type": "conversation.item.retrieve", "item_id": "?"}')
        assert retrieved["error"]["code"] == "item_retrieve_invalid_item_id"
        assert await witness.result() == undisturbed

    effort.spend("events", client_messages(), 20, lambda each: loop.run(attempt(each)))


def test_any_message_by_websocket_is_answered(effort, loop):
    """Text and binary; after each batch the connection still says what it is asked."""
    undisturbed = loop.run(ProtocolWitness().result())

    async def attempt(messages):
        witness = ProtocolWitness()
        async with (
            serving(messages_per_s=1_000_000) as server,
            client_of(server) as http,
            http.ws_connect("/v1/realtime", max_msg_size=0) as socket,
        ):
            for number, message in enumerate(messages):
                if number % 7 == 6:
                    await socket.send_bytes(message.encode())
                else:
                    await socket.send_str(message)
                await witness.go_on()
            await socket.send_str('{"type": "response.cancel", "response_id": "last"}')
            async with asyncio.timeout(20):
                await until_told(socket, "response_cancel_not_active")
        assert await witness.result() == undisturbed

    effort.spend("events by WebSocket", client_messages(), 25, lambda each: loop.run(attempt(each)))


async def until_told(socket, code: str) -> None:
    """Reads until the refusal of the last message comes, with that code."""
    while True:
        event = await socket.receive_json()
        check_told([event])
        if event["type"] == "error" and "'last'" in event["error"]["message"]:
            assert event["error"]["code"] == code
            return


def test_any_message_to_a_model_leaves_its_neighbour_as_it_is(effort, loop, assistant):
    alone = undisturbed(assistant)

    def attempt(messages):
        engine = Engine(assistant, open_voice=CountingVoice)

        def open_session(settings, emit, is_pushed):
            return engine.open_session(
                emit,
                settings=settings,
                playback="pushed" if is_pushed else "pulled",
                detector=VoiceDetector(Loudness()),
                seed=1,
            )

        client = Client(open_session, settings=SETTINGS)
        witness = ModelWitness(engine)
        for message in messages:
            loop.run(client.send(message))
            witness.go_on()
        engine.run()
        check_told(client.received)
        assert client.ended == []
        assert witness.result() == alone
        engine.close()

    effort.spend("events to a model", client_messages(), 10, attempt)
