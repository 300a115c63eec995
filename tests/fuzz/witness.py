"""Sessions that go on beside a fuzzed one, and must never know."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from tests.voice.talk import FRAME, Call, CountingVoice
from tests.web.scripted import ScriptedSession
from voice.assistant import Assistant
from voice.engine import Engine
from voice.session_settings import SessionSettings
from web.realtime.config import SessionConfig
from web.realtime.connection import OpenSession, RealtimeConnection, Transport
from web.realtime.voice_settings import VoiceDefaults

HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
TALK: tuple[dict[str, Any], ...] = (
    {"type": "session.update", "session": {"instructions": "Be kind.", "tools": [TOOL]}},
    {"type": "conversation.item.create", "item": {**HELLO, "id": "hello"}},
    {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(np.arange(4800, dtype="<i2").tobytes()).decode(),
    },
    {"type": "input_audio_buffer.commit"},
    {"type": "conversation.item.retrieve", "item_id": "hello"},
    {"type": "response.create", "response": {"metadata": {"a": "b"}}},
    {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}},
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(range(256))).decode()},
    {"type": "conversation.item.delete", "item_id": "hello"},
    {"type": "conversation.item.delete", "item_id": "hello"},
)
"""What the witness of the protocol says: sound, items, settings, and one wish that is refused."""


class Client:
    """A connection and what it has sent; `ended` has the reasons for which it was over."""

    def __init__(
        self,
        open_session: OpenSession = ScriptedSession,
        *,
        is_pushed: bool = True,
        settings: SessionSettings | None = None,
    ) -> None:
        self.received: list[dict[str, Any]] = []
        self.ended: list[str] = []
        transport = Transport(
            send=self.received.append, ended=self.ended.append, is_pushed=is_pushed
        )
        self.connection = RealtimeConnection(
            open_session,
            SessionConfig(),
            VoiceDefaults(settings=settings or SessionSettings()),
            transport,
        )
        self.connection.start()

    async def send(self, message: str) -> list[dict[str, Any]]:
        """What one message brings back at once."""
        before = len(self.received)
        await self.connection.receive(message)
        return self.received[before:]


class ProtocolWitness:
    """Says `TALK`, a message at a time."""

    def __init__(self, open_session: OpenSession = ScriptedSession) -> None:
        self.client = Client(open_session)
        self._rest = iter(TALK)

    async def go_on(self) -> None:
        """Says the next thing, if there is one."""
        if (event := next(self._rest, None)) is not None:
            await self.client.send(json.dumps(event))

    async def result(self) -> tuple[list[dict[str, Any]], bytes]:
        """Says the rest; what came back, and the sound that was heard."""
        for event in self._rest:
            await self.client.send(json.dumps(event))
        connection = self.client.connection
        text = json.dumps(self.client.received).replace(connection.session_id, "sess")
        events = json.loads(text)
        for event in events:
            event.get("session", {}).pop("expires_at", None)
        heard: list[np.ndarray] = connection.session.heard  # type: ignore[attr-defined]
        return events, np.concatenate(heard).tobytes()


class ModelWitness:
    """A conversation with a model on the clock of its samples: a question, a reply, an
    interruption, another question."""

    def __init__(self, engine: Engine) -> None:
        self.call = Call(engine, seed=3)
        self._rest = self._talk()

    def _talk(self) -> Iterator[None]:
        rng = np.random.default_rng(6)
        for loud, ms in ((1, 500), (0, 700), (1, 300), (0, 600)):
            for _ in range(ms // 100):
                self.call.send(loud * rng.uniform(-0.2, 0.2, 5 * FRAME).astype(np.float32))
                yield

    def go_on(self) -> None:
        """A tenth of a second, if it is not over yet."""
        next(self._rest, None)

    def result(self) -> tuple[list[str], bytes, bytes]:
        """Goes on to the end: all events, the sound, and the model's state."""
        for _ in self._rest:
            pass
        logits = self.call.logits()
        assert isinstance(logits, torch.Tensor)
        events = [repr(event) for event in self.call.events if "Latency" not in repr(event)[:20]]
        return events, self.call.sound.tobytes(), logits.numpy().tobytes()


def undisturbed(assistant: Assistant) -> tuple[list[str], bytes, bytes]:
    """The result of a `ModelWitness` that is alone in the world."""
    return ModelWitness(Engine(assistant, open_voice=CountingVoice)).result()
