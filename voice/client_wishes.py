"""What a client asks of a session: settings, manual turns, responses, and changes of the past.

A wish that cannot be met raises `SessionError` at once and changes nothing; one that fails later,
on the model thread, is told as `ErrorOccurred`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from streaming import events as turn_events
from streaming.vad import WINDOW_SAMPLES
from voice import session_events as events
from voice.conversation import Conversation
from voice.memory import Work
from voice.playback import SAMPLE_RATE_HZ
from voice.responder import REMEMBERED_RESPONSES, Responder
from voice.session_core import SessionCore
from voice.session_events import Item, SessionError
from voice.session_items import entry_maker
from voice.session_observer import Refused, Wished
from voice.session_settings import ResponseSettings, SessionSettings

MAX_WAITING_CHANGES = 200
"""Changes of the past that wait for the model; further ones are refused."""

P = ParamSpec("P")
T = TypeVar("T")


def _wish(method: Callable[Concatenate[ClientWishes, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method that a client calls: of an open session, and before the eyes of who looks on."""
    signature = inspect.signature(method)

    @wraps(method)
    def wish(self: ClientWishes, *args: P.args, **kwargs: P.kwargs) -> T:
        self._require_open()
        given = dict(signature.bind(self, *args, **kwargs).arguments)
        del given["self"]
        with self._core.outside(Wished(name=method.__name__, arguments=given)):
            try:
                return method(self, *args, **kwargs)
            except SessionError as error:
                self._core.happened(Refused(code=error.code))
                raise

    return wish


