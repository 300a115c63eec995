"""What a conversation has told the decoder, item by item, so that it can be told again.

The past changes when an item is deleted or put in, when a reply is cut to what was heard, and when
the oldest turns are dropped from a full context. Then what comes after the change is told again:
from a snapshot where there is one, as there is of the last few entries, else from nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from voice.assistant import Assistant
from voice.memory import Mark, Memory, Part, Work

MARKED_ENTRIES = 6
"""How many of the last entries may hold a snapshot: the last reply, its calls and their results."""


@dataclass(slots=True, eq=False)
class Entry:
    """What one item of the conversation adds to the history.

    Attributes:
        item_id: the item's.
        parts: what the decoder is told.
        opens_turn: whether the history may begin here, if what comes before is dropped.
        mark: where it begins in the memory, while that can be returned to.
    """

    item_id: str
    parts: tuple[Part, ...] = field(repr=False)
    opens_turn: bool = True
    mark: Mark | None = field(default=None, repr=False)

    @property
    def audio_positions(self) -> int:
        """Positions that are embeddings."""
        return sum(len(part) for part in self.parts if isinstance(part, Tensor))

    @property
    def is_part_of_last(self) -> bool:
        """Whether it belongs to the entry before it, as results do to their calls."""
        return not self.item_id and not self.opens_turn


class History:
    """Entries, and the memory that they have been told to.

    Args:
        assistant: the loaded model.
        opening: the text before the first turn; it stays whatever is dropped.

    Attributes:
        memory: what the model knows; a reply that is promoted puts its own here.
        entries: in their order, the opening first, and behind it the summary if there is one.
        summary: what stands in the place of turns that are no longer known; None: nothing does.
    """

    def __init__(self, assistant: Assistant, opening: str) -> None:
        self._assistant = assistant
        self.memory = Memory(assistant)
        self.memory.tell(opening)
        self.entries = [Entry("", (opening,), opens_turn=False)]
        self.summary: Entry | None = None

    @property
    def audio_positions(self) -> int:
        """Positions that are embeddings."""
        return sum(entry.audio_positions for entry in self.entries)

    def index(self, item_id: str) -> int:
        """Where an item's entry is.

        Raises:
            ValueError: there is none.
        """
        for index, entry in enumerate(self.entries):
            if entry.item_id == item_id:
                return index
        raise ValueError(f"the model knows no item {item_id!r}; it may have been dropped")

    def index_behind(self, item_ids: Sequence[str]) -> int:
        """The place behind the first of these items that has an entry, and behind the results of
        its calls; where the turns begin if none has.
        """
        places = {entry.item_id: at for at, entry in enumerate(self.entries) if entry.item_id}
        first = self.first_turn - 1
        index = next((places[each] for each in item_ids if each in places), first) + 1
        while index < len(self.entries) and self.entries[index].is_part_of_last:
            index += 1
        return index

    def note(self, entry: Entry) -> None:
        """Puts an entry at the end that the memory has been told already."""
        self.entries.append(entry)
        for old in self.entries[:-MARKED_ENTRIES]:
            old.mark = None

    def append(self, entry: Entry) -> Work[None]:
        """Tells an entry behind all others.

        Raises:
            ContextFull: no room; nothing was told.
        """
        entry.mark = self.memory.mark()
        try:
            yield from self.memory.telling(entry.parts)
        except Exception:
            self.memory.rewind(entry.mark)
            raise
        self.note(entry)

    def insert(self, index: int, entry: Entry) -> Work[None]:
        """Puts an entry before the one at `index`.

        Raises:
            ContextFull: no room; nothing has changed.
        """
        self.entries.insert(index, entry)
        try:
            yield from self.retell(index)
        except Exception:
            del self.entries[index]
            yield from self.retell(index)
            raise

    def delete(self, index: int) -> Work[None]:
        """Makes an entry never have been."""
        mark = self.entries.pop(index).mark
        yield from self.retell(index, mark)

    def replace(self, index: int, entry: Entry) -> Work[None]:
        """Puts another entry in the place of one."""
        entry.mark = self.entries[index].mark
        self.entries[index] = entry
        yield from self.retell(index, entry.mark)

    def trim(self, positions: int) -> Work[list[str]]:
        """Drops the oldest turns until the rest has at most so many positions.

        The opening and the summary stay.

        Returns:
            The items that were dropped.
        """
        start = self.first_kept(positions)
        dropped = [entry.item_id for entry in self.entries[self.first_turn : start]]
        del self.entries[self.first_turn : start]
        yield from self.retell(0)
        return dropped

    def first_kept(self, positions: int) -> int:
        """Where the turns begin that stay if the rest is to have at most so many positions."""
        costs = [sum(map(self._positions, entry.parts)) for entry in self.entries]
        start, first = len(self.entries), self.first_turn
        kept = sum(costs[:first])
        for index in range(len(self.entries) - 1, first - 1, -1):
            kept += costs[index]
            if kept > positions:
                break
            if self.entries[index].opens_turn:
                start = index
        return start

    def replacing(self, summary: Entry, kept: Sequence[Entry]) -> Work[Memory]:
        """A memory in which a summary stands in the place of all turns but those that are kept.

        Nothing changes here; see `adopt`.
        """
        memory = Memory(self._assistant)
        for entry in (self.entries[0], summary, *kept):
            yield from memory.telling(entry.parts)
        return memory

    def adopt(self, memory: Memory, summary: Entry, told: Sequence[Entry], start: int) -> list[str]:
        """Goes on with what `replacing` has made; what has come since is told to it.

        Args:
            memory: made by it.
            summary: as it was given.
            told: the entries of that time, all of them; the present ones begin with them.
            start: where those that were kept begin.

        Returns:
            The items that are no longer known.
        """
        dropped = [entry.item_id for entry in self.entries[self.first_turn : start]]
        for entry in self.entries[len(told) :]:
            memory.tell(*entry.parts)
        self.memory, self.summary = memory, summary
        self.entries[1:start] = [summary]
        for entry in self.entries:
            entry.mark = None  # of the other memory
        return [item_id for item_id in dropped if item_id]

    @property
    def first_turn(self) -> int:
        """Where the turns begin."""
        return 1 if self.summary is None else 2

    def retell(self, index: int, mark: Mark | None = None) -> Work[None]:
        """Tells the entries from `index` on again; `mark` is where that one begins."""
        while mark is None and index > 0:
            index -= 1
            mark = self.entries[index].mark
        if mark is None:
            self.memory = Memory(self._assistant)
        else:
            self.memory.rewind(mark)
        for entry in self.entries[index:]:
            entry.mark = None
        for entry in self.entries[index:]:
            yield from self.memory.telling(entry.parts)

    def _positions(self, part: Part) -> int:
        return len(self._assistant.prompt.encode(part) if isinstance(part, str) else part)
