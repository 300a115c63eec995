"""What is being said, token by token and word by word, while it is said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from streaming.encoder import EncoderUpdate, StreamSettings
from streaming.tdt import ParakeetTdt, TdtState, TimedToken


class CaptionStream:
    """Captions of one speaker: `tokens` follows the encoder's drafts, and after `flush` equals
    `transcribe`."""

    def __init__(self, model: ParakeetTdt, settings: StreamSettings | None = None) -> None:
        self._model = model
        self._stream = model.encoder.open_stream(settings)
        self.reset()

    def feed(self, samples: Tensor | np.ndarray, *, sampling_rate: int = 16000) -> list[TimedToken]:
        """Takes the next samples; returns all tokens since the last reset, drafts included."""
        return self._apply(self._stream.feed(samples, sampling_rate=sampling_rate))

    def flush(self) -> list[TimedToken]:
        """Returns the tokens of the audio so far, exactly."""
        return self._apply(self._stream.flush())

    def reset(self) -> None:
        """Starts the next turn; the session's statistics stay."""
        self._stream.reset()
        self.tokens: list[TimedToken] = []
        # Where decoding may have to resume: the decoder's state and the number of tokens before.
        self._marks = [(self._model.new_state(), 0)]

    def _apply(self, update: EncoderUpdate) -> list[TimedToken]:
        if len(update.steps):
            while self._marks[-1][0].seen_steps > update.start_step:
                self._marks.pop()
            state, kept = self._marks[-1]
            assert state.seen_steps == update.start_step, (state.seen_steps, update.start_step)
            del self.tokens[kept:]
            # Later updates start where the settled steps end, or where a full clip ended.
            full_clips = min(update.num_final, update.num_settled)
            known = 0
            for bound in sorted({full_clips, update.num_settled} - {0}):
                state = self._extend(update.steps[known:bound], state)
                self._marks.append((state, len(self.tokens)))
                known = bound
            self._extend(update.steps[known:], state)
        return list(self.tokens)

    def _extend(self, steps: Tensor, state: TdtState) -> TdtState:
        new, state = self._model.decode(steps, state)
        self.tokens += new
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    """A word and where it is spoken, in ms from the start of the audio."""

    text: str
    start_ms: int
    end_ms: int


def join_words(tokens: Sequence[TimedToken], piece_of: Callable[[int], str]) -> list[TimedWord]:
    """Puts tokens together to words.

    Args:
        tokens: in order.
        piece_of: the SentencePiece piece of a token; "▁" opens a word.
    """
    words: list[TimedWord] = []
    for each in tokens:
        piece = piece_of(each.token)
        text = piece.removeprefix("▁")
        if words and not piece.startswith("▁"):
            last = words.pop()
            text, start_ms = last.text + text, last.start_ms
        else:
            start_ms = each.start_ms
        words.append(TimedWord(text=text, start_ms=start_ms, end_ms=each.end_ms))
    return [word for word in words if word.text]
