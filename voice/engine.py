"""The threads that work for all sessions, and how they share their time.

A `Worker` has one lane for each session. A lane holds work in its order, and work is done in small
units: one call of the encoder, one prefill of some hundred positions, one decoded token, one block
of speech. After each unit the next lane has its turn, so no session waits for another's long reply,
and work that is no longer wanted ends at its next unit. What a lane holds in the background (the
captions) is done only while it has nothing else to do, and what it does at leisure (the summary of
a long conversation) only while there are no captions to write either.

Everything is testable without threads: `Worker.step` does one unit, and the thread only calls it.
Results go back through `Engine.post`, which hands them to the event loop.

Queues and their limits: a lane holds what its session ordered; a session orders no more sound than
`MAX_WAITING_S` (see `voice.session`), and all else in answer to events. An exception in a unit ends
that session alone. If a thread itself dies, every session on it ends with its exception.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any

from voice.assistant import Assistant
from voice.errors import EngineDied
from voice.tts.synthesizer import Synthesizer, VoiceSettings, open_synthesizer

if TYPE_CHECKING:
    from voice.session import Session

logger = logging.getLogger(__name__)

Steps = Iterator[None]
"""Work: each step is a unit."""

MAX_TOOLS_AT_ONCE = 16
"""Functions of all sessions that run at the same time; more wait."""


class Lane:
    """One session's work on a worker, in its order.

    Args:
        fail: called with the exception of a unit, or of the whole worker; the lane is closed then.
    """

    def __init__(self, worker: Worker, fail: Callable[[BaseException], None]) -> None:
        self._worker = worker
        self.fail = fail
        self.work: deque[Steps] = deque()
        self.background: deque[Steps] = deque()
        self.leisure: deque[Steps] = deque()
        self.is_closed = False

    def submit(self, work: Steps, *, background: bool = False, at_leisure: bool = False) -> None:
        """Puts work at the end of the lane; a closed lane drops it. Any thread may call it."""
        with self._worker.changed:
            if self.is_closed:
                return
            idle = self.leisure if at_leisure else self.background
            (idle if background or at_leisure else self.work).append(work)
            self._worker.changed.notify()

    def close(self) -> None:
        """Drops what is not done; a unit under way is finished."""
        with self._worker.changed:
            self.is_closed = True
            self.work.clear()
            self.background.clear()
            self.leisure.clear()
            self._worker.remove(self)

    @property
    def next(self) -> deque[Steps] | None:
        """The queue whose first work is next."""
        return self.work or self.background or self.leisure or None


class Worker:
    """One thread for the lanes of all sessions; see the module."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.changed = threading.Condition()
        self.error: BaseException | None = None
        self._lanes: deque[Lane] = deque()
        self._thread: threading.Thread | None = None
        self._stops = False

    def open_lane(self, fail: Callable[[BaseException], None]) -> Lane:
        """A lane for one session.

        Raises:
            EngineDied: the worker's thread has died.
        """
        with self.changed:
            if self.error is not None:
                raise EngineDied(f"the {self.name} thread has died; restart Parley") from self.error
            lane = Lane(self, fail)
            self._lanes.append(lane)
            return lane

    @property
    def lanes(self) -> list[Lane]:
        """Those that are open."""
        return list(self._lanes)

    def remove(self, lane: Lane) -> None:
        """Forgets a lane; for the lane itself."""
        if lane in self._lanes:
            self._lanes.remove(lane)

    def step(self) -> bool:
        """Does one unit of the lane whose turn it is; false if there is nothing to do."""
        with self.changed:
            found = self._choose()
        if found is None:
            return False
        lane, queue, work = found
        try:
            next(work)
        except StopIteration:
            with self.changed:
                if queue and queue[0] is work:
                    queue.popleft()
        except Exception as error:
            logger.exception("a session failed on the %s thread", self.name)
            lane.close()
            lane.fail(error)
        return True

    def start(self) -> None:
        """Steps on a thread of its own from now on."""
        self._thread = threading.Thread(target=self._run, name=f"parley-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the unit under way."""
        with self.changed:
            self._stops = True
            self.changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _choose(self) -> tuple[Lane, deque[Steps], Steps] | None:
        for _ in range(len(self._lanes)):
            lane = self._lanes[0]
            self._lanes.rotate(-1)
            queue = lane.next
            if queue:
                return lane, queue, queue[0]
        return None

    def _run(self) -> None:
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(
                        lambda: self._stops or any(lane.next for lane in self._lanes)
                    )
                    if self._stops:
                        return
                self.step()
        except BaseException as error:
            self.die(error)

    def die(self, error: BaseException) -> None:
        """Ends every session on this worker with the error."""
        logger.critical("the %s thread died", self.name, exc_info=error)
        with self.changed:
            self.error = error
            lanes = list(self._lanes)
        for lane in lanes:
            lane.close()
            died = EngineDied(f"the {self.name} thread died: {error}; restart Parley")
            died.__cause__ = error
            lane.fail(died)


class Engine:
    """What all sessions of a process share: the loaded model, its thread, and the speech thread.

    Without `start` nothing runs by itself: `run` does all there is to do, which is how tests and
    scripts go through a conversation on the clock of its samples.

    Args:
        assistant: the loaded model.
        open_voice: makes a session's synthesiser; None for sessions that never speak.
        tool_executor: runs the functions that the model calls; by default threads.
        clock: for the marks of latency and for timers, s.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        open_voice: Callable[[VoiceSettings], Synthesizer] | None = (
            lambda settings: open_synthesizer("espeak", settings)
        ),
        tool_executor: Executor | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.assistant = assistant
        self.open_voice = open_voice
        self.clock = clock
        self.model, self.speech = Worker("model"), Worker("speech")
        self.tools = tool_executor or ThreadPoolExecutor(MAX_TOOLS_AT_ONCE, "parley-tool")
        self.sessions: set[Session] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._posted: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Starts the threads; from now on results are handed to the loop, by default this one."""
        self._loop = loop or asyncio.get_running_loop()
        for worker in (self.model, self.speech):
            worker.start()

    def open_session(self, emit: Callable[[Any], None], **options: Any) -> Session:
        """Opens a session; see `voice.session.Session` for the options.

        Raises:
            EngineDied: a thread has died.
        """
        from voice.session import Session

        session = Session(self, emit, **options)
        self.sessions.add(session)
        return session

    def post(self, call: Callable[[], None]) -> None:
        """Hands a call to the event loop's thread, after all that was posted before."""
        loop = self._loop
        if loop is None:
            self._posted.append(call)
            return
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:
            if not loop.is_closed():
                raise
            # Nobody is left to be told.

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Calls on the event loop after a while; without a loop, in the first step after it."""
        if self._loop is not None:
            self._loop.call_later(delay_s, call)
        else:
            self._timers.append((self.clock() + delay_s, call))

    def run(self) -> None:
        """Without threads: does everything there is to do, and returns when nothing is left."""
        while self.step():
            pass

    def step(self) -> bool:
        """Without threads: one unit of each worker, and what was posted; false if idle."""
        busy = [worker.step() for worker in (self.model, self.speech)]
        now = self.clock()
        self._posted += [call for due, call in self._timers if due <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        posted = len(self._posted)
        for _ in range(posted):
            self._posted.popleft()()
        return any(busy) or posted > 0 or bool(self._posted)

    def close(self) -> None:
        """Ends all sessions and the threads."""
        for session in list(self.sessions):
            session.close()
        for worker in (self.model, self.speech):
            worker.stop()
        self.tools.shutdown(wait=False, cancel_futures=True)