class ClientWishes(ABC):
    """The part of `voice.session.Session` that a client's messages call."""

    _core: SessionCore
    _responder: Responder

    @abstractmethod
    def hear(self, samples: np.ndarray) -> None:
        """See `voice.session.Session.hear`."""

    @_wish
    def configure(self, settings: SessionSettings) -> None:
        """Goes on with other settings, as if instructions and tools had been so from the start.

        Raises:
            SessionError: a setting that cannot change while the session goes on, or functions
                that the checkpoint's template cannot write; nothing has changed.
        """
        self._require_patience()
        self._core.require_opening(settings)
        if settings.stream != self._core.settings.stream:
            raise SessionError("invalid_value", "open another session to change `stream`", "stream")
        self._core.settings = settings
        self._core.act(self._core.turns.configure(settings.turns))

        def how(conversation: Conversation) -> Work[None]:
            conversation.settings = settings.reply
            yield from conversation.instruct(settings.instructions, self._core.functions)

        self._change(how, self._core.on_error)

    @_wish
    def commit(self) -> None:
        """Ends the user's turn; nothing is answered unasked.

        Raises:
            SessionError: nothing was said.
        """
        missing = -self._core.fed_samples % WINDOW_SAMPLES  # else the detector would wait for more
        if missing:
            self.hear(np.zeros(missing, np.float32))
        self._wish(turn_events.CommitTurn())

    @_wish
    def clear(self) -> None:
        """Drops what was said since the last item."""
        decisions = self._core.turns.handle(turn_events.ClearTurn())
        self._core.act(decisions)
        if not any(isinstance(each, turn_events.TurnDiscarded) for each in decisions):
            self._core.tell(events.InputCleared())

    @_wish
    def create_response(self, how: ResponseSettings | None = None) -> None:
        """Asks for a response to what is in the conversation; an open turn is not.

        Raises:
            SessionError: there is one already.
        """
        active = self._responder.response
        if self._core.is_pushed and active is not None and active.is_made:
            self._responder.finish(active)  # all of it was sent: for all we know it was heard
        self._responder.request = how or ResponseSettings()
        try:
            self._wish(turn_events.RequestReply())
        finally:
            self._responder.request = None

    @_wish
    def cancel_response(self) -> None:
        """Stops the response; what was heard of it stays.

        Raises:
            SessionError: there is none.
        """
        self._wish(turn_events.CancelReply())

    @_wish
    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Makes an item of the assistant's end where the user stopped hearing it.

        Raises:
            SessionError: there is no such item, or nobody knows what was said where.
        """
        self._require_patience()
        for response in self._responder.recent:
            round_ = response.message(item_id)
            if round_ is not None:
                break
        else:
            raise SessionError(
                "item_not_found",
                f"there is no spoken item {item_id!r} among the last {REMEMBERED_RESPONSES} "
                "responses",
                "item_id",
            )
        if audio_end_ms < 0:
            raise SessionError("invalid_value", "audio_end_ms must not be negative", "audio_end_ms")
        position = (round_.start_sample or 0) + audio_end_ms * SAMPLE_RATE_HZ // 1000
        active = self._responder.response
        if response is active:
            self._responder.cut_at = position
            try:
                self._wish(turn_events.CancelReply())
            finally:
                self._responder.cut_at = None
        said = response.heard(position)[response.messages.index(round_)]
        if said.is_complete or response is not active:
            self._responder.tell_truncated(item_id, audio_end_ms, said.text)

        def how(conversation: Conversation) -> Work[None]:
            yield from conversation.rewrite(item_id, said.text, said.calls)

        if not said.is_complete and response is not active and not round_.is_aside:
            self._change(how, self._core.on_error)

    @_wish
    def add_item(self, item: Item, previous_item_id: str | None = None) -> Item:
        """Puts an item into the conversation: a message, a function call, or its output.

        Args:
            item: without an id, it gets one.
            previous_item_id: behind which it goes, "root" for the first place; by default it is
                the last.

        Raises:
            SessionError: it cannot be used, or there is no such place.
        """
        self._require_patience()
        item = replace(item, id=item.id or self._core.new_id("item"))
        make = entry_maker(item, self._core.items)
        after = None if previous_item_id == self._core.items.last_id else previous_item_id
        previous = self._core.items.add(item, after)
        behind = None if after is None else self._core.items.before(item.id)
        self._core.tell(events.ItemAdded(item=item, previous_item_id=previous))
        self._core.tell(events.ItemDone(item=item, previous_item_id=previous))

        def on_error(code: str, message: str) -> None:
            self._core.items.remove(item.id)
            self._core.tell(events.ErrorOccurred(code=code, message=message, item_id=item.id))
            self._core.tell(events.ItemDeleted(item_id=item.id))

        if make is None:

            def how(conversation: Conversation) -> Work[None]:
                conversation.add_result(item.output)
                yield

            self._change(how, on_error)
        else:
            self._order(self._core.model.add(make, behind, on_error, self._changed))
        return item

    @_wish
    def delete_item(self, item_id: str) -> None:
        """Makes an item never have been.

        Raises:
            SessionError: there is no such item, or it is being made.
        """
        self._require_patience()
        if item_id not in self._core.items:
            raise SessionError("item_not_found", f"there is no item {item_id!r}", "item_id")
        if self._core.items.get(item_id).status == "in_progress":
            raise SessionError("item_in_progress", "cancel the response first", "item_id")
        is_known = not self._core.items.get(item_id).is_aside
        self._core.items.remove(item_id)
        if is_known:
            self._change(lambda conversation: conversation.delete(item_id), self._core.on_error)
        self._core.tell(events.ItemDeleted(item_id=item_id))

    def item(self, item_id: str) -> Item:
        """An item as it stands.

        Raises:
            SessionError: there is no such item.
        """
        return self._core.items.get(item_id)

    def _change(
        self, how: Callable[[Conversation], Work[None]], on_error: Callable[[str, str], None]
    ) -> None:
        self._order(self._core.model.change(how, on_error, self._changed))

    def _order(self, work: Work[None]) -> None:
        """Has the past changed."""
        self._core.waiting_changes += 1
        self._responder.remake_draft(lambda: self._core.order(work))

    def _changed(self) -> None:
        self._core.waiting_changes -= 1

    def _require_patience(self) -> None:
        """The model must not be far behind with what was asked for.

        Raises:
            SessionError: it is.
        """
        if self._core.waiting_changes >= MAX_WAITING_CHANGES:
            raise SessionError(
                "too_many_waiting",
                f"{MAX_WAITING_CHANGES} changes wait for the model: send fewer at a time",
            )

    def _wish(self, told: turn_events.TurnInput) -> None:
        decisions = self._core.turns.handle(told)
        for decision in decisions:
            if isinstance(decision, turn_events.Refused):
                raise SessionError(*_REFUSALS[decision.reason])
        self._core.act(decisions)

    def _require_open(self) -> None:
        if self._core.is_closed:
            raise SessionError("session_closed", "this session has ended; open another one")


_REFUSALS = {
    turn_events.RefusalReason.NOTHING_TO_COMMIT: (
        "input_audio_buffer_commit_empty",
        "nothing was said since the last turn; send audio first",
    ),
    turn_events.RefusalReason.REPLY_IS_ACTIVE: (
        "conversation_already_has_active_response",
        "a response is under way; cancel it first",
    ),
    turn_events.RefusalReason.NO_REPLY: (
        "response_cancel_not_active",
        "Cancellation failed: there is no active response",
    ),
}
