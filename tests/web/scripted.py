"""A session without a model: it notes what is asked of it, and tells what a test has it tell."""

from collections.abc import Callable
from typing import Any

import numpy as np

from voice import session_events as told
from voice.session_events import Content, Item, ResponseInfo, SessionError, SessionEvent, Usage
from voice.session_items import ItemList
from voice.session_settings import ResponseSettings, SessionSettings

ANSWER = "Paris."


class SilentPlayback:
    """Nothing to say."""

    sample_rate = 24_000

    def read(self, count: int) -> np.ndarray:
        return np.zeros(count, np.float32)


class ScriptedSession:
    """See the module. A commit answers by itself: the question is heard, and the answer given."""

    def __init__(
        self, settings: SessionSettings, emit: Callable[[SessionEvent], None], is_pushed: bool
    ) -> None:
        self.settings = settings
        self.items = ItemList()
        self.emit = emit
        self.is_pushed = is_pushed
        self.playback = SilentPlayback()
        self.heard: list[np.ndarray] = []
        self.asked: list[tuple[Any, ...]] = []
        self.is_closed = False

    def hear(self, samples: np.ndarray) -> None:
        self.heard.append(samples)

    @property
    def heard_samples(self) -> int:
        return sum(map(len, self.heard))

    def configure(self, settings: SessionSettings) -> None:
        self.settings = settings

    def commit(self) -> None:
        if not self.heard:
            raise SessionError("input_audio_buffer_commit_empty", "nothing was heard: append sound")
        self.asked.append(("commit",))
        for event in question("item_1", "what is the capital of france"):
            self.emit(event)
        for event in answer("resp_1", "item_2", is_pushed=self.is_pushed):
            self.emit(event)

    def clear(self) -> None:
        self.asked.append(("clear",))
        self.emit(told.InputCleared())

    def create_response(self, how: ResponseSettings | None = None) -> None:
        self.asked.append(("create_response", how))

    def cancel_response(self) -> None:
        self.asked.append(("cancel_response",))

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        self.asked.append(("truncate", item_id, audio_end_ms))
        self.items.get(item_id)
        self.emit(told.ItemTruncated(item_id=item_id, audio_end_ms=audio_end_ms, heard="Par"))

    def add_item(self, item: Item, previous_item_id: str | None = None) -> Item:
        previous = self.items.add(item, previous_item_id)
        self.emit(told.ItemAdded(item=item, previous_item_id=previous))
        self.emit(told.ItemDone(item=item, previous_item_id=previous))
        return item

    def delete_item(self, item_id: str) -> None:
        self.items.get(item_id)
        self.items.remove(item_id)
        self.emit(told.ItemDeleted(item_id=item_id))

    def item(self, item_id: str) -> Item:
        return self.items.get(item_id)

    def close(self) -> None:
        self.is_closed = True


def question(item_id: str, text: str) -> list[SessionEvent]:
    """What a session tells of a spoken turn."""
    item = Item(id=item_id, role="user", content=(Content(kind="input_audio"),))
    return [
        told.InputSpeechStarted(item_id=item_id, audio_start_ms=200),
        told.FloorChanged(user="speaking", assistant="idle", audio_ms=260),
        told.InputSpeechStopped(item_id=item_id, audio_end_ms=1900),
        told.InputCommitted(item_id=item_id, previous_item_id=None),
        told.ItemAdded(item=item, previous_item_id=None),
        told.InputTranscriptDelta(item_id=item_id, delta=text),
        told.InputTranscriptDone(item_id=item_id, transcript=text, seconds=1.7),
        told.ItemDone(item=item, previous_item_id=None),
    ]


def answer(response_id: str, item_id: str, *, is_pushed: bool) -> list[SessionEvent]:
    """What a session tells of a spoken response, from the first event to the last."""
    part = Content(kind="output_audio", transcript=ANSWER)
    item = Item(id=item_id, role="assistant", content=(part,))
    begun = Item(id=item_id, role="assistant", status="in_progress")
    where: Any = {"response_id": response_id, "item_id": item_id, "output_index": 0}
    usage = Usage(input_tokens=40, cached_tokens=10, input_audio_tokens=24, output_tokens=4)
    events: list[SessionEvent] = [
        told.ResponseCreated(
            response=ResponseInfo(id=response_id, status="in_progress", metadata={"a": "b"})
        ),
        told.OutputItemAdded(response_id=response_id, output_index=0, item=begun),
        told.ItemAdded(item=begun, previous_item_id="item_1"),
        told.ContentPartAdded(**where, part=Content(kind="output_audio", transcript="")),
        told.OutputTextDelta(**where, delta=ANSWER, is_transcript=True),
    ]
    if is_pushed:
        events.append(told.OutputAudioDelta(**where, samples=np.zeros(2400, np.float32)))
    else:
        events.append(told.PlaybackBegan(response_id=response_id))
    return [
        *events,
        told.OutputAudioDone(**where),
        told.OutputTextDone(**where, text=ANSWER, is_transcript=True),
        told.ContentPartDone(**where, part=part),
        told.OutputItemDone(response_id=response_id, output_index=0, item=item),
        told.ItemDone(item=item, previous_item_id="item_1"),
        told.LatencyMeasured(
            response_id=response_id,
            speech_end_ms=1900,
            endpoint_ms=200.0,
            first_token_ms=90.0,
            first_audio_ms=150.0,
            heard_ms=230.0,
        ),
        told.ResponseDone(
            response=ResponseInfo(id=response_id, status="completed", output=(item,), usage=usage)
        ),
        *([] if is_pushed else [told.PlaybackEnded(response_id=response_id)]),
    ]
