"""Batches for every stage, made on the fly by worker processes: nothing is stored.

B sequences, T positions.
"""

from __future__ import annotations

import logging
import math
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerBase

from voice.training.pictures import draw_labelled
from voice.training.pieces import imagine_pieces, mishear
from voice.training.recordings import (
    Recorder,
    Recording,
    SpeechBatch,
    collate_speech,
    random_utterance,
)
from voice.training.sequences import (
    IGNORED,
    Sequence,
    SequenceMaker,
    Wanted,
)
from voice.training.shares import SPOKEN_SHARES, Shares
from voice.training.tokenizer import NUM_SPECIAL_TOKENS

logger = logging.getLogger(__name__)

SIGHT_SHARE = 0.09
"""Of sequences for a model that has an eye, those that are about pictures."""
POSITIONS_PER_SEQUENCE = 80
"""Batches of sequences are made of so many positions a sequence: short ones come in more, long ones
in fewer, so that every batch costs the same and replicas need not wait for each other."""


class Kind(IntEnum):
    """How a sequence comes: as misheard transcripts, as speech, or as speech for the ear alone."""

    READ = 0
    HEARD = 1
    SPEECH = 2


@dataclass(frozen=True, slots=True)
class Example:
    """A sequence before it is put in a batch.

    Attributes:
        kind: batches are of one kind.
        length: in positions; of speech for the ear alone, in encoder steps.
        laid_out: tokens, places of audio and targets, as ``Sequence.lay_out`` gives them.
        recordings: of its utterances.
        pictures: normalised pixels [3, H, W] of each.
        wanted: the reply that is to come, where the sequence is a prompt.
    """

    kind: Kind
    length: int
    laid_out: tuple[list[int], list[bool], list[int]]
    recordings: list[Recording]
    pictures: tuple[Tensor, ...] = ()
    wanted: Wanted | None = None


@dataclass(slots=True)
class SequenceBatch:
    """Sequences as the decoder gets them, and what it is to say.

    Attributes:
        tokens: [B, T]; at places of audio the word piece that begins there.
        is_audio: [B, T].
        targets: [B, T], the next token where it is learnt, else IGNORED.
        speech: the utterances as sound, in the order of their places (joint stage only).
        steps: what an ear that is not trained makes of that sound, [places of audio, D]
            (stages listening and rewards).
        seen: what an eye that is not trained makes of the pictures, [places of pictures, hidden].
    """

    tokens: Tensor
    is_audio: Tensor
    targets: Tensor
    speech: SpeechBatch | None = None
    steps: Tensor | None = None
    seen: Tensor | None = None

    def to(self, device: torch.device) -> SequenceBatch:
        """The same batch on a device."""
        held = ((each.name, getattr(self, each.name)) for each in fields(self))
        return replace(self, **{name: x.to(device) for name, x in held if x is not None})


