"""Calls in processes of their own, so that the sound of many does not wait for one interpreter.

One call costs an eighth of a core, and the event loop it is on must never be late. So the Opus and
RTP of calls move to media processes, each of which runs `web.media.process`, while sessions stay
where they are: what a peer says comes as frames, and each frame to be sent is asked for when it is
due. The process that sends is the clock; the playback is read here, on the event loop's thread,
which owns the session.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from web.media.interface import (
    AudioSink,
    AudioSource,
    CallHandlers,
    MediaError,
    MediaSettings,
)
from web.media.process_frames import Kind, frame, read_frame
from web.media.remote_call import CLOSE_TIMEOUT_S, RemoteCall, SendFrame

CALLS_PER_PROCESS = 6
"""More than so many need another process, as long as there are cores."""

MAX_UNSENT_BYTES = 32 << 20
"""Of what a process has not read: it hangs."""

_PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
_START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)


class MediaProcessDied(MediaError):
    """A media process has ended, and its calls with it."""


class MediaProcesses:
    """All media processes of a server.

    Args:
        count: how many there are; None: as many as the calls need, at most one per core.
    """

    def __init__(self, count: int | None = None) -> None:
        self._least = 1 if count is None else count
        self._most = _cores() if count is None else count
        self._processes: list[_Process] = []
        self._starting = asyncio.Lock()
        self._is_closed = False

    @property
    def processes(self) -> list[_Process]:
        """Those that are alive."""
        return [each for each in self._processes if each.is_alive]

    async def start(self) -> None:
        """Starts the processes that are there from the beginning.

        Raises:
            MediaError: one cannot be started.
        """
        async with self._starting:
            await self._fill()

    def open_call(
        self, sink: AudioSink, source: AudioSource, handlers: CallHandlers, settings: MediaSettings
    ) -> RemoteCall:
        """An `OpenCall`: a call of the process that has the fewest."""
        return RemoteCall(self._place, sink, source, handlers, settings)

    async def _place(self, call: RemoteCall) -> SendFrame:
        """Finds a process for a call, or starts one."""
        async with self._starting:
            if self._is_closed:
                raise MediaError("the server is stopping")
            await self._fill()
            process = min(self._processes, key=lambda each: len(each.calls))
            if len(process.calls) >= CALLS_PER_PROCESS and len(self._processes) < self._most:
                process = await self._start_another()
            return process.add(call)

    async def close(self) -> None:
        """Ends all processes, and the calls that they still have."""
        self._is_closed = True
        async with self._starting:
            await asyncio.gather(*(each.close() for each in self._processes))
            self._processes = []

    async def _fill(self) -> None:
        self._processes = self.processes
        missing = max(0, self._least - len(self._processes))
        await asyncio.gather(*(self._start_another() for _ in range(missing)))

    async def _start_another(self) -> _Process:
        process = await _Process.start()
        self._processes.append(process)
        return process


def _cores() -> int:
    """Those that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(usable(0)) if usable else os.cpu_count() or 1


class _Process:
    """One media process and its calls."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.calls: dict[int, RemoteCall] = {}
        self.is_alive = True
        self._is_closing = False
        self.pid = process.pid
        self._process = process
        self._numbers = itertools.count(1)
        self._failure = ""
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls) -> _Process:
        """Starts one and waits until it is ready."""
        # Its own process group: a Ctrl-C at the terminal is for the server, which ends it in order.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "web.media.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_PROJECT_ROOT,
            process_group=0,
        )
        started = cls(process)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await started._receive()
        except (EOFError, TimeoutError) as error:
            how = await started._end()
            raise MediaError(f"no media process could be started: {how}") from error
        started._reader = asyncio.create_task(started._read(), name="media process")
        return started

    def add(self, call: RemoteCall) -> SendFrame:
        """Takes a call in."""
        number = next(self._numbers)
        self.calls[number] = call
        return lambda kind, payload: self.send(kind, number, payload)

    def send(self, kind: Kind, call: int, payload: bytes = b"") -> None:
        """Sends a frame; a process that reads none is ended."""
        pipe = self._process.stdin
        assert pipe is not None
        if not self.is_alive or pipe.is_closing():
            return
        if pipe.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._failure = "it does not read"
            self._kill()
            return
        pipe.write(frame(kind, call, payload))

    async def close(self) -> None:
        """Lets it end its calls, and ends it."""
        assert self._process.stdin is not None
        self._is_closing = True
        self._process.stdin.close()
        if self._reader is not None:
            await asyncio.wait((self._reader,), timeout=CLOSE_TIMEOUT_S)
        await self._end()

    async def _read(self) -> None:
        try:
            while True:
                kind, number, payload = await self._receive()
                if kind is Kind.FAILED:
                    self._failure = payload.decode()
                elif (call := self.calls.get(number)) is not None:
                    await call.take(kind, payload)
                    if kind is Kind.CLOSED:
                        del self.calls[number]
        except (EOFError, ConnectionError):
            pass
        except ValueError as error:
            self._failure = f"it does not keep to the protocol: {error}"
        how = await self._end()
        if not self._is_closing:
            log.error("a media process has died with %d calls: %s", len(self.calls), how)
        died = MediaProcessDied(f"the call's media process has died: {how}")
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call.fail(died)

    async def _receive(self) -> tuple[Kind, int, bytes]:
        assert self._process.stdout is not None
        return await read_frame(self._process.stdout)

    async def _end(self) -> str:
        """Makes sure that it is gone; says how it went."""
        self.is_alive = False
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                status = await self._process.wait()
        except TimeoutError:
            self._kill()
            status = await self._process.wait()
        how = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{how}; {self._failure}" if self._failure else how

    def _kill(self) -> None:
        # Not by the process's own method: that may take its status away from whoever waits for it.
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
