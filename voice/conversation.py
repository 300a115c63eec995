"""One conversation: what is heard goes into the decoder's state, and replies come out of it.

The history lives in the state, so a turn costs the same however long the conversation is. While
someone speaks, encoder steps are taken in as they come; those that may still change are taken in
after a snapshot and rolled back when better ones arrive:

    … │ opening │ final steps │ settled steps │ draft steps
                └ clip mark   └ settled mark: the next update starts here

At the end of speech everything since the clip mark is replaced by the exact steps. What comes out
is therefore what the model would have answered to the whole recording, however it arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL.Image import Image
from torch import Tensor

from omni_core.cache import DecoderState, Snapshot
from streaming.encoder import EncoderStream, EncoderUpdate, StreamSettings
from voice.assistant import Assistant
from voice.prompt import Media, Piece, merge_pieces
from voice.reply import ReasoningSplitter, ReplyText, TokenText

TRANSCRIBE = "Transcribe the audio clip into text. Return only the transcription."
"""The request that NVIDIA's model card and open_asr_leaderboard use for transcription."""

MAX_TRANSCRIPT_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings:
    """How replies are made.

    Attributes:
        thinking: whether the model reasons before it answers; reasoning is never spoken.
        max_new_tokens: the most tokens of one reply, reasoning included.
        temperature, top_p, repetition_penalty, seed: see ``OmniDecoder.generate``.
    """

    thinking: bool = False
    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int | None = None


class Conversation:
    """Turns in their order: ``listen`` …, ``end_speech``, ``reply``; or ``type_turn``, ``reply``.

    Args:
        assistant: the loaded model; any number of conversations share one.
        system: instructions, may be empty.
        settings: of all replies.
        stream: how the encoder cuts live audio.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        system: str = "",
        settings: ReplySettings = ReplySettings(),
        stream: StreamSettings = StreamSettings(),
    ) -> None:
        self._assistant = assistant
        self._settings = settings
        self.state: DecoderState = assistant.model.new_state()
        self._stream: EncoderStream = assistant.encoder.open_stream(stream)
        # Text that belongs in the history and goes in with the next piece.
        self._due = assistant.prompt.session_opening(system)
        self._clip_mark: Snapshot | None = None
        self._settled_mark: Snapshot | None = None
        self._speech_end: DecoderState | None = None
        self._awaits_closing = False

    @property
    def is_listening(self) -> bool:
        """Whether a spoken turn has begun and not ended."""
        return self._clip_mark is not None

    def begin_turn(self, images: Sequence[Image] = ()) -> None:
        """Opens a spoken turn; images shown with it go before the audio. ``listen`` does it too."""
        if self.is_listening:
            raise ValueError("the turn has begun already; end it with end_speech")
        self._take_in(self._assistant.prompt.turn_opening(images=len(images)), images)
        self._stream.reset()
        self._clip_mark = self._settled_mark = self.state.snapshot()

    def listen(self, samples: np.ndarray | Tensor) -> None:
        """Hears the next samples of the turn: float32 mono 16 kHz, any number.

        Raises:
            ValueError: audio of another kind; the turn is as it was.
        """
        if not self.is_listening:
            self.begin_turn()
        self._apply(self._stream.feed(samples))

    def end_speech(self) -> None:
        """The speaker has finished: drafts are replaced by the exact steps of the whole turn."""
        if not self.is_listening:
            raise ValueError("nothing was said; call listen with audio first")
        self._apply(self._stream.flush())
        self._clip_mark = self._settled_mark = None
        self._speech_end = self.state.fork()
        self._awaits_closing = True

    def transcribe(self) -> str:
        """What the model heard in the last spoken turn, decoded on a fork: no trace is left."""
        if self._speech_end is None:
            raise ValueError("there is no spoken turn to transcribe; call end_speech first")
        prompt = self._assistant.prompt
        twin = self._speech_end.fork()
        request = prompt.turn_closing(TRANSCRIBE) + prompt.reply_opening(thinking=False)
        self._assistant.model.prefill(twin, tokens=prompt.encode(request))
        settings = ReplySettings(max_new_tokens=MAX_TRANSCRIPT_TOKENS)
        return "".join(text.content for text in self._decode(twin, settings)).strip()

    def type_turn(self, text: str, images: Sequence[Image] = ()) -> None:
        """Takes in a typed turn instead of a spoken one."""
        if self.is_listening:
            raise ValueError("a spoken turn is under way; end it with end_speech")
        self._take_in(self._assistant.prompt.user_turn(text, images=len(images)), images)
        self._speech_end = None

    def reply(self, text: str = "") -> Iterator[ReplyText]:
        """Answers the turn, token by token; ``text`` is what was typed along with the speech.

        The history then holds the reply as later turns see it: without reasoning and, where the
        consumer stopped early, as far as it came.
        """
        prompt = self._assistant.prompt
        thinking = prompt.thinking_after(text, self._settings.thinking)
        if self._awaits_closing:
            self._due += prompt.turn_closing(text)
            self._awaits_closing = False
        if self._due:
            self._take_in([])
        turn_end = self.state.snapshot()
        self._take_in([prompt.reply_opening(thinking)])
        said: list[str] = []
        finished = False
        try:
            for part in self._decode(self.state, replace(self._settings, thinking=thinking)):
                said.append(part.content)
                yield part
            finished = True
        finally:
            if finished and not thinking:
                self._due = prompt.reply_closing()
            else:
                self.state.rollback(turn_end)
                self._due = prompt.reply_turn("".join(said))

    def _apply(self, update: EncoderUpdate) -> None:
        """Puts an update's steps in the place of those from its first step on."""
        if not len(update.steps):
            return
        assert self._clip_mark is not None
        assert self._settled_mark is not None
        embeddings = self._assistant.project(update.steps)
        final, settled = update.num_final, max(update.num_final, update.num_settled)
        self.state.rollback(self._clip_mark if final else self._settled_mark)
        if final:
            self._take_embeddings(embeddings[:final])
            self._clip_mark = self._settled_mark = self.state.snapshot()
        if settled > final:
            self._take_embeddings(embeddings[final:settled])
            self._settled_mark = self.state.snapshot()
        if len(embeddings) > settled:
            self._take_embeddings(embeddings[settled:])

    def _take_in(self, pieces: Sequence[Piece], images: Sequence[Image] = ()) -> None:
        """Takes in what is due, then ``pieces``: text as tokens, places as their embeddings."""
        for piece in merge_pieces([self._due, *pieces]):
            if isinstance(piece, Media):
                self._take_embeddings(self._assistant.embed_image(images[piece.index]))
            else:
                tokens = self._assistant.prompt.encode(piece)
                self._assistant.model.prefill(self.state, tokens=tokens)
        self._due = ""

    def _take_embeddings(self, embeddings: Tensor) -> None:
        self._assistant.model.prefill(self.state, embeddings=embeddings)

    def _decode(self, state: DecoderState, settings: ReplySettings) -> Iterator[ReplyText]:
        """Generates on ``state`` and splits what comes into reasoning and content."""
        tokenizer = self._assistant.tokenizer
        text, splitter = TokenText(tokenizer), ReasoningSplitter(settings.thinking)
        tokens = self._assistant.model.generate(
            state,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
            seed=settings.seed,
            stop=self._assistant.stop_token_ids,
            forbidden=self._assistant.prompt.media_token_ids,
        )
        for token in tokens:
            part = splitter.feed(text.feed(token))
            if part.reasoning or part.content:
                yield part
        for part in (splitter.feed(text.flush()), splitter.flush()):
            if part.reasoning or part.content:
                yield part
