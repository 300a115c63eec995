"""From an engine's word marks to word timings in the text as it was written.

An engine marks words of the *spoken* form: "three point five" for "3.5". It may leave words out
(espeak-ng says "in the" as one) and may mark one twice. The clock turns marks into timings that are
in order and cover the whole text, and holds sound back until the words that begin in it have their
end.
"""

import re
from bisect import bisect_right

import numpy as np

from voice.spoken import SpokenText
from voice.tts.synthesizer import SpeechBlock, WordTiming

_WORD = re.compile(r"\S+")


class WordClock:
    """Puts the sound and the marks of one utterance together.

    Call ``mark`` and ``add`` in the order in which they come, take ``blocks`` after each, and all
    that is left with ``finish``.

    Args:
        spoken: what the engine was given, with its alignment to the original text.
        block_samples: length of the blocks, samples; the last may be shorter.
    """

    def __init__(self, spoken: SpokenText, block_samples: int) -> None:
        self._spoken = spoken
        self._block_samples = block_samples
        self._words = [match.span() for match in _WORD.finditer(spoken.source)]
        self._word_starts = [start for start, _ in self._words]
        self._sound = np.zeros(0, np.float32)
        self._sent_samples = 0
        self._open_word: tuple[int, int] | None = None  # its index and its first sample
        self._next_index = 0  # marks of earlier words say more of the open one
        self._timings: list[WordTiming] = []  # ended, but not handed out yet

    def mark(self, sample: int, position: int) -> None:
        """Notes that the word at ``position`` of the spoken text begins at ``sample``."""
        index = max(bisect_right(self._word_starts, self._spoken.source_position(position)) - 1, 0)
        if self._open_word is None:
            if self._words:
                self._open_word = (0, sample)  # unspoken words before the first belong to it
                self._next_index = index + 1
            return
        if index < self._next_index or sample <= self._open_word[1]:
            return  # more of the same word: "three | point | five"
        self._close_word(index, sample)
        self._open_word = (index, sample)
        self._next_index = index + 1

    def add(self, samples: np.ndarray) -> list[SpeechBlock]:
        """Takes float32 sound, [samples]; returns the blocks that are complete with their words."""
        self._sound = np.concatenate((self._sound, samples))
        blocks = []
        while len(self._sound) >= self._block_samples and self._is_settled():
            blocks.append(self._cut(self._block_samples))
        return blocks

    def finish(self) -> list[SpeechBlock]:
        """The utterance is over: the last word ends with the sound."""
        if self._open_word is not None:
            self._close_word(len(self._words), self._sent_samples + len(self._sound))
            self._open_word = None
        blocks = []
        while len(self._sound):
            blocks.append(self._cut(min(self._block_samples, len(self._sound))))
        return blocks

    def _is_settled(self) -> bool:
        """Whether no word that begins in the next block is still open."""
        block_end = self._sent_samples + self._block_samples
        return self._open_word is not None and self._open_word[1] >= block_end

    def _close_word(self, next_index: int, end_sample: int) -> None:
        assert self._open_word is not None
        first, start_sample = self._open_word
        start, end = self._words[first][0], self._words[next_index - 1][1]
        self._timings.append(WordTiming(start, end, start_sample, end_sample))

    def _cut(self, count: int) -> SpeechBlock:
        start_sample = self._sent_samples
        self._sent_samples += count
        samples, self._sound = self._sound[:count], self._sound[count:]
        begun = [t for t in self._timings if t.start_sample < self._sent_samples]
        self._timings = self._timings[len(begun) :]
        return SpeechBlock(samples, start_sample, tuple(begun))