class Batches(IterableDataset):
    """Common part: a generator of its own for every worker, and batches of similar lengths."""

    POOL = 192  # examples sorted together by length

    def __init__(self, batch: int, seed: int, budget: float = math.inf) -> None:
        """``batch`` examples at most, in ``budget`` positions at most, padding included."""
        self._batch = batch
        self._seed = str(seed)
        self._budget = budget

    def reseed(self, *what: object) -> None:
        """Goes on with other data, which depend on ``what`` too."""
        self._seed = "-".join(map(str, (self._seed, *what)))

    def __iter__(self) -> Iterator:
        info = get_worker_info()
        torch.set_num_threads(1)
        rng = random.Random(f"{self._seed}-{info.id if info else 0}")
        self._start(rng)
        while True:
            pool = sorted(self._examples(rng, self.POOL), key=self._kind_and_length)
            batches: list[list] = []
            before = None
            for example in pool:
                kind, length = self._kind_and_length(example)
                full = kind != before or len(batches[-1]) == self._batch
                if full or (len(batches[-1]) + 1) * length > self._budget:
                    batches.append([])
                batches[-1].append(example)
                before = kind
            rng.shuffle(batches)
            for batch in batches:
                yield self._collate(batch, rng)

    def _start(self, rng: random.Random) -> None:
        """Opens what a worker needs, in the worker."""
        raise NotImplementedError

    def _examples(self, rng: random.Random, count: int) -> list:
        raise NotImplementedError

    def _kind_and_length(self, example) -> tuple[int, int]:  # type: ignore[no-untyped-def]
        """Batches are of one kind, and of similar lengths."""
        raise NotImplementedError

    def _collate(self, examples: list, rng: random.Random):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class SpeechBatches(Batches):
    """Utterances with labels (encoder stages)."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        batch: int,
        seed: int,
        draw: Callable[[random.Random], str] = random_utterance,
        engines: bool = False,
    ) -> None:
        """``draw``: what is said. ``engines``: whether others than espeak-ng speak too."""
        super().__init__(batch, seed)
        self._maker = SequenceMaker(tokenizer)
        self._draw = draw
        self._engines = engines

    def _start(self, rng: random.Random) -> None:
        recorder = Recorder(self._maker, rng, engines=self._engines)
        self._recordings = recorder.recordings(self._draw, rng)

    def _examples(self, rng: random.Random, count: int) -> list:
        return list(islice(self._recordings, count))

    def _kind_and_length(self, example: Recording) -> tuple[int, int]:
        return 0, len(example.features)

    def _collate(self, examples: list, rng: random.Random) -> SpeechBatch:
        return collate_speech(examples)


class SequenceBatches(Batches):
    """Training sequences; their utterances are misheard transcripts or speech.

    Where the ear is trained too, batches of speech alone (`SpeechBatch`) come between them: they
    hold more of it.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        batch: int,
        seed: int,
        heard: float,
        max_positions: int,
        ear: Callable[[SpeechBatch], Tensor] | None = None,
        speech: float = 0.0,
        eye: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """``heard``: part of the sequences that are speech; between them come misheard transcripts,
        which are cheap, and what is learnt from them is to hold for what is heard.
        ``ear``: hears the speech in the worker, which then sends its steps [N, S, D] alone.
        ``speech``: part of the examples that are utterances for the ear alone.
        ``eye``: sees pictures [pictures, 3, H, W] of one size as embeddings [pictures, N, hidden];
        None for sequences without any.
        """
        super().__init__(3 * batch, seed, budget=batch * POSITIONS_PER_SEQUENCE)
        sight = SIGHT_SHARE if eye else 0.0
        self._reading = SequenceMaker(tokenizer, Shares(sight=sight))
        self._speaking = SequenceMaker(tokenizer, replace(SPOKEN_SHARES, sight=sight))
        self._vocabulary = range(NUM_SPECIAL_TOKENS, len(tokenizer))
        self._shares = (1 - heard - speech, heard, speech)
        self._max_positions = max_positions
        self._ear = ear
        self._eye = eye

    def _start(self, rng: random.Random) -> None:
        if self._shares[Kind.READ] < 1:
            self._recorder = Recorder(self._speaking, rng, engines=True)
            self._recordings = self._recorder.recordings(random_utterance, rng)

    def _examples(self, rng: random.Random, count: int) -> list:
        examples: list[Example] = []
        while len(examples) < count:
            kind = rng.choices(tuple(Kind), self._shares)[0]
            if kind is Kind.SPEECH:
                recording = next(self._recordings)
                examples.append(Example(kind, len(recording.pieces), ([], [], []), [recording]))
                continue
            if kind is Kind.HEARD:
                example = self._record(self._speaking.sample(rng), rng)
            else:
                sequence = self._reading.sample(rng)
                laid_out = sequence.lay_out([self._imagine(t, rng) for t in sequence.utterances])
                pictures = _draw_pictures(sequence, rng)
                example = Example(kind, len(laid_out[0]), laid_out, [], pictures)
            if example.length <= self._max_positions:
                examples.append(example)
        return examples

    def _record(
        self, sequence: Sequence, rng: random.Random, wanted: Wanted | None = None
    ) -> Example:
        """A sequence whose utterances are spoken and recorded."""
        recordings = [self._recorder.record(text, rng) for text in sequence.utterances]
        laid_out = sequence.lay_out([recording.pieces for recording in recordings])
        pictures = _draw_pictures(sequence, rng)
        return Example(Kind.HEARD, len(laid_out[0]), laid_out, recordings, pictures, wanted)

    def _imagine(self, text: str, rng: random.Random) -> list[int]:
        pieces = imagine_pieces(self._reading.words(text), text, rng)
        return mishear(pieces, rng, self._vocabulary)

    def _kind_and_length(self, example: Example) -> tuple[int, int]:
        return example.kind, example.length

    def _collate(self, examples: list, rng: random.Random):  # type: ignore[no-untyped-def]
        if examples[0].kind is Kind.SPEECH:
            return collate_speech([example.recordings[0] for example in examples])
        return self._collate_sequences(examples)

    def _collate_sequences(self, examples: list[Example]) -> SequenceBatch:
        longest = max(example.length for example in examples)
        tokens = torch.zeros(len(examples), longest, dtype=torch.long)
        is_audio = torch.zeros(len(examples), longest, dtype=torch.bool)
        targets = torch.full((len(examples), longest), IGNORED)
        recordings: list[Recording] = []
        pictures: list[Tensor] = []
        for index, example in enumerate(examples):
            ids, audio_places, next_ids = example.laid_out
            tokens[index, : len(ids)] = torch.tensor(ids)
            is_audio[index, : len(ids)] = torch.tensor(audio_places)
            targets[index, : len(ids)] = torch.tensor(next_ids)
            recordings += example.recordings
            pictures += example.pictures
        batch = SequenceBatch(tokens, is_audio, targets)
        with torch.no_grad():
            if pictures:
                assert self._eye is not None
                batch.seen = torch.cat([self._eye(pixels[None])[0] for pixels in pictures])
            if recordings:
                speech = collate_speech(recordings)
                if self._ear is None:
                    batch.speech = speech
                else:
                    batch.steps = self._ear(speech)[speech.pieces != IGNORED]
        return batch


def _draw_pictures(sequence: Sequence, rng: random.Random) -> tuple[Tensor, ...]:
    pictures = sequence.pictures.values()
    return tuple(draw_labelled(each.things, rng, *each.grid).pixels for each in pictures)


def load_batches(dataset: Batches, workers: int) -> Iterator:
    """Endless batches, made by worker processes ahead of their use.

    espeak-ng is C code fed with millions of random texts: when it takes a worker down, the worker
    is replaced by one with another seed.
    """
    while True:
        loader = DataLoader(
            dataset, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None
        )
        before = signal.getsignal(signal.SIGCHLD)
        try:
            batches = iter(loader)
            # torch's handler, which a process's first loader sets, would raise in the middle of
            # whatever is going on; asked for the next batch, it finds the dead worker as well.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                yield from batches
            finally:
                signal.signal(signal.SIGCHLD, before)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            logger.warning("%s; starting another", error)
            dataset.reseed("again")
