"""What the parts of a session share: settings, items, turn-taking, and the lane of the model."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from streaming.events import TurnEvent, TurnInput
from streaming.turn_settings import TurnMode
from streaming.turn_stream import TurnStream
from streaming.vad import VoiceDetector
from voice import session_events as events
from voice.conversation import Conversation
from voice.errors import TemplateError
from voice.memory import NamedWork, Work
from voice.model_side import ModelSide
from voice.session_events import SessionError, SessionEvent
from voice.session_items import ItemList
from voice.session_observer import Beginning, Happening, Input, Report, SessionObserver
from voice.session_settings import SessionSettings
from voice.tools import Tool
from voice.turn_end import TurnEndJudge, open_judge

if TYPE_CHECKING:
    from voice.engine import Engine


class SessionCore:
    """See the module. Everything is called on the event loop's thread.

    Attributes:
        engine: runs the model, the voice and the tools.
        settings: in force.
        is_pushed: whether sound goes out in events.
        tools: functions that the session runs itself, by name.
        turns: who has the floor.
        items: of the conversation.
        model: makes work for the model thread.
        lane: takes it; work is done in the order in which it is ordered.
        act: does what turn-taking decides; the session's.
        fed_samples: heard so far, those that fill no window of the detector yet included.
        waiting_changes: of the past, that the client has asked for and the model has not made.
        is_closed: whether the session has ended.
    """

    def __init__(
        self,
        engine: Engine,
        emit: Callable[[SessionEvent], None],
        act: Callable[[Sequence[TurnEvent]], None],
        end: Callable[[BaseException], None],
        *,
        settings: SessionSettings,
        is_pushed: bool,
        tools: Sequence[Tool],
        judge: TurnEndJudge | None,
        detector: VoiceDetector | None,
        observer: SessionObserver | None,
        seed: int | None,
    ) -> None:
        self.engine, self.settings, self.is_pushed, self.act = engine, settings, is_pushed, act
        self.tools = {tool.name: tool for tool in tools}
        self.seed = secrets.randbits(63) if seed is None else seed
        self._random = random.Random(self.seed)
        self.id = self.new_id("sess")
        self._observer = observer
        self._depth = 0  # of what comes in: 1 while something from outside is dealt with
        self._ordered: Counter[str] = Counter()
        detector = detector or VoiceDetector()
        self.turns = TurnStream(settings.turns, detector)
        self.items = ItemList()
        self.is_closed = False
        self.fed_samples = self.waiting_changes = 0
        self._emit = emit
        conversation = Conversation(
            engine.assistant,
            system=settings.instructions,
            tools=self.functions,
            settings=settings.reply,
            stream=settings.stream,
        )
        self.fail: Callable[[BaseException], None] = lambda error: self.post(
            "failure", partial(end, error), error=repr(error)
        )
        self.lane = engine.model.open_lane(self.fail)
        judge = judge or open_judge(engine.assistant)
        self.model = ModelSide(conversation, judge, self.post, self._on_trimmed, self.on_error)
        if observer is not None:
            observer.began(
                Beginning(
                    session_id=self.id,
                    seed=self.seed,
                    settings=settings,
                    is_pushed=is_pushed,
                    tools=tools,
                    judge=type(judge).__name__,
                    scorer=type(detector.scorer).__name__,
                )
            )

    @property
    def is_manual(self) -> bool:
        """Whether the client says when a turn is over."""
        return self.settings.turns.mode is TurnMode.MANUAL

    @property
    def functions(self) -> list[Any]:
        """Those that the model may call, in OpenAI's form."""
        return self.functions_of(self.settings)

    def functions_of(self, settings: SessionSettings) -> list[Any]:
        """`functions` under other settings."""
        if settings.tool_choice == "none":
            return []
        return [*(tool.function for tool in self.tools.values()), *settings.functions]

    def require_opening(self, settings: SessionSettings) -> None:
        """The checkpoint's chat template must be able to write instructions and functions.

        Raises:
            SessionError: it is not; a schema may be JSON and still be none that it expects.
        """
        try:
            self.engine.assistant.prompt.session_opening(
                settings.instructions, self.functions_of(settings)
            )
        except TemplateError as error:
            raise SessionError("invalid_value", str(error), "tools") from error

    def tell(self, event: SessionEvent) -> None:
        """Emits an event."""
        if not self.is_closed:
            self.happened(event)
            self._emit(event)

    def inform(self, told: TurnInput) -> None:
        """Tells turn-taking something, and does what it decides."""
        self.happened(told)
        self.act(self.turns.handle(told))

    def order(
        self, work: Work[None], *, background: bool = False, at_leisure: bool = False
    ) -> None:
        """Has something done on the model thread, after all that was ordered before; in the
        background or at leisure (see `voice.engine.Lane`) when there is time for it."""
        kind: str = work.__name__  # type: ignore[attr-defined]  # of a generator: its method's
        if not background and not at_leisure:
            work = self._counted(work)
        named = NamedWork(self.name_work(kind), work, self._set_source)
        self.lane.submit(named, background=background, at_leisure=at_leisure)

    def _counted(self, work: Work[None]) -> Work[None]:
        yield from work
        self.model.done += 1

    def _set_source(self, name: str) -> None:
        self.model.source = name

    def name_work(self, kind: str) -> str:
        """A name for the reports of something to do."""
        self._ordered[kind] += 1
        return f"{kind}-{self._ordered[kind]}"

    def post(self, source: str, call: Callable[[], None], **facts: Any) -> None:
        """Hands a report to the event loop; any thread may call it."""
        self.engine.post(Report(source=source, facts=facts, call=call, deliver=self._deliver))

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Calls after a while."""
        source = self.name_work("timer")
        report = Report(source=source, facts={}, call=call, deliver=self._deliver)
        self.engine.later(delay_s, report)

    def new_id(self, prefix: str) -> str:
        """A name for something of the session."""
        return f"{prefix}_{self._random.getrandbits(80):020x}"

    def new_seed(self) -> int:
        """For a reply by chance."""
        return self._random.getrandbits(63)

    # --- For who looks on -------------------------------------------------------------------------

    @contextmanager
    def outside(self, what: Input) -> Iterator[None]:
        """Something comes in from outside, and is dealt with in this context."""
        if self._observer is not None:
            self._observe(lambda observer: observer.entered(what, is_nested=self._depth > 0))
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def happened(self, what: Happening) -> None:
        """Something has come of it."""
        if self._observer is not None:
            self._observe(lambda observer: observer.happened(self.turns.now, what))

    def _observe(self, tell: Callable[[SessionObserver], None]) -> None:
        assert self._observer is not None
        try:
            tell(self._observer)
        except Exception as error:
            self._observer = None
            self.fail(error)

    def _deliver(self, report: Report) -> None:
        if self.is_closed:
            return
        with self.outside(report):
            report.call()

    def on_error(self, code: str, message: str) -> None:
        """Something went wrong; the session goes on."""
        self.tell(events.ErrorOccurred(code=code, message=message))

    def _on_trimmed(self, item_ids: list[str], summary: str) -> None:
        known = self.items.drop(item_ids)
        self.tell(events.HistoryTrimmed(item_ids=known, summary=summary))
