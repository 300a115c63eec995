"""The items of a session: their order, and what each becomes in the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PIL.Image import Image

from streaming.audio import as_samples
from voice.conversation import Conversation
from voice.history import Entry
from voice.session_events import Item, SessionError

MAX_ITEM_AUDIO_S = 600
MAX_ITEM_CHARS = 100_000
MAX_ITEM_IMAGES = 16
_RATE_HZ = 16_000

EntryMaker = Callable[[Conversation], Entry]
"""Makes the entry of an item, on the model thread: sound and pictures take encoding."""


class ItemList:
    """Items in their order, without the sound and the pictures in them."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._order: list[str] = []

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    @property
    def last_id(self) -> str | None:
        """The last item's; None if there is none."""
        return self._order[-1] if self._order else None

    def get(self, item_id: str) -> Item:
        """An item by its id.

        Raises:
            SessionError: there is none.
        """
        if item_id not in self._items:
            raise SessionError("item_not_found", f"there is no item {item_id!r}", "item_id")
        return self._items[item_id]

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Puts an item behind another, or at the end; returns the one before it.

        Raises:
            SessionError: there is none to put it behind, or it is there already.
        """
        if item.id in self._items:
            raise SessionError("item_exists", f"there is an item {item.id!r} already", "item.id")
        index = len(self._order)
        if after == "root":
            index = 0
        elif after is not None:
            self.get(after)
            index = self._order.index(after) + 1
        self._order.insert(index, item.id)
        self.update(item)
        return self._order[index - 1] if index else None

    def update(self, item: Item) -> None:
        """Takes an item as it is now."""
        parts = tuple(replace(part, audio=None, image=None) for part in item.content)
        self._items[item.id] = replace(item, content=parts)

    def remove(self, item_id: str) -> None:
        """Forgets an item; one that is not there is fine."""
        if self._items.pop(item_id, None) is not None:
            self._order.remove(item_id)

    def before(self, item_id: str) -> list[str]:
        """The items before another, the nearest first."""
        return self._order[: self._order.index(item_id)][::-1]

    def drop(self, item_ids: Sequence[str]) -> tuple[str, ...]:
        """Forgets the oldest items, through the last of those named, with calls, outputs and asides
        that follow it; returns their ids.
        """
        places = [self._order.index(each) for each in item_ids if each in self._items]
        end = max(places, default=-1) + 1
        while 0 < end < len(self._order):
            item = self._items[self._order[end]]
            if item.kind == "message" and not item.is_aside:
                break
            end += 1
        dropped = tuple(self._order[:end])
        for each in dropped:
            self.remove(each)
        return dropped

    def last_user_item(self) -> str:
        """The id of the user's last message."""
        return next(each for each in reversed(self._order) if self._items[each].role == "user")

    def has_call(self, call_id: str) -> bool:
        """Whether the model, or the client, has made that call."""
        return any(
            item.kind == "function_call" and item.call_id == call_id
            for item in self._items.values()
        )


def entry_maker(item: Item, items: ItemList) -> EntryMaker | None:
    """How an item becomes an entry; None for the output of a call, which is told with others.

    Raises:
        SessionError: the item cannot be used; the message says why.
    """
    match item.kind:
        case "function_call_output":
            if not items.has_call(item.call_id):
                raise SessionError(
                    "call_not_found", f"there is no call {item.call_id!r}", "item.call_id"
                )
            return None
        case "function_call":
            if not item.name:
                raise SessionError("invalid_item", "a function call needs a name", "item.name")
            call = {"type": "function", "function": _function(item)}
            return lambda conversation: conversation.assistant_entry("", [call], item_id=item.id)
        case "message":
            return _message(item)


def _function(item: Item) -> dict[str, str]:
    return {"name": item.name, "arguments": item.arguments or "{}"}


def _message(item: Item) -> EntryMaker:
    text = "\n".join(part.text or part.transcript or "" for part in item.content).strip()
    audios = [part.audio for part in item.content if part.audio is not None]
    images = [part.image for part in item.content if part.image is not None]
    if not text and not audios and not images:
        raise SessionError("invalid_item", "the message is empty", "item.content")
    if len(text) > MAX_ITEM_CHARS:
        raise SessionError(
            "invalid_item", f"the text has more than {MAX_ITEM_CHARS} characters", "item.content"
        )
    if item.role == "assistant":
        return lambda conversation: conversation.assistant_entry(text, item_id=item.id)
    if item.role == "system":
        return lambda conversation: conversation.system_entry(text, item_id=item.id)
    if item.role != "user":
        raise SessionError("invalid_item", f"a message has no role {item.role!r}", "item.role")
    if len(images) > MAX_ITEM_IMAGES or not all(isinstance(each, Image) for each in images):
        raise SessionError(
            "invalid_item", f"a message holds at most {MAX_ITEM_IMAGES} pictures", "item.content"
        )
    for samples in audios:
        try:
            checked = as_samples(samples, sampling_rate=_RATE_HZ, expected_rate=_RATE_HZ)
        except ValueError as error:
            raise SessionError("invalid_audio", str(error), "item.content") from error
        if not 0 < len(checked) <= MAX_ITEM_AUDIO_S * _RATE_HZ:
            raise SessionError(
                "audio_too_long",
                f"a message holds audio of at most {MAX_ITEM_AUDIO_S} s, and not none",
                "item.content",
            )
    return lambda conversation: conversation.user_entry(
        text, images=images, audios=audios, item_id=item.id
    )
