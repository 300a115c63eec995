"""Calls that media processes carry: as good as in one's own process, and each dies alone."""

import asyncio
import contextlib
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.web.media.network import HeardSink, ToneSource, new_peer, offer_of, pitch, until
from tests.web.media.peer import Handlers, Talk, check_sound_and_messages_go_both_ways
from web.media.interface import MediaError, MediaSettings, OfferError
from web.media.process import RemoteSource
from web.media.process_frames import COUNT, Kind
from web.media.processes import CALLS_PER_PROCESS, MediaProcessDied, MediaProcesses


@asynccontextmanager
async def media(count: int | None = 1) -> AsyncIterator[MediaProcesses]:
    processes = MediaProcesses(count)
    await processes.start()
    try:
        yield processes
    finally:
        await processes.close()


def test_call_carries_sound_and_messages_both_ways():
    async def body() -> None:
        async with media() as processes:
            await check_sound_and_messages_go_both_ways(processes.open_call)

    asyncio.run(body())


def test_playback_is_read_on_the_thread_of_the_event_loop():
    async def body() -> None:
        readers: set[int] = set()

        class Source(ToneSource):
            async def read(self, count: int) -> np.ndarray:
                readers.add(threading.get_ident())
                return await super().read(count)

        async with media() as processes:
            talk = Talk(processes.open_call)
            talk.served._source = Source(1000)
            await talk.begin()
            await talk.listen(0.2)
            await talk.end()
        assert readers == {threading.get_ident()}

    asyncio.run(body())


def test_dead_process_ends_its_calls_with_its_exception_and_others_go_on():
    async def body() -> None:
        async with media(2) as processes:
            doomed, spared = Talk(processes.open_call), Talk(processes.open_call)
            await doomed.begin()
            await spared.begin()
            (process,) = [
                each for each in processes.processes if doomed.served in each.calls.values()
            ]
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: doomed.handlers.reasons)
            assert isinstance(doomed.handlers.error, MediaProcessDied)
            assert "killed by signal 9" in doomed.handlers.reasons[0]
            assert pitch((await spared.listen())[-24_000:], 48_000) == pytest.approx(1000, abs=3)
            # The next call has another process.
            third = Talk(processes.open_call)
            await third.begin()
            assert len(processes.processes) == 2
            for talk in (spared, third):
                await talk.end()
            await doomed.peer.close()

    asyncio.run(body())


def test_calls_spread_over_processes_as_they_become_many(monkeypatch):
    async def body() -> None:
        async with media(None) as processes:
            monkeypatch.setattr(processes, "_most", 2)
            made = []
            peer = new_peer()
            peer.addTransceiver("audio")
            offer = await offer_of(peer)
            for number in range(CALLS_PER_PROCESS + 2):
                call = processes.open_call(
                    HeardSink(), ToneSource(1000), Handlers().as_handlers(), MediaSettings()
                )
                await call.answer(offer)
                made.append(call)
                assert len(processes.processes) == (1 if number < CALLS_PER_PROCESS else 2)
            assert [len(each.calls) for each in processes.processes] == [CALLS_PER_PROCESS, 2]
            for call in made:
                await call.close()
            assert [len(each.calls) for each in processes.processes] == [0, 0]
            await peer.close()

    asyncio.run(body())


def test_offer_that_cannot_be_is_refused_with_its_reason():
    async def body() -> None:
        async with media() as processes:
            handlers = Handlers()
            call = processes.open_call(
                HeardSink(), ToneSource(1000), handlers.as_handlers(), MediaSettings()
            )
            with pytest.raises(OfferError, match="must begin with 'v=0'"):
                await call.answer("nonsense")
            peer = new_peer()
            peer.addTransceiver("audio")
            offer = (await offer_of(peer)).replace("a=ice-ufrag", "a=x")
            with pytest.raises(OfferError, match="not valid SDP of a call: ICE username"):
                await processes.open_call(
                    HeardSink(), ToneSource(1000), handlers.as_handlers(), MediaSettings()
                ).answer(offer)
            await peer.close()
            await until(lambda: not processes.processes[0].calls)

    asyncio.run(body())


def test_session_that_fails_ends_its_call_alone():
    async def body() -> None:
        class Broken(HeardSink):
            def hear(self, samples: np.ndarray) -> None:
                raise RuntimeError("no ear")

        async with media() as processes:
            spared, doomed = Talk(processes.open_call), Talk(processes.open_call)
            await spared.begin()
            await doomed.begin()
            doomed.served._sink = Broken()
            await until(lambda: doomed.handlers.reasons)
            assert doomed.handlers.reasons == ["no ear"]
            assert isinstance(doomed.handlers.error, RuntimeError)
            await spared.listen()
            await spared.end()
            await doomed.peer.close()

    asyncio.run(body())


def test_closing_ends_the_calls_and_leaves_no_process():
    async def body() -> None:
        async with media() as processes:
            talk = Talk(processes.open_call)
            await talk.begin()
            pid = processes.processes[0].pid
        assert talk.handlers.reasons == ["the server has gone"]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(MediaError, match="stopping"):
            await Talk(processes.open_call).begin()
        await talk.peer.close()

    asyncio.run(body())


def test_process_that_cannot_start_says_how_it_went(monkeypatch):
    async def body() -> None:
        monkeypatch.setattr("sys.executable", shutil.which("false"))
        with pytest.raises(MediaError, match="ended with status 1"):
            await MediaProcesses(1).start()

    asyncio.run(body())


class Pipe:
    """Keeps what is sent to the server."""

    def __init__(self) -> None:
        self.sent: list[tuple[Kind, int, bytes]] = []

    def send(self, kind: Kind, call: int = 0, payload: bytes = b"") -> None:
        self.sent.append((kind, call, payload))


def test_late_server_makes_silence_and_loses_no_sound(monkeypatch):
    async def body() -> None:
        monkeypatch.setattr("web.media.process.PATIENCE_S", 0.0)
        pipe = Pipe()
        source = RemoteSource(pipe, 7, 24_000)  # type: ignore[arg-type]
        assert not (await source.read(480)).any()
        assert not (await source.read(480)).any()
        assert pipe.sent == [(Kind.DUE, 7, COUNT.pack(480))]  # asked once: nothing piles up
        source.take(np.ones(480, np.float32))
        assert (await source.read(480)).all()
        with contextlib.suppress(IndexError):
            source.take(np.ones(480, np.float32))  # was not asked for
        assert not (await source.read(480)).any()
        assert len(pipe.sent) == 2

    asyncio.run(body())
