"""What the model thread does for one session: each method is work for the session's lane.

The lane keeps the order in which the session decides, so the conversation goes through the same
states as on a machine where everything takes no time. A reply that has become void ends at its next
token. Results are reported through callbacks that hand them to the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from omni_core.cache import ContextFull
from voice.conversation import Conversation
from voice.decoding import Reply, ReplySettings
from voice.history import Entry
from voice.memory import Work
from voice.reply import ReplyText
from voice.session_events import Usage
from voice.turn_end import TurnEndJudge, floor_probability

RESERVE_STEPS = 375
"""Positions of 30 s of speech: that much and a reply should fit when a turn begins."""


class ReplyTaker(Protocol):
    """The session's side of a response."""

    reply: Reply | None
    """The round that is decoded or waits; touched by the model thread alone."""

    @property
    def is_void(self) -> bool:
        """Whether nobody wants it any more; read between two tokens."""

    def take(self, part: ReplyText) -> None:
        """More text, on the event loop."""

    def decoded(self, usage: Usage, is_finished: bool) -> None:
        """The round is complete, on the event loop."""

    def fail(self, code: str, message: str) -> None:
        """There is no reply, on the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was heard of one round of a response."""

    item_id: str
    text: str
    is_complete: bool
    calls: Sequence[Mapping[str, Any]] = ()
    """Made by it, in OpenAI's form."""
    results: Sequence[str] = ()
    """Of the calls, those that the session has made itself."""


