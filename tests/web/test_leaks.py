"""Many connects and disconnects leave nothing: no memory, threads, tasks, or open files.

What is in use is counted after a first round, which fills caches and thread pools, and after many
more. Python's objects are counted one by one; everything else that could leak (tensors, codecs,
TLS) shows in what the process holds resident.
"""

import asyncio
import ctypes
import gc
import json
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection

from tests.web.media.network import accept, new_peer, offer_of, until
from tests.web.served import base64_pieces, client_of, question, serving, serving_model
from web.app import Server
from web.media.interface import MediaSettings

OBJECTS = 1.0
"""That each connection may leave behind on average, of Python's garbage collector's count."""

RESIDENT_BYTES = 12 << 20
"""That the process may grow by in all, after its allocator has given back what it can."""

WAIT_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/fd").exists(), reason="files and memory are counted on Linux only"
    ),
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is logged: pytest keeps every record."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@dataclass(frozen=True, slots=True)
class Used:
    """What the process has in use."""

    threads: int
    tasks: int
    files: int
    objects: int
    resident_bytes: int

    @classmethod
    def now(cls) -> "Used":
        gc.collect()
        _give_back()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            threads=threading.active_count(),
            tasks=len(asyncio.all_tasks()),
            files=len(os.listdir("/proc/self/fd")),
            objects=len(gc.get_objects()),
            resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        )


def _give_back() -> None:
    """Has glibc give back what it keeps for later; others do it by themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def check_nothing_is_left(
    server: Server, connect: Callable[[int], Awaitable[None]], first: int, more: int
) -> None:
    """Connects `first` times, then `more` times, and compares what is in use."""
    for number in range(first):
        await connect(number)
    await until(lambda: not len(server.sessions), WAIT_S)
    before = Used.now()
    for number in range(more):
        await connect(number)
    await until(lambda: not len(server.sessions), WAIT_S)
    # A thread or a socket ends a moment after the session that had it.
    await until(lambda: is_within(Used.now(), before), WAIT_S)
    after = Used.now()
    assert after.objects - before.objects <= OBJECTS * more
    assert after.resident_bytes - before.resident_bytes <= RESIDENT_BYTES


def is_within(now: Used, before: Used) -> bool:
    """Whether no more threads, tasks and files are in use."""
    return now.threads <= before.threads and now.tasks <= before.tasks and now.files <= before.files


def test_two_hundred_sockets_leave_nothing(builtin):
    asyncio.run(sockets(builtin))


async def sockets(builtin) -> None:
    """With real sessions; half of them speak, half of them end without a goodbye."""
    sound = list(base64_pieces(question("two_plus_three", 0.0)))[:5]
    async with serving_model(builtin) as server, client_of(server) as client:

        async def connect(number: int) -> None:
            await until(lambda: len(server.sessions) < server.settings.max_sessions, WAIT_S)
            socket = await client.ws_connect("/v1/realtime")
            await socket.receive_json()
            if number % 2:
                for audio in sound:
                    await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
            if number % 4 < 2:
                socket._response.connection.transport.abort()
            await socket.close()

        await check_nothing_is_left(server, connect, first=40, more=200)


@pytest.mark.parametrize("processes", [0, 1])
def test_sixty_calls_leave_nothing(processes):
    asyncio.run(calls(processes))


async def calls(processes: int) -> None:
    """A quarter of them end as if the machine were switched off, and are given up after 1 s."""
    media = MediaSettings(dead_after_s=1.0)
    async with (
        serving(max_sessions=100, media=media, media_processes=processes) as server,
        client_of(server) as client,
    ):

        async def connect(number: int) -> None:
            peer = await call(client)
            if number % 4 == 0:
                vanish(peer)
            await peer.close()

        await check_nothing_is_left(server, connect, first=12, more=60)


async def call(client) -> RTCPeerConnection:
    """A call whose session has greeted it."""
    peer = new_peer()
    peer.addTransceiver("audio")
    channel = peer.createDataChannel("oai-events")
    received: list[str] = []
    channel.on("message", received.append)
    headers = {"Content-Type": "application/sdp"}
    offer = await offer_of(peer)
    response = await client.post("/v1/realtime/calls", data=offer, headers=headers)
    await accept(peer, await response.text())
    await until(lambda: received)
    assert json.loads(received[0])["type"] == "session.created"
    return peer


def vanish(peer: RTCPeerConnection) -> None:
    """From now on nothing leaves the peer, not even a goodbye."""
    assert peer.sctp is not None
    transport = peer.sctp.transport.transport
    transport._send = transport._connection.send = lambda data: asyncio.sleep(0)
