"""A peer that talks, and what a call tells."""

import asyncio

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

from tests.web.media.network import (
    HeardSink,
    ToneSource,
    accept,
    new_peer,
    offer_of,
    pitch,
    tone,
    until,
)
from web.media.interface import CallHandlers, MediaSettings, OpenCall


class Handlers:
    """Keeps what a call tells."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.opened = False
        self.reasons: list[str] = []
        self.error: BaseException | None = None

    def as_handlers(self) -> CallHandlers:
        return CallHandlers(message=self.messages.append, opened=self._open, closed=self._close)

    def _open(self) -> None:
        self.opened = True

    def _close(self, reason: str, error: BaseException | None) -> None:
        self.reasons.append(reason)
        self.error = error


class MicrophoneTrack(MediaStreamTrack):
    """A tone of 450 Hz: nine periods in each 20 ms."""

    kind = "audio"
    _index = 0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(0.02)
        samples = (tone(450, 0.02, 48_000) * 32767).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = self._index * 960
        self._index += 1
        return frame


class Talk:
    """A peer with a microphone, in a call that plays 1 kHz to it."""

    def __init__(self, open_call: OpenCall) -> None:
        self.sink, self.source, self.handlers = HeardSink(), ToneSource(1000), Handlers()
        self.served = open_call(
            self.sink, self.source, self.handlers.as_handlers(), MediaSettings()
        )
        self.peer = new_peer()
        self.peer.addTrack(MicrophoneTrack())
        self.channel = self.peer.createDataChannel("oai-events")
        self.received: list[str] = []
        self.channel.on("message", self.received.append)
        self._heard: list[np.ndarray] = []
        self._tracks: list[MediaStreamTrack] = []
        self.peer.on("track", self._tracks.append)

    async def begin(self) -> None:
        """Until the data channel is open, at either end."""
        await accept(self.peer, await self.served.answer(await offer_of(self.peer)))
        await until(lambda: self.handlers.opened and self.channel.readyState == "open")

    async def listen(self, seconds: float = 1.0) -> np.ndarray:
        """What the peer hears from now on, mono at 48 kHz."""
        heard: list[np.ndarray] = []
        async with asyncio.timeout(20):
            while sum(map(len, heard)) < seconds * 48_000:
                frame = await self._tracks[0].recv()
                heard.append(frame.to_ndarray().reshape(-1, 2)[:, 0] / 32768)
        return np.concatenate(heard)

    async def end(self) -> None:
        """The peer hangs up."""
        await self.peer.close()
        await until(lambda: self.handlers.reasons)
        await self.served.close()


async def check_sound_and_messages_go_both_ways(open_call: OpenCall) -> None:
    """What every binding must do."""
    talk = Talk(open_call)
    talk.served.send("before the channel is open")
    await talk.begin()
    talk.channel.send("hello")
    talk.served.send("after")
    heard = await talk.listen()
    await until(lambda: len(talk.sink.samples) >= 16_000)
    assert talk.received == ["before the channel is open", "after"]
    assert talk.handlers.messages == ["hello"]
    assert pitch(heard[-24_000:], 48_000) == pytest.approx(1000, abs=3)
    assert pitch(talk.sink.samples[-8000:], 16_000) == pytest.approx(450, abs=8)
    await talk.end()
    assert len(talk.handlers.reasons) == 1
    assert talk.handlers.error is None
    assert talk.served.statistics.packets > 40
    # All that was drawn on the source was sent, but for what was under way at the end.
    assert talk.source.position - talk.served.statistics.sent_packets * 480 in (0, 480)