class ModelSide:
    """See the module.

    Args:
        conversation: of the session; nobody else touches it.
        judge: of the end of turns.
        report: hands a call to the event loop, under `source`, with what there is to say.
        on_trimmed: told of the items that are no longer known, because the context is full, and of
            the summary that stands in their place, if any.
        on_error: told of a code and a message.

    Attributes:
        source: the name of the work that is being done; set by whoever does it.
        done: how much work that was ordered in its turn has been done; counted by whoever does it.
    """

    def __init__(
        self,
        conversation: Conversation,
        judge: TurnEndJudge,
        report: Callable[..., None],
        on_trimmed: Callable[[list[str], str], None],
        on_error: Callable[[str, str], None],
    ) -> None:
        self._conversation = conversation
        self._judge = judge
        self._post = report
        self.source = ""
        self.done = 0
        self._on_trimmed, self._on_error = on_trimmed, on_error

    # --- The user's turn --------------------------------------------------------------------------

    def begin_turn(self, item_id: str) -> Work[None]:
        """Opens a turn; where room is getting scarce, the oldest turns go first."""
        conversation = self._conversation
        try:
            if conversation.room < self._needed and not conversation.is_replying:
                yield from self._make_room()
            conversation.begin_turn(item_id=item_id)
        except ContextFull:
            yield from self._make_room()
            try:
                if not conversation.is_listening:
                    conversation.begin_turn(item_id=item_id)
            except ContextFull as error:
                self._fail("context_full", error)
        yield

    def listen(self, samples: np.ndarray, done: Callable[[], None]) -> Work[None]:
        """Hears more of the turn."""
        try:
            if self._conversation.is_listening:
                self._conversation.listen(samples)
        except ContextFull:
            yield from self._make_room()
        self._report(done)
        yield

    def pause(self, on_probability: Callable[[float], None] | None) -> Work[None]:
        """Encodes the turn so far exactly, and judges whether it is over if anybody asks."""
        conversation = self._conversation
        if not conversation.is_listening:
            return
        try:
            conversation.pause()
        except ContextFull:
            yield from self._make_room()
        yield
        if on_probability is not None and (fork := conversation.fork_turn()) is not None:
            probability = self._judge.probability(fork)
            if probability is not None:
                self._report(lambda: on_probability(probability), probability=probability)
        yield

    def end_turn(self, on_steps: Callable[[Tensor], None]) -> Work[None]:
        """The turn is over; its sound goes to `on_steps`."""
        conversation = self._conversation
        if not conversation.is_listening:
            return
        try:
            conversation.end_speech()
        except ContextFull:
            yield from self._make_room()
            if conversation.is_listening:
                conversation.end_speech()
        steps = conversation.last_steps
        self._report(lambda: on_steps(steps), steps=len(steps))
        yield

    def discard_turn(self) -> Work[None]:
        """The turn leads to nothing."""
        if self._conversation.is_listening:
            self._conversation.discard_turn()
        yield

    def transcribe(
        self,
        steps: Tensor,
        is_wanted: Callable[[], bool],
        on_text: Callable[[str], None],
        on_end: Callable[[], None],
        on_error: Callable[[str, str], None],
    ) -> Work[None]:
        """Writes down what a turn says, as long as that is wanted."""
        try:
            for text in self._conversation.transcribing(steps):
                if not is_wanted():
                    return
                if text:
                    self._report(lambda text=text: on_text(text), text=text)  # type: ignore[misc]
                yield
            self._report(on_end)
        except ContextFull as error:
            message = str(error)
            self._report(lambda: on_error("context_full", message), error=message)

    def judge_floor(
        self, samples: np.ndarray, on_probability: Callable[[float], None]
    ) -> Work[None]:
        """Writes an interjection down and judges whether it wants the floor."""
        steps = self._conversation.embed(samples)
        yield
        said = ""
        for text in self._conversation.transcribing(steps):
            said += text
            yield
        probability = floor_probability(said)
        if probability is not None:
            self._report(lambda: on_probability(probability), probability=probability)

    # --- The assistant's reply --------------------------------------------------------------------

    def reply(
        self,
        to: ReplyTaker,
        *,
        with_turn: bool,
        settings: ReplySettings,
        instructions: str = "",
        script: str = "",
        promoted: bool = False,
    ) -> Work[None]:
        """Decodes a reply on a fork, a token with each step."""
        conversation = self._conversation
        if to.is_void:
            return

        def draft() -> Reply:
            return conversation.draft(
                with_turn=with_turn, settings=settings, instructions=instructions, script=script
            )

        try:
            try:
                reply = draft()
            except ContextFull:
                yield from self._make_room()
                reply = draft()
        except ContextFull as error:
            message = str(error)
            self._report(lambda: to.fail("context_full", message), error=message)
            return
        to.reply = reply
        if promoted:
            conversation.promote(reply)
        yield
        told = 0
        for part in reply.decode():
            if to.is_void:
                return
            if part.reasoning or part.content:
                said = {"text": part.reasoning + part.content, "tokens": reply.tokens[told:]}
                told = len(reply.tokens)
                self._report(lambda part=part: to.take(part), **said)  # type: ignore[misc]
            yield
        usage = Usage(
            input_tokens=reply.start.snapshot.position,
            cached_tokens=reply.cached_positions,
            input_audio_tokens=reply.audio_positions,
            output_tokens=len(reply.tokens),
            reasoning_tokens=reply.reasoning_tokens,
        )
        finished = reply.is_finished
        rest = reply.tokens[told:]
        self._report(lambda: to.decoded(usage, finished), tokens=rest, is_finished=finished)

    def drop(self, of: ReplyTaker) -> Work[None]:
        """A draft is void."""
        of.reply = None
        yield

    def promote(self, of: ReplyTaker) -> Work[None]:
        """A draft is the reply."""
        if of.reply is not None:
            self._conversation.promote(of.reply)
        yield

    def withdraw(self, of: ReplyTaker, item_id: str) -> Work[None]:
        """The user goes on with the turn that was answered, which becomes another item."""
        if of.reply is not None:
            self._conversation.withdraw(of.reply, item_id)
            of.reply = None
            yield from self._catch_up()
        else:
            self._conversation.reopen_turn(item_id)
        yield

    def conclude(self, of: ReplyTaker, said: Said, earlier: Sequence[Said] = ()) -> Work[None]:
        """Ends a round of a reply; `earlier` rounds were not heard as it was thought."""
        reply, of.reply = of.reply, None
        if reply is not None:
            self._conversation.conclude(
                reply,
                said.text,
                is_complete=said.is_complete,
                calls=said.calls,
                item_id=said.item_id,
                results=said.results,
            )
            yield from self._catch_up()
        try:
            for each in earlier:
                yield from self._conversation.rewrite(each.item_id, each.text, each.calls)
        except ContextFull:
            yield from self._make_room()
        yield

    # --- The past ---------------------------------------------------------------------------------

    def change(
        self,
        how: Callable[[Conversation], Work[None]],
        on_error: Callable[[str, str], None],
        done: Callable[[], None],
    ) -> Work[None]:
        """Changes the past; what cannot be done is reported, and nothing has changed. `done` is
        reported in any case.
        """
        try:
            try:
                yield from how(self._conversation)
            except ContextFull:
                yield from self._make_room()
                yield from how(self._conversation)
        except (ContextFull, ValueError) as error:
            code = "context_full" if isinstance(error, ContextFull) else "invalid_item"
            message = str(error)
            self._report(lambda: on_error(code, message), error=message)
        self._report(done)
        yield

    def add(
        self,
        make: Callable[[Conversation], Entry],
        behind: Sequence[str] | None,
        on_error: Callable[[str, str], None],
        done: Callable[[], None],
    ) -> Work[None]:
        """Makes an entry, which may take encoding sound or pictures, and adds it."""
        entries: list[Entry] = []

        def how(conversation: Conversation) -> Work[None]:
            if not entries:
                entries.append(make(conversation))
                yield
            yield from conversation.add(entries[0], behind)

        yield from self.change(how, on_error, done)

    def summarise(self) -> Work[None]:
        """Where room is getting scarce, puts a summary in the place of the oldest turns."""

        def on_done(dropped: list[str], summary: str) -> None:
            call = partial(self._on_trimmed, dropped, summary)
            self._report(call, dropped=dropped, summary=summary)

        # Its beginning and its end have their places among the other work.
        self._report(_nothing, after=self.done)
        if self._conversation.room < 2 * self._needed:
            yield from self._conversation.summarise(on_done)
            self._report(_nothing, after=self.done)

    @property
    def _needed(self) -> int:
        """Positions that should be free when a turn begins."""
        conversation = self._conversation
        needed = conversation.settings.max_new_tokens + RESERVE_STEPS
        return min(needed, conversation.state.limit // 4)

    def _catch_up(self) -> Work[None]:
        """Does what had to wait for a reply; what there is no room for is reported and given up."""
        conversation = self._conversation
        is_last_try = False
        while True:
            try:
                for error in (yield from conversation.catch_up()):
                    self._fail("invalid_item", error)
                return
            except ContextFull as error:
                if is_last_try:
                    conversation.skip()
                    self._fail("context_full", error)
                yield from self._make_room()
                is_last_try = not is_last_try

    def _fail(self, code: str, error: Exception) -> None:
        message = str(error)
        self._report(lambda: self._on_error(code, message), error=message)

    def _make_room(self) -> Work[None]:
        try:
            dropped = yield from self._conversation.make_room()
            if dropped:
                self._report(partial(self._on_trimmed, dropped, ""), dropped=dropped)
        except ContextFull as error:
            # The turn alone is longer than the context.
            if self._conversation.is_listening:
                self._conversation.discard_turn()
            self._fail("context_full", error)

    def _report(self, call: Callable[[], None], **facts: Any) -> None:
        self._post(self.source, call, **facts)


def _nothing() -> None:
    """What a report leads to that is there for its place alone."""
