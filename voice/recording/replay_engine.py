"""An engine for replays: no threads and no clock, and reports wait until they are asked for.

For a report to be there when the recording has it, each lane's work is done as far ahead as the
recording has reports of it. Work that was cut off while it was under way is left where it stood,
and ends like then at the next work that is wanted.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from voice.assistant import Assistant
from voice.engine import Engine, Lane, Steps
from voice.recording.codec import Json
from voice.session_observer import Report
from voice.tools import Remind
from voice.tts.synthesizer import Synthesizer, VoiceSettings


class ToolResults(Executor):
    """Runs nothing: what tools return and have said later comes from the recording."""

    def __init__(self) -> None:
        self.futures: list[Future[str]] = []
        self.remind: Remind = lambda delay_s, words: None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        _, self.remind = args
        self.futures.append(Future())
        return self.futures[-1]


class ReplayEngine(Engine):
    """See the module.

    Args:
        assistant: the model.
        open_voice: the synthesiser; None if nothing was spoken.
        reports: of the recording, in their order.

    Attributes:
        outside: what tools returned.
    """

    def __init__(
        self,
        assistant: Assistant,
        open_voice: Callable[[VoiceSettings], Synthesizer] | None,
        reports: Sequence[Json],
    ) -> None:
        self.outside = ToolResults()
        super().__init__(assistant, open_voice=open_voice, tool_executor=self.outside)
        self._waiting: defaultdict[str, deque[Report]] = defaultdict(deque)
        self._produced: Counter[str] = Counter()
        self._expected = Counter(str(each.get("source")) for each in reports)
        # What is done at leisure sees what has been done in its turn, and changes what comes after
        # that: its reports say how much had been done then.
        self._leisure = deque(
            (str(each["source"]), int(each["facts"]["after"]))
            for each in reports
            if "after" in each.get("facts", ())
        )
        self._passed = 0  # reports of the first of these sources
        self._done: Counter[Lane] = Counter()

    def post(self, call: Callable[[], None]) -> None:
        """Keeps a report."""
        assert isinstance(call, Report), call
        self._produced[call.source] += 1
        self._waiting[call.source].append(call)

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Keeps a timer: the recording says when it was over."""
        self.post(call)

    def take(self, source: str) -> Report | None:
        """The next report of a source; None: it has nothing more to say."""
        waiting = self._waiting[source]
        return waiting.popleft() if waiting else None

    def work_ahead(self) -> None:
        """Does all work of which the recording has reports that are not there yet."""
        for lane in (*self.model.lanes, *self.speech.lanes):
            while (queue := self._choose(lane)) is not None:
                steps = queue[0]
                try:
                    next(steps)
                except StopIteration:
                    queue.popleft()
                    if queue is lane.work:
                        self._done[lane] += 1
                except Exception as error:  # as in `voice.engine.Worker.step`
                    lane.close()
                    lane.fail(error)

    def _choose(self, lane: Lane) -> deque[Steps] | None:
        """The queue in which there is something to do now."""
        if any(map(self._is_outstanding, lane.background)):
            return lane.background
        is_wanted = any(map(self._is_outstanding, lane.work))
        while self._leisure and self._produced[self._leisure[0][0]] > self._passed:
            source, _ = self._leisure.popleft()
            is_last = not self._leisure or self._leisure[0][0] != source
            self._passed = 0 if is_last else self._passed + 1
        if self._leisure and lane.leisure:
            _, after = self._leisure[0]
            is_wanted = is_wanted or any(map(self._is_outstanding, lane.leisure))
            if self._done[lane] >= after:
                return lane.leisure
        return lane.work if is_wanted and lane.work else None

    def _is_outstanding(self, steps: Steps) -> bool:
        name = getattr(steps, "name", "")
        return self._produced[name] < self._expected[name]
