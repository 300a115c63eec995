"""From conversations to training sequences: token ids, places of audio, what is learnt.

The layout is the chat template's (voice/chat_template.jinja); a test holds the two together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

from transformers import PreTrainedTokenizerBase

from voice.training.skills import (
    Conversation,
    Function,
    ToolCall,
    sample_conversation,
    sample_drill,
    sample_instructions,
    sample_nonsense,
    sample_short,
    sample_tool_conversation,
    sample_unfinished,
    sample_words_to_spell,
    spelled,
    training_sentences,
)

TRANSCRIBE = "Transcribe the audio clip into text. Return only the transcription."
SPELL_WORDS = "Spell every word."
"""Asks for the letters of several words at once: spelling is learnt from many examples."""
IGNORED = -100


@dataclass(slots=True)
class Sequence:
    """One training sequence.

    Attributes:
        parts: token ids, or None where the encoder steps of the next utterance go.
        utterances: the spoken texts, in order.
        learnt: for every part, whether its tokens are learnt.
    """

    parts: list[list[int] | None] = field(default_factory=list)
    learnt: list[bool] = field(default_factory=list)
    utterances: list[str] = field(default_factory=list)

    def add(self, ids: list[int] | None, learnt: bool = False) -> None:
        """Appends token ids, or the place of an utterance."""
        self.parts.append(ids)
        self.learnt.append(learnt)

    def lay_out(self, heard: list[list[int]]) -> tuple[list[int], list[bool], list[int]]:
        """Token ids, places of audio, and what is learnt, position by position.

        The target of a position is the next token, where that is learnt.

        Args:
            heard: for every utterance, the word piece of each of its steps.
        """
        tokens: list[int] = []
        is_audio: list[bool] = []
        targets: list[int] = []
        utterances = iter(heard)
        for part, learn in zip(self.parts, self.learnt, strict=True):
            ids = next(utterances) if part is None else part
            if learn and targets:
                targets[-1] = ids[0]
            tokens += ids
            targets += [*ids[1:], IGNORED] if learn else [IGNORED] * len(ids)
            is_audio += [part is None] * len(ids)
        return tokens, is_audio, targets


DRILL_TYPED_SHARE = 0.7
TRANSCRIPTION_LATER_SHARE = 0.4
"""Of the transcriptions, how many are asked for after other turns, as live captions are."""
BLANK = 0
"""The piece of an encoder step at which no word piece begins (the padding token)."""
LONGEST_PIECE_STEPS = 2.0
"""The pieces of a word follow each other at most at this distance, however slowly it is said."""


def place_pieces(
    words: list[list[int]], starts: list[float], end: float, num_steps: int
) -> list[int]:
    """The word piece that begins at every encoder step: a transcript laid along the sound.

    Args:
        words: tokens of every word.
        starts: the step at which each word begins, fractions allowed; words that begin together
            share the time until the next one.
        end: the step at which the last word has been said.
        num_steps: of the utterance; what would begin later is left out.
    """
    placed = [BLANK] * num_steps
    groups = [
        (start, [token for _, tokens in group for token in tokens])
        for start, group in groupby(zip(starts, words, strict=True), key=itemgetter(0))
    ]
    free = 0
    for (start, tokens), (following, _) in zip(groups, [*groups[1:], (end, [])], strict=True):
        spacing = min((following - start) / len(tokens), LONGEST_PIECE_STEPS)
        for index, token in enumerate(tokens):
            step = max(free, int(start + index * spacing))
            if step < num_steps:
                placed[step] = token
            free = step + 1
    return placed


def imagine_pieces(words: list[list[int]], text: str, rng: random.Random) -> list[int]:
    """Pieces as speech would place them, without any: for a decoder that has no ears yet."""
    # Speech so fast that piece follows piece is easier to read: some of it all the way through.
    steps_per_letter = rng.choice((0.0, rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)))
    starts = []
    step = float(rng.randint(0, 6))
    for tokens, word in zip(words, text.split(), strict=True):
        starts.append(step)
        step += max(len(tokens), len(word) * steps_per_letter)
    return place_pieces(words, starts, step, int(step) + rng.randint(1, 6))


def mishear(pieces: list[int], rng: random.Random, vocabulary: range) -> list[int]:
    """Pieces as an imperfect ear would give them: some are others, some are missing."""
    rate = rng.choice((0.0, 0.0, rng.uniform(0.0, 0.12)))
    return [
        rng.choice((BLANK, rng.choice(vocabulary), rng.choice(vocabulary)))
        if piece != BLANK and rng.random() < rate
        else piece
        for piece in pieces
    ]


TOOL_RESPONSE = "<|im_start|>user\n<tool_response>\n{}\n</tool_response>\n"


def session_opening(conversation: Conversation) -> str:
    """What comes before the first turn: system text and functions."""
    parts = [conversation.system] if conversation.system else []
    if conversation.functions:
        parts.append("# Tools\n" + "".join(map(_signature, conversation.functions)))
    return "<|im_start|>system\n" + "\n\n".join(parts) + "<|im_end|>\n" if parts else ""


def _signature(function: Function) -> str:
    return f"{function.name}({', '.join(function.parameters)})\n"


def call_text(call: ToolCall) -> str:
    """A call as the model writes it (the template's form)."""
    arguments = "".join(
        f"<parameter={name}>\n{value}\n</parameter>\n" for name, value in call.arguments.items()
    )
    return f"<tool_call>\n<function={call.name}>\n{arguments}</function>\n</tool_call>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often sequences are of which kind; the rest are conversations.

    Attributes:
        transcription: sequences that ask for a transcription.
        copying: those that ask for a transcription of nonsense, which nobody can guess.
        spelling: those that ask for the letters of a few words.
        drill: those that practise one skill of facts, sums or copying, mostly typed.
        unfinished: conversations whose last turn stops too early.
        short: turns of few words that are over.
        tools: conversations that offer functions.
        instructed: of the conversations, those that begin with a system text.
        typed_turns: of the turns of conversations, those that are typed and not spoken.
    """

    transcription: float = 0.22
    copying: float = 0.13
    spelling: float = 0.1
    drill: float = 0.14
    unfinished: float = 0.05
    short: float = 0.03
    tools: float = 0.18
    instructed: float = 0.15
    typed_turns: float = 0.1


SPOKEN_SHARES = Shares(
    transcription=0.2,
    copying=0.05,
    spelling=0.08,
    drill=0.1,
    unfinished=0.06,
    short=0.04,
    tools=0.1,
)
"""Where every utterance has to be encoded: nonsense and lists of words take long to say, and what
they teach the decoder it has learnt by then."""


class SequenceMaker:
    """Draws training sequences: answers, transcriptions, spoken and typed turns mixed."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, shares: Shares | None = None) -> None:
        """``tokenizer``: the checkpoint's."""
        self._tokenizer = tokenizer
        shares = shares or Shares()
        kinds = {
            "transcription": shares.transcription,
            "copying": shares.copying,
            "spelling": shares.spelling,
            "drill": shares.drill,
            "unfinished": shares.unfinished,
            "short": shares.short,
            "tools": shares.tools,
        }
        self._kinds = (*kinds, "conversation")
        self._weights = (*kinds.values(), 1 - sum(kinds.values()))
        self._typed_share = shares.typed_turns
        self._instructed_share = shares.instructed
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
        match rng.choices(self._kinds, self._weights)[0]:
            case "transcription":
                if rng.random() < TRANSCRIPTION_LATER_SHARE:
                    before = sample_conversation(rng, "train")
                    self.add_conversation(sequence, before, rng, self._typed_share)
                text = training_sentences(rng)
                if rng.random() < 0.25:
                    text = sample_conversation(rng, "train").turns[0].user
                self._add_turn(sequence, text, self._transcribe, text, spoken=True)
            case "copying":
                text = sample_nonsense(rng, 3, 14)
                self._add_turn(sequence, text, self._transcribe, text, spoken=True)
            case "spelling":
                text = sample_words_to_spell(rng)
                letters = " ".join(map(spelled, text.split()))
                spoken = rng.random() < 0.5
                self._add_turn(sequence, text, self._spell_words, letters, spoken)
            case "drill":
                self.add_conversation(sequence, sample_drill(rng), rng, DRILL_TYPED_SHARE)
            case "unfinished":
                turns = sample_unfinished(rng, "train")
                conversation = Conversation(turns, self._instructions(rng))
                self.add_conversation(sequence, conversation, rng, self._typed_share)
            case "short":
                conversation = Conversation((sample_short(rng),), self._instructions(rng))
                self.add_conversation(sequence, conversation, rng, self._typed_share)
            case "tools":
                conversation = sample_tool_conversation(rng, "train")
                conversation = replace(conversation, system=self._instructions(rng, 2.0))
                self.add_conversation(sequence, conversation, rng, self._typed_share)
            case _:
                conversation = sample_conversation(rng, "train")
                conversation = replace(conversation, system=self._instructions(rng))
                self.add_conversation(sequence, conversation, rng, self._typed_share)
        return sequence

    def _instructions(self, rng: random.Random, more: float = 1.0) -> str:
        return sample_instructions(rng) if rng.random() < self._instructed_share * more else ""

    def add_conversation(
        self,
        sequence: Sequence,
        conversation: Conversation,
        rng: random.Random,
        typed_share: float,
    ) -> None:
        """Appends every turn of a conversation; ``typed_share`` of them are typed, not spoken."""
        if opening := session_opening(conversation):
            sequence.add(self._encode(opening))
        for turn in conversation.turns:
            spoken = rng.random() >= typed_share
            if turn.call is None:
                self._add_turn(sequence, turn.user, [], turn.reply, spoken)
                continue
            self._add_turn(sequence, turn.user, [], call_text(turn.call), spoken)
            sequence.add(self._encode(TOOL_RESPONSE.format(turn.result)) + self._reply_opening)
            sequence.add(self._encode(turn.reply) + self._reply_end, learnt=True)
            sequence.add(self._newline)

    def _add_turn(
        self, sequence: Sequence, user: str, instruction: list[int], reply: str, spoken: bool
    ) -> None:
        add = sequence.add
        add(self._turn_opening)
        if spoken:
            sequence.utterances.append(user)
            add(self._audio_opening)
            add(None)
            add(self._audio_closing + instruction)
        else:
            add(self._encode(user) + instruction)
        add(self._reply_opening)
        add(self._encode(reply) + self._reply_end, learnt=True)
        add(self._newline)
