"""A response as a client sees it: its items, and the events that tell of them in their order.

The order is that of the Realtime API: a response, its items, their parts, the deltas of these, and
the ends of all of them from the inside out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from voice import session_events as events
from voice.session_events import Content, Item, Modality, ResponseInfo, Usage
from voice.tool_calls import MalformedCall, ToolCall


class Client(Protocol):
    """Who is told, and keeps the list of items."""

    def tell(self, event: events.SessionEvent) -> None:
        """Emits an event."""

    def place(self, item: Item) -> str | None:
        """Puts an item at the end of the list; returns the one before it."""

    def update(self, item: Item) -> None:
        """The item has grown."""


@dataclass(slots=True, eq=False)
class Call:
    """A call that the model has made."""

    item: Item
    parsed: ToolCall | MalformedCall
    result: str | None = None
    is_client_s: bool = False

    @property
    def as_message(self) -> dict[str, Any]:
        """In OpenAI's form."""
        function = {"name": self.item.name, "arguments": self.item.arguments}
        return {"type": "function", "function": function}


@dataclass(slots=True, eq=False)
class Round:
    """What the model writes in one go."""

    item_id: str
    """Of its message, if it has words."""
    text: str = ""
    output_index: int | None = None
    """Of its message; None while the client knows of none."""
    previous: str | None = None
    calls: list[Call] = field(default_factory=list)
    start_sample: int | None = None
    """Where its sound begins in that of the response."""
    is_decoded: bool = False
    is_aside: bool = False
    """Whether the session says it of its own accord: the model knows nothing of it."""
    is_done: bool = False
    sentences: int = 0
    """That are still to be spoken."""


class ResponseLadder:
    """See the module.

    Attributes:
        output: the items so far.
        usage: for the end.
    """

    def __init__(
        self,
        client: Client,
        response_id: str,
        modality: Modality,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        self.output: list[Item] = []
        self.usage = Usage()
        self._client = client
        self._id, self._modality, self._metadata = response_id, modality, metadata

    def begin(self) -> None:
        """There is a response."""
        self._client.tell(events.ResponseCreated(response=self._info("in_progress")))

    def open_message(self, round_: Round) -> None:
        """The round has words: there is a message."""
        round_.output_index = len(self.output)
        item = Item(
            id=round_.item_id, role="assistant", status="in_progress", is_aside=round_.is_aside
        )
        round_.previous = self._add(item)
        part = Content(kind=self._content(round_).kind)
        self._client.tell(events.ContentPartAdded(part=part, **self.where(round_)))

    def add_text(self, round_: Round, delta: str) -> None:
        """More words of a message."""
        spoken = self._modality == "audio"
        self._client.tell(
            events.OutputTextDelta(delta=delta, is_transcript=spoken, **self.where(round_))
        )

    def finish_message(self, round_: Round, status: events.ItemStatus) -> None:
        """All of a message is there, or all that will be."""
        round_.is_done = True
        if round_.output_index is None:
            return
        where, part = self.where(round_), self._content(round_)
        spoken = self._modality == "audio"
        if spoken:
            self._client.tell(events.OutputAudioDone(**where))
        self._client.tell(events.OutputTextDone(text=round_.text, is_transcript=spoken, **where))
        self._client.tell(events.ContentPartDone(part=part, **where))
        item = Item(
            id=round_.item_id,
            role="assistant",
            status=status,
            content=(part,),
            is_aside=round_.is_aside,
        )
        self._finish(item, round_.output_index, round_.previous)

    def add_call(self, call: Call) -> None:
        """A call, complete."""
        index = len(self.output)
        previous = self._add(replace(call.item, status="in_progress"))
        self._client.tell(
            events.FunctionCallArguments(
                response_id=self._id,
                item_id=call.item.id,
                output_index=index,
                call_id=call.item.call_id,
                name=call.item.name,
                arguments=call.item.arguments,
            )
        )
        self._finish(call.item, index, previous)

    def tell_call(self, call: Call) -> None:
        """A call that the session makes itself: it begins, or is over."""
        self._client.tell(
            events.ToolCalled(
                response_id=self._id,
                call_id=call.item.call_id,
                name=call.item.name,
                arguments=call.item.arguments,
                result=call.result,
            )
        )

    def end(
        self,
        status: events.ResponseStatus,
        reason: events.StatusReason | None = None,
        error: tuple[str, str] | None = None,
    ) -> None:
        """The response is made, or has ended otherwise."""
        self._client.tell(events.ResponseDone(response=self._info(status, reason, error)))

    def where(self, round_: Round) -> dict[str, Any]:
        """How events name the message of a round."""
        assert round_.output_index is not None
        return {
            "response_id": self._id,
            "item_id": round_.item_id,
            "output_index": round_.output_index,
        }

    def _info(
        self,
        status: events.ResponseStatus,
        reason: events.StatusReason | None = None,
        error: tuple[str, str] | None = None,
    ) -> ResponseInfo:
        return ResponseInfo(
            id=self._id,
            status=status,
            reason=reason,
            error=error,
            output=tuple(self.output),
            modality=self._modality,
            usage=None if status == "in_progress" else self.usage,
            metadata=self._metadata,
        )

    def _add(self, item: Item) -> str | None:
        index = len(self.output)
        self.output.append(item)
        self._client.tell(
            events.OutputItemAdded(response_id=self._id, output_index=index, item=item)
        )
        previous = self._client.place(item)
        self._client.tell(events.ItemAdded(item=item, previous_item_id=previous))
        return previous

    def _finish(self, item: Item, index: int, previous: str | None) -> None:
        self.output[index] = item
        self._client.update(item)
        self._client.tell(
            events.OutputItemDone(response_id=self._id, output_index=index, item=item)
        )
        self._client.tell(events.ItemDone(item=item, previous_item_id=previous))

    def _content(self, round_: Round) -> Content:
        if self._modality == "audio":
            return Content(kind="output_audio", transcript=round_.text)
        return Content(kind="output_text", text=round_.text)
