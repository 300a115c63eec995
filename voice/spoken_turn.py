"""A turn while it is spoken: encoder steps go into the memory as they come, and out again.

    … │ opening │ final steps │ settled steps │ draft steps
      └ mark    └ clip start  └ settled: the next update starts here

Steps that may still change are taken in after a snapshot and rolled back when better ones arrive.
The steps are kept as well: a turn can leave the memory, while the assistant says something or the
past is changed, and enter it again.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from omni_core.cache import ContextFull, Snapshot
from streaming.encoder import EncoderStream, EncoderUpdate
from voice.assistant import Assistant
from voice.memory import Mark, Memory, Part


class SpokenTurn:
    """What somebody says from the start of a turn on.

    Args:
        assistant: whose encoder and projection are used.
        stream: of the encoder, just reset.
        opening: what comes before the sound, up to and including `<so_start>`.
        item_id: of the item that the turn becomes.
    """

    def __init__(
        self,
        assistant: Assistant,
        stream: EncoderStream,
        opening: tuple[Part, ...],
        item_id: str = "",
    ) -> None:
        self.item_id = item_id
        self.opening = opening
        self.steps: Tensor = assistant.model.backbone.embeddings.weight[:0].detach()
        """What is known of the sound so far, as embeddings [steps, hidden]."""
        self.mark: Mark | None = None
        """Where the turn begins in the memory; None while it is not in one."""
        self._assistant, self._stream = assistant, stream
        self._memory: Memory | None = None
        self._clip_start = self._settled = 0
        self._marks: dict[int, Snapshot] = {}  # by the number of steps taken in before

    def enter(self, memory: Memory) -> None:
        """Takes into the memory what is known of the turn; from now on it follows.

        Raises:
            ContextFull: it does not fit; it is not in the memory.
        """
        self._memory, self.mark = memory, memory.mark()
        try:
            memory.tell(*self.opening)
            memory.settle()
        except ContextFull:
            self.leave()
            raise
        self._marks = {0: memory.state.snapshot()}
        self._tell(0)

    def leave(self) -> None:
        """Makes the turn never have been told; it is heard on."""
        if self._memory is not None:
            assert self.mark is not None
            self._memory.rewind(self.mark)
            self._memory = self.mark = None

    def listen(self, samples: np.ndarray | Tensor) -> None:
        """Hears the next samples: float32 mono 16 kHz, any number.

        Raises:
            ValueError: audio of another kind; the turn is as it was.
            ContextFull: the turn has left the memory, and is heard on.
        """
        update = self._stream.feed(samples)
        full = update.start_step + update.num_final
        self._apply(update, clip_start=full if update.num_final else self._clip_start)

    def encode_exactly(self) -> None:
        """Replaces drafts by the exact steps of the turn so far; it may still go on.

        Raises:
            ContextFull: as in `listen`.
        """
        self._apply(self._stream.flush(), clip_start=self._clip_start)

    def _apply(self, update: EncoderUpdate, clip_start: int) -> None:
        """Puts an update's steps in the place of those from its first on.

        `clip_start` is the step where the clip that is open after it begins.
        """
        if not len(update.steps):
            return
        embeddings = self._assistant.project(update.steps)
        first = update.start_step
        self.steps = torch.cat((self.steps[:first], embeddings.to(self.steps)))
        self._clip_start, self._settled = clip_start, first + update.num_settled
        self._tell(first)

    def _tell(self, first: int) -> None:
        """Tells the steps from `first` on, and marks where later updates may start."""
        memory = self._memory
        if memory is None:
            return
        known = max(step for step in self._marks if step <= first)
        memory.state.rollback(self._marks[known])
        bounds = (self._clip_start, self._settled)
        marks = {step: mark for step, mark in self._marks.items() if step <= known}
        try:
            for bound in sorted({*bounds, len(self.steps)}):
                if bound > known:
                    memory.tell(self.steps[known:bound])
                    known = bound
                    if bound in bounds:
                        marks[bound] = memory.state.snapshot()
        except ContextFull:
            self.leave()
            raise
        self._marks = {step: mark for step, mark in marks.items() if step in bounds}
