"""What has been said in a conversation, and how that can change: the other half of `Conversation`.

While a reply is under way the state is its alone: what changes the past waits for `catch_up`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from PIL.Image import Image

from omni_core.cache import DecoderState
from voice.assistant import Assistant
from voice.decoding import Reply
from voice.history import Entry, History
from voice.memory import Part, Work, finish
from voice.prompt import Media, Piece
from voice.spoken_turn import SpokenTurn
from voice.summary import SUMMARY, summary_of

T = TypeVar("T")

RESULTS_SHARE = 4
"""Results of calls may fill one part in so many of the context; what is longer is cut."""
RESULT_CUT = "[the rest is left out]"


class ConversationPast:
    """The part of `voice.conversation.Conversation` that looks back.

    Args:
        assistant: the loaded model.
        opening: the text before the first turn.
    """

    def __init__(self, assistant: Assistant, opening: str) -> None:
        self._assistant = assistant
        self._past = History(assistant, opening)
        self._turn: SpokenTurn | None = None
        self._last_turn: SpokenTurn | None = None
        self._reply: Reply | None = None
        self._results: list[str] = []
        self._waiting: list[Callable[[], Work[None]]] = []

    @property
    def state(self) -> DecoderState:
        """The decoder's."""
        return self._past.memory.state

    @property
    def room(self) -> int:
        """Positions that still fit into the context."""
        return self._past.memory.room

    def user_entry(
        self,
        text: str = "",
        *,
        images: Sequence[Image] = (),
        audios: Sequence[np.ndarray] = (),
        item_id: str = "",
    ) -> Entry:
        """The entry of a whole turn of the user's.

        Raises:
            ValueError: audio or an image that cannot be used.
            MissingPart: the checkpoint cannot hear or see.
        """
        prompt = self._assistant.prompt
        pieces = prompt.user_turn(text, images=len(images), audios=len(audios))
        return Entry(item_id, self._parts(pieces, images, audios))

    def assistant_entry(
        self, text: str, calls: Sequence[Mapping[str, Any]] = (), *, item_id: str = ""
    ) -> Entry:
        """The entry of a reply that was not decoded here."""
        turn = self._assistant.prompt.reply_turn(text, calls)
        return Entry(item_id, (turn,), opens_turn=False)

    def system_entry(self, text: str, *, item_id: str = "") -> Entry:
        """The entry of instructions that come after the first turn."""
        return Entry(item_id, (self._assistant.prompt.system_turn(text),))

    def add(self, entry: Entry, behind: Sequence[str] | None = None) -> Work[None]:
        """Puts an entry at the end, before an open turn, or behind an item.

        Args:
            entry: the new one.
            behind: the items before it, the nearest first: it goes behind the first of them that
                the history holds, or where the turns begin; None: at the end.

        Raises:
            ContextFull: no room; nothing was added.
        """
        if self._reply is not None:
            self._waiting.append(lambda: self.add(entry, behind))
            return
        index = None if behind is None else self._past.index_behind(behind)
        if index is None or index == len(self._past.entries):
            self._flush_results()
            yield from self._change(self._past.append(entry))
        else:
            yield from self._change(self._past.insert(index, entry))

    def add_result(self, result: str) -> None:
        """Takes the result of a call; all that come in a row are told as one turn."""
        self._results.append(result)

    def delete(self, item_id: str) -> Work[None]:
        """Makes an item never have been."""
        if self._reply is not None:
            self._waiting.append(lambda: self.delete(item_id))
            return
        yield from self._change(self._past.delete(self._past.index(item_id)))

    def rewrite(
        self, item_id: str, text: str, calls: Sequence[Mapping[str, Any]] = ()
    ) -> Work[None]:
        """Makes a reply one that says `text` alone."""
        if self._reply is not None:
            self._waiting.append(lambda: self.rewrite(item_id, text, calls))
            return
        parts = (self._assistant.prompt.reply_turn(text, calls),) if text or calls else ()
        entry = Entry(item_id, parts, opens_turn=False)
        yield from self._change(self._past.replace(self._past.index(item_id), entry))

    def instruct(self, system: str, tools: Sequence[Mapping[str, Any]] = ()) -> Work[None]:
        """Gives other instructions and tools, as if they had been so from the start."""
        if self._reply is not None:
            self._waiting.append(lambda: self.instruct(system, tools))
            return
        opening = self._assistant.prompt.session_opening(system, tools)
        if self._past.entries[0].parts != (opening,):
            entry = Entry("", (opening,), opens_turn=False)
            yield from self._change(self._past.replace(0, entry))

    def make_room(self) -> Work[list[str]]:
        """Drops the oldest turns until the rest fills at most half of the context.

        The instructions and the open turn stay. The rest is told again, which takes as long as it
        would have taken to tell it first.

        Returns:
            The items that were dropped.
        """
        assert self._reply is None, "a reply is bounded by the room there is"
        spoken = len(self._turn.steps) if self._turn else 0
        positions = self.state.limit // 2 - spoken
        return (yield from self._change(self._past.trim(positions)))

    def summarise(self, on_done: Callable[[list[str], str], None]) -> Work[None]:
        """Puts a summary in the place of the oldest turns, so that the rest fills at most half of
        the context.

        The model writes it, on a fork; the new memory is made beside the present one, which can be
        used meanwhile. Nothing comes of it while somebody has the floor, where nothing can be
        spared, or if the past has changed meanwhile.

        Args:
            on_done: called with the items that are no longer known, and the summary.
        """
        if self._reply is not None or self._turn is not None or self._results:
            return
        past, limit = self._past, self.state.limit
        told = list(past.entries)
        start = past.first_kept(limit // 2)
        if start == past.first_turn:
            return
        text = yield from summary_of(self._assistant, past.memory.fork())
        if not text:
            return
        prompt = self._assistant.prompt
        summary = Entry("", (prompt.system_turn(SUMMARY.format(text)),))
        memory = yield from past.replacing(summary, told[start:])

        def adopt() -> Work[None]:
            if past.entries[: len(told)] != told or self._may_reopen:
                return
            if self._turn is not None:
                self._turn.leave()
            on_done(past.adopt(memory, summary, told, start), text)
            if self._turn is not None:
                self._turn.enter(past.memory)
            yield

        if self._reply is not None:
            self._waiting.append(adopt)
        else:
            finish(adopt())  # at once: nobody else may see half of it

    @property
    def _may_reopen(self) -> bool:
        """Whether the turn that ended last may still go on: nothing has come after it."""
        turn = self._last_turn
        return turn is not None and any(part is turn.steps for part in self._past.entries[-1].parts)

    def _change(self, work: Work[T]) -> Work[T]:
        """Changes the past; an open turn comes after it all."""
        if self._turn is not None:
            self._turn.leave()
        try:
            return (yield from work)
        finally:
            if self._turn is not None:
                self._turn.enter(self._past.memory)

    def catch_up(self) -> Work[list[ValueError]]:
        """Does what had to wait for the reply: results of calls, turns, changes of the past.

        Returns:
            Why some of the changes could not be made.

        Raises:
            ContextFull: no room for one of them. Make room and call again; or ``skip`` it first.
        """
        errors = []
        self._flush_results()
        while self._waiting:
            try:
                yield from self._waiting[0]()
            except ValueError as error:
                errors.append(error)
            del self._waiting[0]
        if self._turn is not None and self._turn.mark is None:
            self._turn.enter(self._past.memory)
        return errors

    def skip(self) -> None:
        """Gives up what ``catch_up`` has no room for."""
        if self._results:
            self._results = []
        elif self._waiting:
            del self._waiting[0]

    def _flush_results(self) -> None:
        """Tells the results of calls, as one turn; overlong ones are cut."""
        if self._results and self._reply is None:
            limit = self.state.limit // RESULTS_SHARE // len(self._results)
            turn = self._assistant.prompt.tool_turn(
                [self._cut(each, limit) for each in self._results]
            )
            finish(self._change(self._past.append(Entry("", (turn,), opens_turn=False))))
            self._results = []

    def _cut(self, text: str, limit: int) -> str:
        tokens = self._assistant.prompt.encode(text)
        if len(tokens) <= limit:
            return text
        return f"{self._assistant.tokenizer.decode(tokens[:limit])} {RESULT_CUT}"

    def _parts(
        self,
        pieces: Sequence[Piece],
        images: Sequence[Image] = (),
        audios: Sequence[np.ndarray] = (),
    ) -> tuple[Part, ...]:
        def part(piece: Piece) -> Part:
            match piece:
                case Media(kind="image", index=index):
                    return self._assistant.embed_image(images[index])
                case Media(index=index):
                    return self._assistant.embed_audio(audios[index])
                case _:
                    return piece

        return tuple(map(part, pieces))
