"""What the parts of a session share: settings, items, turn-taking, and the lane of the model."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from streaming.events import TurnEvent
from streaming.turn_settings import TurnMode
from streaming.turn_stream import TurnStream
from streaming.vad import VoiceDetector
from voice import session_events as events
from voice.conversation import Conversation
from voice.memory import Work
from voice.model_side import ModelSide
from voice.session_events import SessionEvent
from voice.session_items import ItemList
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
    ) -> None:
        self.engine, self.settings, self.is_pushed, self.act = engine, settings, is_pushed, act
        self.tools = {tool.name: tool for tool in tools}
        self.turns = TurnStream(settings.turns, detector)
        self.items = ItemList()
        self.is_closed = False
        self.fed_samples = 0
        self._emit = emit
        conversation = Conversation(
            engine.assistant,
            system=settings.instructions,
            tools=self.functions,
            settings=settings.reply,
            stream=settings.stream,
        )
        self.fail: Callable[[BaseException], None] = lambda error: engine.post(partial(end, error))
        self.lane = engine.model.open_lane(self.fail)
        self.model = ModelSide(
            conversation,
            judge or open_judge(engine.assistant),
            engine.post,
            self._on_trimmed,
            self.on_error,
        )

    @property
    def is_manual(self) -> bool:
        """Whether the client says when a turn is over."""
        return self.settings.turns.mode is TurnMode.MANUAL

    @property
    def functions(self) -> list[Any]:
        """Those that the model may call, in OpenAI's form."""
        if self.settings.tool_choice == "none":
            return []
        return [*(tool.function for tool in self.tools.values()), *self.settings.functions]

    def tell(self, event: SessionEvent) -> None:
        """Emits an event."""
        if not self.is_closed:
            self._emit(event)

    def order(self, work: Work[None], *, background: bool = False) -> None:
        """Has something done on the model thread, after all that was ordered before."""
        self.lane.submit(work, background=background)

    def on_error(self, code: str, message: str) -> None:
        """Something went wrong; the session goes on."""
        self.tell(events.ErrorOccurred(code=code, message=message))

    def _on_trimmed(self, item_ids: list[str]) -> None:
        known = tuple(each for each in item_ids if each in self.items)
        for each in known:
            self.items.remove(each)
        self.tell(events.HistoryTrimmed(item_ids=known))


def new_id(prefix: str) -> str:
    """A name for something of a session."""
    return f"{prefix}_{secrets.token_hex(10)}"
