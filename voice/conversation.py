"""One conversation: what is heard goes into the decoder's state, and replies come out of it.

The history lives in the state, so a turn costs the same however long the conversation is. A turn
that is being spoken enters the state as it is heard (`voice.spoken_turn`); a reply is decoded on a
fork, and becomes the history when it is promoted:

    begin_turn ► listen … ► pause ► draft ┬► promote ► conclude(heard) ► the next turn
                    ▲                     └► (dropped: nothing has happened)
                    └──────── the user goes on ┘

Whatever else the past should be is told again from where it changes. While a reply is under way the
state is its alone: turns and changes wait until it is concluded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from PIL.Image import Image
from torch import Tensor

from streaming.encoder import EncoderStream, StreamSettings
from voice.assistant import Assistant
from voice.conversation_past import ConversationPast
from voice.decoding import Reply, ReplySettings
from voice.history import Entry
from voice.memory import Memory, Part, finish
from voice.reply import ReplyText
from voice.spoken_turn import SpokenTurn

TRANSCRIBE = "Transcribe the audio clip into text. Return only the transcription."
"""The request that NVIDIA's model card and open_asr_leaderboard use for transcription."""

MAX_TRANSCRIPT_TOKENS = 256
"""Of one clip of at most 30 s."""


class Conversation(ConversationPast):
    """Turns in their order: ``listen`` …, ``end_speech``, ``reply``; or ``type_turn``, ``reply``.

    Args:
        assistant: the loaded model; any number of conversations share one.
        system: instructions, may be empty.
        tools: functions the model may call, in OpenAI's form.
        settings: of all replies.
        stream: how the encoder cuts live audio.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        system: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        settings: ReplySettings = ReplySettings(),
        stream: StreamSettings = StreamSettings(),
    ) -> None:
        super().__init__(assistant, assistant.prompt.session_opening(system, tools))
        self.settings = settings
        self._stream_settings = stream
        self._stream: EncoderStream | None = None
        self._thinking = settings.thinking

    @property
    def is_listening(self) -> bool:
        """Whether a spoken turn has begun and not ended."""
        return self._turn is not None

    @property
    def is_replying(self) -> bool:
        """Whether a reply is promoted and not concluded."""
        return self._reply is not None

    @property
    def last_steps(self) -> Tensor:
        """The sound of the spoken turn that ended last, as embeddings [steps, hidden].

        Raises:
            ValueError: there is none.
        """
        if self._last_turn is None:
            raise ValueError("there is no spoken turn to transcribe; call end_speech first")
        return self._last_turn.steps

    # --- The user's turns -------------------------------------------------------------------------

    def begin_turn(self, images: Sequence[Image] = (), *, item_id: str = "") -> None:
        """Opens a spoken turn; images shown with it go before the audio. ``listen`` does it too."""
        if self.is_listening:
            raise ValueError("the turn has begun already; end it with end_speech")
        opening = self._parts(self._assistant.prompt.turn_opening(images=len(images)), images)
        if self._stream is None:
            self._stream = self._assistant.encoder.open_stream(self._stream_settings)
        self._stream.reset()
        self._flush_results()
        self._turn = SpokenTurn(self._assistant, self._stream, opening, item_id)
        if self._reply is None:
            self._turn.enter(self._past.memory)

    def listen(self, samples: np.ndarray | Tensor) -> None:
        """Hears the next samples of the turn: float32 mono 16 kHz, any number.

        Raises:
            ValueError: audio of another kind; the turn is as it was.
            ContextFull: no room: ``make_room``, which also takes the turn in again.
        """
        if not self.is_listening:
            self.begin_turn()
        assert self._turn is not None
        self._turn.listen(samples)

    def pause(self) -> None:
        """Drafts are replaced by the exact steps of the turn so far; it may still go on."""
        self._open_turn().encode_exactly()

    def end_speech(self, text: str = "") -> None:
        """The speaker has finished: the turn, and what was typed with it, is history.

        Raises:
            ContextFull: as in ``listen``; the turn is still open.
        """
        turn = self._open_turn()
        turn.encode_exactly()
        if turn.mark is None and self._reply is None:
            turn.enter(self._past.memory)  # it had left for want of room
        closing = self._assistant.prompt.turn_closing(text)
        self._turn, self._last_turn = None, turn
        entry = Entry(turn.item_id, (*turn.opening, turn.steps, closing), mark=turn.mark)
        self._thinking = self._assistant.prompt.thinking_after(text, self.settings.thinking)
        if turn.mark is None:  # a reply is under way
            self._waiting.append(lambda: self.add(entry))
        else:
            self._past.note(entry)
            self._past.memory.tell(closing)

    def discard_turn(self) -> None:
        """What was said of the turn was not meant: nothing is left of it."""
        self._open_turn().leave()
        self._turn = None

    def fork_turn(self) -> Memory | None:
        """A memory of the history and the open turn, to be used up; None if that is set aside."""
        return None if self._open_turn().mark is None else self._past.memory.fork()

    def embed(self, samples: np.ndarray) -> Tensor:
        """A sound as embeddings [steps, hidden]; nothing of it is told."""
        return self._assistant.embed_audio(samples)

    def type_turn(self, text: str, images: Sequence[Image] = ()) -> None:
        """Takes in a typed turn instead of a spoken one."""
        if self.is_listening:
            raise ValueError("a spoken turn is under way; end it with end_speech")
        finish(self.add(self.user_entry(text, images=images)))
        self._past.memory.settle()
        self._last_turn = None
        self._thinking = self._assistant.prompt.thinking_after(text, self.settings.thinking)

    def transcribe(self) -> str:
        """What the model heard in the last spoken turn; no trace of the question is left."""
        return "".join(self.transcribing(self.last_steps)).strip()

    def transcribing(self, steps: Tensor) -> Iterator[str]:
        """What a spoken turn says, token by token, asked of a memory that knows nothing else.

        Args:
            steps: embeddings of its sound [steps, hidden]; each clip of 30 s is asked for alone.
        """
        prompt = self._assistant.prompt
        encoder = self._assistant.encoder
        settings = ReplySettings(max_new_tokens=MAX_TRANSCRIPT_TOKENS)
        opening, closing = "".join(map(str, prompt.turn_opening())), prompt.turn_closing(TRANSCRIBE)
        clips = steps.split(encoder.count_steps(encoder.clip_samples))
        for number, clip in enumerate(clips):
            if number:
                yield " "
            memory = Memory(self._assistant)
            memory.tell(prompt.session_opening(), opening, clip, closing)
            # Sound in which nothing is said has an empty transcript.
            reply = Reply(self._assistant, memory, settings, may_be_empty=True)
            # Nobody says more than a token in each of 80 ms: what is longer goes round in circles.
            for part in islice(reply.decode(), len(clip)):
                yield part.content

    # --- The assistant's --------------------------------------------------------------------------

    def reply(self) -> Iterator[ReplyText]:
        """Answers, token by token.

        The history then holds the reply as later turns see it: without reasoning and, where the
        consumer stopped early, as far as it came.
        """
        reply = self.draft()
        self.promote(reply)
        completed = False
        try:
            for part in reply.decode():
                if part.reasoning or part.content:
                    yield part
            completed = True
        finally:
            self.conclude(reply, reply.content, is_complete=completed)
            finish(self.catch_up())

    def draft(
        self,
        *,
        with_turn: bool = True,
        settings: ReplySettings | None = None,
        instructions: str = "",
        script: str = "",
    ) -> Reply:
        """Opens a reply on a fork: what is decoded there has no effect until it is promoted.

        Args:
            with_turn: whether it answers the turn that is open; else that is left aside.
            settings: of this reply.
            instructions: further ones, which only this reply obeys.
            script: what it says, if that is known already.

        Raises:
            ContextFull: there is no room for a reply.
        """
        if self._reply is not None:
            raise ValueError("a reply is under way; conclude it first")
        self._flush_results()
        if self._turn is not None and not with_turn:
            self._turn.leave()
        memory = self._past.memory.fork()
        thinking = self._thinking
        audio = self._past.audio_positions
        before = self._past.entries[-1].mark
        if self._turn is not None and with_turn:
            memory.tell(self._assistant.prompt.turn_closing())
            thinking = self.settings.thinking
            audio, before = audio + len(self._turn.steps), self._turn.mark
        settings = replace(settings or self.settings, thinking=thinking)
        preface = self._assistant.prompt.system_turn(instructions) if instructions else ""
        reply = Reply(self._assistant, memory, settings, self._past.memory, preface, script)
        reply.audio_positions = audio
        reply.cached_positions = before.snapshot.position if before else 0
        return reply

    def promote(self, reply: Reply) -> None:
        """Makes a draft the reply: its memory is the conversation's from now on."""
        self._reply, self._past.memory = reply, reply.memory

    def withdraw(self, reply: Reply, item_id: str = "") -> None:
        """The user goes on with the turn that was answered: reply and end never were.

        ``catch_up`` is due then.

        Args:
            reply: promoted, and not heard.
            item_id: of the item that the turn becomes now.
        """
        assert reply is self._reply
        assert reply.base is not None
        self._past.memory, self._reply = reply.base, None
        self.reopen_turn(item_id)

    def reopen_turn(self, item_id: str = "") -> None:
        """The turn that ended last goes on; nothing came after it."""
        assert self._last_turn is not None
        assert self._past.entries[-1].item_id == self._last_turn.item_id
        self._past.entries.pop()
        self._past.memory.due = ""
        self._turn, self._last_turn = self._last_turn, None
        self._turn.item_id = item_id

    def conclude(
        self,
        reply: Reply,
        heard: str,
        *,
        is_complete: bool,
        calls: Sequence[Mapping[str, Any]] = (),
        item_id: str = "",
        results: Sequence[str] = (),
    ) -> None:
        """Ends the reply: what is left of it in the history is what was heard.

        ``catch_up`` is due then.

        Args:
            reply: the one that was promoted.
            heard: the words that were heard, without calls.
            is_complete: whether these are all its words, and its calls have been made.
            calls: functions it has called, in OpenAI's form.
            item_id: of the item that it becomes.
            results: what the calls returned, if they have been made.
        """
        prompt = self._assistant.prompt
        assert reply is self._reply
        self._reply = None
        if is_complete and reply.is_plain:
            closing = prompt.reply_closing()
            parts: tuple[Part, ...] = (prompt.reply_opening(False), tuple(reply.tokens), closing)
            self._past.memory.tell(closing)
        else:
            parts = (prompt.reply_turn(heard, calls),) if heard or calls or is_complete else ()
            self._past.memory.rewind(reply.start)
            self._past.memory.tell(*parts)
        self._past.note(Entry(item_id, parts, opens_turn=False, mark=reply.start))
        self._results += results

    def _open_turn(self) -> SpokenTurn:
        if self._turn is None:
            raise ValueError("nothing was said; call listen with audio first")
        return self._turn
