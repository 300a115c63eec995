"""A call over a bad network on the clock of its samples: no threads, no sockets, no waiting.

Real Opus, the server's own way in and out, a real session, and a caller who hears what arrives.
"""

from collections.abc import Coroutine
from dataclasses import dataclass

import numpy as np

from tests.web.media.lossy import Link, Network
from tests.web.media.network import FRAME, HeardSink
from voice import session_events as told
from voice.assistant import Assistant
from voice.engine import Engine
from voice.playback import SAMPLE_RATE_HZ, Playback
from voice.session_events import SessionEvent
from web.latency.measure import AUDIBLE, Question
from web.media.codec import OpusEncoder
from web.media.inbound import InboundAudio
from web.media.interface import FRAME_MS, INPUT_RATE_HZ, MediaStatistics
from web.media.outbound import OutboundAudio

GIVE_UP_FRAMES = 8 * 1000 // FRAME_MS
"""After a question that nothing answers."""
PAUSE_FRAMES = 25

_SAMPLES = INPUT_RATE_HZ * FRAME_MS // 1000
_Packet = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one question.

    Attributes:
        turns: that the server made of it.
        reply: what was answered.
        audible_ms: how much of the answer could be heard at the caller's end.
    """

    turns: int
    reply: str
    audible_ms: float


class LossyCall:
    """See the module.

    Args:
        assistant: the model.
        network: between the two; may be changed during the call.
        seed: of what the network does.
    """

    def __init__(self, assistant: Assistant, network: Network, seed: int) -> None:
        self._engine = Engine(assistant)
        self.events: list[SessionEvent] = []
        self._session = self._engine.open_session(self.events.append)
        self.statistics = MediaStatistics()
        self._ear = HeardSink()
        self._server_in = InboundAudio(self._session, self.statistics)
        self._caller_in = InboundAudio(self._ear, MediaStatistics())
        self._out = OutboundAudio(_Source(self._session.playback), 32_000, self.statistics)
        self._encoder = OpusEncoder(INPUT_RATE_HZ, 32_000)
        self._up: Link[_Packet] = Link(network, seed)
        self._down: Link[_Packet] = Link(network, seed + 1)
        self._frames = 0

    def set_network(self, network: Network) -> None:
        """From now on the network is another."""
        self._up.network = self._down.network = network

    def ask(self, question: Question) -> Outcome:
        """Says something, and listens until it was answered, or for a while."""
        first, heard = len(self.events), len(self._ear.parts)
        padded = np.pad(question.samples, (0, -len(question.samples) % _SAMPLES))
        for frame in padded.reshape(-1, _SAMPLES):
            self._tick(frame)
        silence = np.zeros(_SAMPLES, np.float32)
        for _ in range(GIVE_UP_FRAMES):
            self._tick(silence)
            if any(isinstance(event, told.PlaybackEnded) for event in self.events[first:]):
                break
        for _ in range(PAUSE_FRAMES):
            self._tick(silence)
        new = self.events[first:]
        sound = np.concatenate([silence, *self._ear.parts[heard:]])
        loud = np.abs(sound[: len(sound) // _SAMPLES * _SAMPLES]).reshape(-1, _SAMPLES).max(1)
        return Outcome(
            turns=sum(isinstance(event, told.InputCommitted) for event in new),
            reply=" ".join(event.text for event in new if isinstance(event, told.OutputTextDone)),
            audible_ms=FRAME_MS * int(np.count_nonzero(loud > AUDIBLE)),
        )

    def close(self) -> None:
        """Hangs up."""
        self._engine.close()

    def _tick(self, frame: np.ndarray) -> None:
        """Lets 20 ms pass."""
        now_s, number = self._frames * FRAME_MS / 1000, self._frames & 0xFFFF
        self._up.send(now_s, (number, self._frames * FRAME, self._encoder.encode(frame)))
        for packet in self._up.due(now_s):
            self._server_in.receive(*packet)
        self._server_in.tick()
        self._engine.run()
        payload = _at_once(self._out.next_packet())
        self._down.send(now_s, (number, self._frames * FRAME, payload))
        for packet in self._down.due(now_s):
            self._caller_in.receive(*packet)
        self._caller_in.tick()
        self._engine.run()
        self._frames += 1


class _Source:
    """A playback as calls read it."""

    sample_rate = SAMPLE_RATE_HZ

    def __init__(self, playback: Playback) -> None:
        self._playback = playback

    async def read(self, count: int) -> np.ndarray:
        return self._playback.read(count)


def _at_once(packet: Coroutine[None, None, bytes]) -> bytes:
    """What a coroutine returns that has nothing to wait for."""
    try:
        packet.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("a playback in this process made its reader wait")
