"""From conversations to training sequences: token ids, places of audio, what is learnt.

The layout is the chat template's (voice/chat_template.jinja); a test holds the two together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from voice.training.skills import (
    Conversation,
    sample_conversation,
    sample_drill,
    sample_word_salad,
    spelled,
    training_sentences,
)

TRANSCRIBE = "Transcribe the audio clip into text. Return only the transcription."
SPELL_WORDS = "Spell every word of the audio clip."
"""Asks for the letters of several words at once: spelling is learnt from many examples."""
IGNORED = -100


@dataclass(slots=True)
class Sequence:
    """One training sequence.

    Attributes:
        pieces: token ids, or None where the encoder steps of the next utterance go.
        utterances: the spoken texts, in order.
        learnt: for every piece, whether its tokens are learnt.
    """

    pieces: list[list[int] | None] = field(default_factory=list)
    learnt: list[bool] = field(default_factory=list)
    utterances: list[str] = field(default_factory=list)

    def lay_out(self, captions: list[list[int]]) -> tuple[list[int], list[bool], list[int]]:
        """(token ids, is audio, targets), with token 0 at the places of audio.

        The target of a token's place is the next token, where that is learnt; the target of an
        encoder step is its caption (see ``caption_steps``).

        Args:
            captions: for every utterance, the caption of each of its steps.
        """
        tokens: list[int] = []
        is_audio: list[bool] = []
        targets: list[int] = []
        steps = iter(captions)
        for piece, learn in zip(self.pieces, self.learnt, strict=True):
            if piece is None:
                caption = next(steps)
                tokens += [0] * len(caption)
                targets += caption
                is_audio += [True] * len(caption)
                continue
            if learn and targets:
                targets[-1] = piece[0]
            tokens += piece
            targets += [*piece[1:], IGNORED] if learn else [IGNORED] * len(piece)
            is_audio += [False] * len(piece)
        return tokens, is_audio, targets


DRILL_TYPED_SHARE = 0.7
CAPTION_DELAY_STEPS = 2
"""Encoder steps after the end of a word until its first token is due: what follows settles it."""
NO_CAPTION = 0
"""The target of a step at which no word is due (the padding token)."""


def caption_steps(words: list[list[int]], word_ends: list[int], num_steps: int) -> list[int]:
    """A live caption: the tokens of every word, one a step, from shortly after it was said.

    It teaches the decoder to read in place, densely, before it learns to look back (delayed
    streams, arXiv 2509.08753). What would come after the last step is left out.

    Args:
        words: tokens of every word. word_ends: the step at which each has been said.
        num_steps: of the utterance.
    """
    caption = [NO_CAPTION] * num_steps
    free = 0
    for tokens, end in zip(words, word_ends, strict=True):
        free = max(free, end + CAPTION_DELAY_STEPS)
        for token in tokens:
            if free < num_steps:
                caption[free] = token
            free += 1
    return caption


class SequenceMaker:
    """Draws training sequences: answers, transcriptions, spoken and typed turns mixed.

    Args:
        tokenizer: the checkpoint's.
        transcription_share: part of the sequences that ask for a transcription.
        spelling_share: part that ask for the letters of a few words.
        drill_share: part that practise one skill of facts or sums, mostly typed.
        typed_share: part of the turns that are typed and not spoken.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        transcription_share: float = 0.38,
        spelling_share: float = 0.1,
        drill_share: float = 0.14,
        typed_share: float = 0.1,
    ) -> None:
        self._tokenizer = tokenizer
        self._kinds = ("transcription", "spelling", "drill", "conversation")
        shares = (transcription_share, spelling_share, drill_share)
        self._shares = (*shares, 1 - sum(shares))
        self._typed_share = typed_share
        self._turn_opening = self._encode("<|im_start|>user\n")
        self._audio_opening = self._encode("<so_start>")
        self._audio_closing = self._encode("<so_end>\n")
        self._reply_opening = self._encode("<|im_end|>\n<|im_start|>assistant\n<think></think>")
        self._reply_end = self._encode("<|im_end|>")
        self._newline = self._encode("\n")
        self._transcribe = self._encode(TRANSCRIBE)
        self._spell_words = self._encode(SPELL_WORDS)

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def words(self, text: str) -> list[list[int]]:
        """The tokens of every word of a spoken text; together they are the tokens of the text."""
        first, *others = text.split()
        return [self._encode(first)] + [self._encode(" " + word) for word in others]

    def sample(self, rng: random.Random) -> Sequence:
        """One random sequence."""
        sequence = Sequence()
        match rng.choices(self._kinds, self._shares)[0]:
            case "transcription":
                text = training_sentences(rng)
                if rng.random() < 0.25:
                    text = sample_conversation(rng, "train").turns[0].user
                self._add_turn(sequence, text, self._transcribe, text, spoken=True)
            case "spelling":
                text = sample_word_salad(rng, 2, 5)
                letters = " ".join(map(spelled, text.split()))
                self._add_turn(sequence, text, self._spell_words, letters, spoken=True)
            case "drill":
                self.add_conversation(sequence, sample_drill(rng), rng, DRILL_TYPED_SHARE)
            case _:
                self.add_conversation(
                    sequence, sample_conversation(rng, "train"), rng, self._typed_share
                )
        return sequence

    def add_conversation(
        self,
        sequence: Sequence,
        conversation: Conversation,
        rng: random.Random,
        typed_share: float,
    ) -> None:
        """Appends every turn of a conversation; ``typed_share`` of them are typed, not spoken."""
        for turn in conversation.turns:
            spoken = rng.random() >= typed_share
            self._add_turn(sequence, turn.user, [], turn.reply, spoken)

    def _add_turn(
        self, sequence: Sequence, user: str, instruction: list[int], reply: str, spoken: bool
    ) -> None:
        def add(ids: list[int] | None, learn: bool = False) -> None:
            sequence.pieces.append(ids)
            sequence.learnt.append(learn)

        add(self._turn_opening)
        if spoken:
            sequence.utterances.append(user)
            add(self._audio_opening)
            add(None)
            add(self._audio_closing + instruction)
        else:
            add(self._encode(user) + instruction)
        add(self._reply_opening)
        add(self._encode(reply) + self._reply_end, learn=True)
        add(self._newline)
