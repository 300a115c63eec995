"""The assistant's turn: from the text of a reply to items, sentences, calls and sound.

A response is made of rounds. A round is what the model writes in one go: words, and perhaps calls;
the results of calls lead to another round. Words become one message, cut into sentences to speak.

While a response is a draft, it is decoded and its first sentence is spoken, but all of that is
held: nothing is told, played or called before `promote`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from voice import session_events as events
from voice.decoding import Reply, ReplySettings
from voice.model_side import Said
from voice.reply import ReplyText
from voice.response_ladder import Call, Client, ResponseLadder, Round
from voice.sentences import SentenceSplitter
from voice.session_events import Item, Modality, Usage
from voice.speech import SpokenWord
from voice.tool_calls import MalformedCall, ToolCall, ToolCallParser

MAX_ROUNDS = 6
"""A model that calls functions again and again is stopped after so many rounds."""


class Owner(Client, Protocol):
    """What a response needs of its session."""

    def new_id(self, prefix: str) -> str: ...
    def speak_next(self, response: Response) -> None:
        """A sentence may be waiting to be spoken."""

    def play(self, response: Response, sentence: Sentence, samples: np.ndarray) -> None: ...
    def call(self, response: Response, call: Call) -> None:
        """Makes a call, or tells the client of it."""

    def go_on(self, response: Response, said: Said) -> None:
        """The results are there: the model writes another round."""

    def made(self, response: Response) -> None:
        """Nothing more will come."""


@dataclass(slots=True)
class Sentence:
    """Something to speak."""

    text: str
    round: Round
    start: int = 0
    """Where it begins in the text of its round."""
    start_sample: int | None = None
    words: list[SpokenWord] = field(default_factory=list)


class Response:
    """See the module. Lives on the event loop's thread, but for `reply` and `is_void`.

    Args:
        owner: the session.
        number: by which turn-taking knows it.
        modality: whether it is spoken.
        functions: that the model may call, in OpenAI's form.
        metadata: echoed.
    """

    def __init__(
        self,
        owner: Owner,
        number: int,
        modality: Modality,
        functions: Sequence[Mapping[str, Any]],
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = owner.new_id("resp")
        self.number = number
        self.modality = modality
        self.ladder = ResponseLadder(owner, self.id, modality, metadata)
        self.reply: Reply | None = None
        self.cancelled = threading.Event()
        self.is_promoted = self.is_made = self.is_concluded = self.was_heard = False
        self.settings = ReplySettings()
        self.first_token_at: int | None = None
        self.first_audio_at: int | None = None
        self.sentences: list[Sentence] = []
        self.next_sentence = 0
        self.is_speaking = False
        self.made_samples = 0
        self.rounds: list[Round] = []
        self._owner = owner
        self._functions = functions
        self._asides: list[Round] = []
        self._held: list[Callable[[], None]] = []
        self._is_finished = True
        self._error: tuple[str, str] | None = None
        self._begin_round()

    @property
    def is_void(self) -> bool:
        """Whether nobody wants it any more; any thread may ask."""
        return self.cancelled.is_set()

    @property
    def round(self) -> Round:
        """The one that is written, or was written last."""
        return self.rounds[-1]

    @property
    def messages(self) -> list[Round]:
        """All that has words: the model's rounds, then what the session said of its own accord."""
        return [*self.rounds, *self._asides]

    def message(self, item_id: str) -> Round | None:
        """The round whose message has that id."""
        for each in self.messages:
            if each.item_id == item_id and each.output_index is not None:
                return each
        return None

    @property
    def is_failed(self) -> bool:
        """Whether it ended with an error."""
        return self._error is not None

    def promote(self) -> None:
        """The turn has ended for good: what was held is told, played and called."""
        self.is_promoted = True
        self.ladder.begin()
        held, self._held = self._held, []
        for effect in held:
            if not self.is_void:
                effect()

    # --- From the model ---------------------------------------------------------------------------

    def take(self, part: ReplyText) -> None:
        """More of the round that is written."""
        if self.is_void:
            return
        for piece in self._parser.feed(part.content):
            self._take_piece(piece)
        self._owner.speak_next(self)

    def decoded(self, usage: Usage, is_finished: bool) -> None:
        """The round is written."""
        if self.is_void:
            return
        for piece in self._parser.flush():
            self._take_piece(piece)
        self._cut(self._splitter.flush())
        self.round.is_decoded = True
        self._is_finished = is_finished
        before = self.ladder.usage
        self.ladder.usage = replace(
            usage,
            output_tokens=before.output_tokens + usage.output_tokens,
            reasoning_tokens=before.reasoning_tokens + usage.reasoning_tokens,
        )
        self._owner.speak_next(self)
        self._do(self.check)

    def _take_piece(self, piece: str | ToolCall | MalformedCall) -> None:
        round_ = self.round
        if not isinstance(piece, str):
            call = self._new_call(piece)
            round_.calls.append(call)
            self._do(lambda: self._make_call(call))
            return
        if not round_.text:
            self._do(lambda: self.ladder.open_message(round_))
        round_.text += piece
        self._do(lambda: self.ladder.add_text(round_, piece))
        self._cut(self._splitter.feed(piece))

    def _cut(self, sentences: list[str]) -> None:
        for text in sentences:
            sentence = Sentence(text, self.round, self._cut_to)
            self._cut_to += len(text)
            if self.modality == "audio" and text.strip():
                self.sentences.append(sentence)
                self.round.sentences += 1

    def _new_call(self, parsed: ToolCall | MalformedCall) -> Call:
        name, arguments = "", "{}"
        if isinstance(parsed, ToolCall):
            name, arguments = parsed.name, json.dumps(dict(parsed.arguments))
        item = Item(
            id=self._owner.new_id("item"),
            kind="function_call",
            name=name,
            arguments=arguments,
            call_id=self._owner.new_id("call"),
        )
        return Call(item, parsed)

    def _begin_round(self) -> None:
        self.rounds.append(Round(self._owner.new_id("item")))
        self._parser = ToolCallParser(self._functions)
        self._splitter = SentenceSplitter()
        self._cut_to = 0

    def _do(self, effect: Callable[[], None]) -> None:
        if self.is_promoted:
            effect()
        else:
            self._held.append(effect)

    def _make_call(self, call: Call) -> None:
        if isinstance(call.parsed, MalformedCall):
            call.result = call.parsed.reason
        else:
            self._owner.call(self, call)

    # --- Sound ------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Speaks the session's own words next, as a message that is no part of the history."""
        if self.modality == "audio":
            item_id = self._owner.new_id("item")
            aside = Round(item_id, text, is_decoded=True, is_aside=True, sentences=1)
            self._asides.append(aside)
            self.ladder.open_message(aside)
            self.ladder.add_text(aside, text)
            self.sentences.insert(self.next_sentence, Sentence(text, aside))
            self._owner.speak_next(self)

    def add_sound(self, sentence: Sentence, samples: np.ndarray, words: list[SpokenWord]) -> None:
        """More sound of the sentence that is being spoken."""
        if self.is_void:
            return
        if sentence.start_sample is None:
            sentence.start_sample = self.made_samples
            if sentence.round.start_sample is None:
                sentence.round.start_sample = self.made_samples
        sentence.words += words
        self.made_samples += len(samples)
        if len(samples):
            self._do(lambda: self._owner.play(self, sentence, samples))

    def spoken(self, sentence: Sentence) -> None:
        """All sound of the sentence is made."""
        self.is_speaking = False
        if self.is_void:
            return

        def note() -> None:  # in its order after the sound, which may be held
            sentence.round.sentences -= 1
            self.check()

        self._do(note)
        self._owner.speak_next(self)

    def heard(self, position: int) -> list[Said]:
        """What was heard of each message before a sample of the response."""
        if self.modality == "text":
            return [self._said(each, len(each.text)) for each in self.messages]
        ends = dict.fromkeys((id(each) for each in self.messages), 0)
        for sentence in self.sentences:
            if sentence.start_sample is None:
                continue
            for word in sentence.words:
                if word.was_heard(position - sentence.start_sample):
                    ends[id(sentence.round)] = sentence.start + word.end
        return [self._said(each, ends[id(each)]) for each in self.messages]

    def _said(self, round_: Round, end: int) -> Said:
        made = [call for call in round_.calls if call.result is not None or call.is_client_s]
        # Without words the client knows no message: its last call stands for the round, if any.
        known = [call.item.id for call in made if call.is_client_s]
        return Said(
            item_id=(known or [""])[-1] if round_.output_index is None else round_.item_id,
            text=round_.text[:end],
            is_complete=round_.is_decoded and end >= len(round_.text.rstrip()),
            calls=[call.as_message for call in made if call.item.name],
            results=[call.result for call in made if call.result is not None],
        )

    # --- The end ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Goes on, or ends, if what it waits for has come."""
        if self.is_void or self.is_made or not self.is_promoted:
            return
        for each in self.messages:
            if each.is_decoded and not each.sentences and not each.is_done:
                status: events.ItemStatus = "completed" if self._is_finished else "incomplete"
                self.ladder.finish_message(each, status)
        round_ = self.round
        if not round_.is_decoded:
            return
        if round_.calls and not any(call.is_client_s for call in round_.calls):
            if all(call.result is not None for call in round_.calls):
                if len(self.rounds) < MAX_ROUNDS:
                    said = replace(self._said(round_, len(round_.text)), is_complete=True)
                    self._begin_round()
                    self._owner.go_on(self, said)
                    return
            else:
                return
        if all(each.is_done for each in self.messages):
            self.is_made = True
            if self._is_finished:
                self.ladder.end("completed")
            else:
                self.ladder.end("incomplete", "max_output_tokens")
            self._owner.made(self)

    def fail(self, code: str, message: str) -> None:
        """There will be no more of it."""
        if not self.is_void and not self.is_made and not self.is_failed:
            self._error = code, message
            self._do(lambda: self._end("failed", None, self._error))
            self._do(lambda: self._owner.made(self))

    def cut_off(self, reason: events.StatusReason) -> None:
        """It ends here, unfinished."""
        was_made = self.is_made
        self.cancelled.set()
        if self.is_promoted and not was_made:
            self._end("cancelled", reason, None)

    def _end(
        self,
        status: events.ResponseStatus,
        reason: events.StatusReason | None,
        error: tuple[str, str] | None,
    ) -> None:
        self.is_made = True
        for each in self.messages:
            if not each.is_done:
                self.ladder.finish_message(each, "incomplete")
        self.ladder.end(status, reason, error)
