"""A decoder state and the text that goes in with the next piece.

Neighbouring texts must be tokenised as one, and one call of the decoder is cheaper than two.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from omni_core.cache import Snapshot
from voice.assistant import Assistant

T = TypeVar("T")

Work = Generator[None, None, T]
"""Something that takes a while: between two of its steps, others may have their turn."""

Part = str | tuple[int, ...] | Tensor
"""Text to tokenise, tokens, or embeddings [positions, hidden]."""

UNIT_POSITIONS = 512
"""The most positions that are told at once while others wait."""


def finish(work: Work[T]) -> T:
    """Does all of it at once."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            value: T = end.value
            return value


class NamedWork:
    """Work that can be told apart from other work.

    Args:
        name: its own.
        before: called with the name before each step, on the thread that does it.
    """

    def __init__(
        self, name: str, work: Work[None], before: Callable[[str], None] = lambda name: None
    ) -> None:
        self.name = name
        self._work, self._before = work, before

    def __iter__(self) -> NamedWork:
        return self

    def __next__(self) -> None:
        self._before(self.name)
        next(self._work)


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a memory to return to."""

    snapshot: Snapshot
    due: str


class Memory:
    """See the module."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self.state = assistant.model.new_state()
        self.due = ""

    def __len__(self) -> int:
        """Positions of the history; due text counts as the tokens it will be."""
        return len(self.state) + len(self._assistant.prompt.encode(self.due))

    @property
    def room(self) -> int:
        """Positions that still fit."""
        return self.state.limit - len(self)

    def telling(self, parts: Iterable[Part]) -> Work[None]:
        """Takes in parts in their order; a text at the end waits for what comes next.

        Raises:
            ContextFull: no room for a part; it and what follows it are not taken in.
        """
        for part in parts:
            if isinstance(part, str):
                self.due += part
            elif len(part):
                self.settle()
                for start in range(0, len(part), UNIT_POSITIONS):
                    self._take(part[start : start + UNIT_POSITIONS])
                    yield

    def tell(self, *parts: Part) -> None:
        """`telling`, all at once."""
        finish(self.telling(parts))

    def settle(self) -> None:
        """Takes in the text that is due."""
        if self.due:
            self._take(tuple(self._assistant.prompt.encode(self.due)))
            self.due = ""

    def mark(self) -> Mark:
        """This point, to return to."""
        return Mark(self.state.snapshot(), self.due)

    def rewind(self, mark: Mark) -> None:
        """Makes everything since the mark never have been told."""
        self.state.rollback(mark.snapshot)
        self.due = mark.due

    def fork(self) -> Memory:
        """A second memory of the same history."""
        twin = Memory.__new__(Memory)
        twin._assistant, twin.state, twin.due = self._assistant, self.state.fork(), self.due
        return twin

    def _take(self, part: Sequence[int] | Tensor) -> None:
        model = self._assistant.model
        if isinstance(part, Tensor):
            model.prefill(self.state, embeddings=part)
        else:
            model.prefill(self.state, tokens=part)
