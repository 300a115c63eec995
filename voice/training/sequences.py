"""From conversations to training sequences: token ids, places of audio, what is learnt.

The layout is the chat template's (voice/chat_template.jinja); a test holds the two together.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from transformers import PreTrainedTokenizerBase

from voice.training.distance import edit_distance
from voice.training.pictures import CONFIG, GRIDS
from voice.training.shares import Shares
from voice.training.skills import (
    Conversation,
    Function,
    Thing,
    ToolCall,
    Turn,
    is_right,
    sample_conversation,
    sample_digits,
    sample_drill,
    sample_further,
    sample_further_drill,
    sample_instructions,
    sample_key_words,
    sample_nonsense,
    sample_own_words,
    sample_question,
    sample_short,
    sample_sight,
    sample_tool_conversation,
    sample_unfinished,
    sample_words_to_spell,
    spelled,
    training_sentences,
)
from voice.training.tokenizer import IMAGE_TOKEN

TRANSCRIBE = "Transcribe the audio clip into text. Return only the transcription."
SPELL_WORDS = "Spell every word."
"""Asks for the letters of several words at once: spelling is learnt from many examples."""
WRITE_DIGITS = "Write it in digits."
"""Asks for the arguments of calls, several at once and without the calls around them."""
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the model is to say, and how near to it something else comes.

    Attributes:
        text: the recipe's reply.
        turn: whose answer it is; None for transcriptions, letters of what was said, and calls.
        exact: whether nothing else is right, as for a call.
    """

    text: str
    turn: Turn | None = None
    exact: bool = False

    def reward(self, said: str) -> float:
        """Of a reply: 1 where it is right; of a transcription: 1 − word error rate, at least 0."""
        if self.exact:
            return float(said.split() == self.text.split())
        if self.turn is not None:
            return float(is_right(self.turn, said))
        words = self.text.split()
        return max(0.0, 1 - edit_distance(words, said.split()) / len(words))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture before it is drawn.

    Attributes:
        things: what is in it.
        grid: its patches, (h, w).
        alone: whether it comes in a turn of its own, before the one that asks about it.
    """

    things: tuple[Thing, ...]
    grid: tuple[int, int]
    alone: bool

    @property
    def num_places(self) -> int:
        """Of the decoder: merged patches."""
        return math.prod(self.grid) // CONFIG.merge**2


@dataclass(slots=True)
class Sequence:
    """One training sequence.

    Attributes:
        parts: token ids, or None where the encoder steps of the next utterance go.
        wanted: for every part that is learnt, what it says; else None.
        utterances: the spoken texts, in order.
        pictures: part → the picture whose places it holds.
    """

    parts: list[list[int] | None] = field(default_factory=list)
    wanted: list[Wanted | None] = field(default_factory=list)
    utterances: list[str] = field(default_factory=list)
    pictures: dict[int, Picture] = field(default_factory=dict)

    def add(self, ids: list[int] | None, wanted: Wanted | None = None) -> None:
        """Appends token ids, which are learnt if they are wanted, or the place of an utterance."""
        self.parts.append(ids)
        self.wanted.append(wanted)

    def before(self, place: int) -> Sequence:
        """The parts before one of them."""
        parts = self.parts[:place]
        pictures = {part: each for part, each in self.pictures.items() if part < place}
        spoken = self.utterances[: parts.count(None)]
        return Sequence(parts, self.wanted[:place], spoken, pictures)

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
        for part, wanted in zip(self.parts, self.wanted, strict=True):
            ids = next(utterances) if part is None else part
            if wanted and targets:
                targets[-1] = ids[0]
            tokens += ids
            targets += [*ids[1:], IGNORED] if wanted else [IGNORED] * len(ids)
            is_audio += [part is None] * len(ids)
        return tokens, is_audio, targets


TRANSCRIPTION_LATER_SHARE = 0.4
"""Of the transcriptions, how many are asked for after other turns, as live captions are."""
TRANSCRIBED: dict[Callable[[random.Random], str], float] = {
    training_sentences: 0.31,
    sample_question: 0.35,
    partial(sample_key_words, fewest=1, most=4): 0.22,
    sample_own_words: 0.12,
}
"""Of what transcriptions are, and how often: sentences, what is said to the assistant, the words
that answers hang on, which are worth knowing when they are misheard, and what the assistant says,
which is played and heard as well."""
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


_SAMPLERS = {"further": sample_further, "sight": sample_sight}
_DRILLS = {"drill": sample_drill, "further drill": sample_further_drill}
_ALONE_SHARE = 0.4


def _sample_picture(things: tuple[Thing, ...], rng: random.Random) -> Picture:
    return Picture(things, rng.choice(GRIDS), rng.random() < _ALONE_SHARE)


def _transcribed(rng: random.Random) -> str:
    return rng.choices(tuple(TRANSCRIBED), tuple(TRANSCRIBED.values()))[0](rng)


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
            "digits": shares.digits,
            "drill": shares.drill,
            "further": shares.further,
            "further drill": shares.further_drill,
            "sight": shares.sight,
            "unfinished": shares.unfinished,
            "short": shares.short,
            "tools": shares.tools,
        }
        self._kinds = (*kinds, "conversation")
        self._weights = (*kinds.values(), 1 - sum(kinds.values()))
        self._typed_share = shares.typed_turns
        self._typed_drills_share = shares.typed_drills
        self._instructed_share = shares.instructed
        self._turn_opening = self._encode("<|im_start|>user\n")
        self._audio_opening = self._encode("<so_start>")
        self._audio_closing = self._encode("<so_end>\n")
        self._reply_opening = self._encode("<|im_end|>\n<|im_start|>assistant\n<think></think>")
        self._reply_end = self._encode("<|im_end|>")
        self._newline = self._encode("\n")
        self._new_turn = self._encode("<|im_end|>\n<|im_start|>user\n")
        self._picture_opening = self._encode("<img>")
        self._picture_closing = self._encode("</img>\n")
        self._transcribe = self._encode(TRANSCRIBE)
        self._spell_words = self._encode(SPELL_WORDS)
        self._write_digits = self._encode(WRITE_DIGITS)

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
                text = _transcribed(rng)
                self._add_turn(sequence, text, self._transcribe, Wanted(text), spoken=True)
            case "copying":
                text = sample_nonsense(rng, 3, 14)
                self._add_turn(sequence, text, self._transcribe, Wanted(text), spoken=True)
            case "spelling":
                text = sample_words_to_spell(rng)
                letters = " ".join(map(spelled, text.split()))
                spoken = rng.random() < 0.5
                self._add_turn(sequence, text, self._spell_words, Wanted(letters), spoken)
            case "digits":
                text, written = sample_digits(rng)
                spoken = rng.random() < 0.7
                answer = Wanted(written, exact=True)
                self._add_turn(sequence, text, self._write_digits, answer, spoken)
            case "drill" | "further drill" as kind:
                self.add_conversation(sequence, _DRILLS[kind](rng), rng, self._typed_drills_share)
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
            case kind:
                conversation = _SAMPLERS.get(kind, sample_conversation)(rng, "train")
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
            answer = Wanted(turn.reply, turn)
            if turn.call is None:
                picture = _sample_picture(turn.shown, rng) if turn.shown else None
                self._add_turn(sequence, turn.user, [], answer, spoken, picture)
                continue
            call = Wanted(call_text(turn.call), exact=True)
            self._add_turn(sequence, turn.user, [], call, spoken)
            sequence.add(self._encode(TOOL_RESPONSE.format(turn.result)) + self._reply_opening)
            self._add_reply(sequence, answer)

    def _add_turn(
        self,
        sequence: Sequence,
        user: str,
        instruction: list[int],
        reply: Wanted,
        spoken: bool,
        picture: Picture | None = None,
    ) -> None:
        add = sequence.add
        add(self._turn_opening)
        if picture:
            add(self._picture_opening)
            sequence.pictures[len(sequence.parts)] = picture
            add([IMAGE_TOKEN] * picture.num_places)
            add(self._picture_closing + (self._new_turn if picture.alone else []))
        if spoken:
            sequence.utterances.append(user)
            add(self._audio_opening)
            add(None)
            add(self._audio_closing + instruction)
        else:
            add(self._encode(user) + instruction)
        add(self._reply_opening)
        self._add_reply(sequence, reply)

    def _add_reply(self, sequence: Sequence, reply: Wanted) -> None:
        sequence.add(self._encode(reply.text) + self._reply_end, reply)
        sequence.add(self._newline)
