"""Batches for every stage, made on the fly by worker processes: nothing is stored or repeated.

B sequences, T features or positions, S encoder steps, N utterances of a batch in the order of their
sequences.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerBase

from streaming.config import EncoderConfig
from streaming.features import log_mel, normalize
from voice.training.augment import Augmenter
from voice.training.recipe import LABELS_PER_STEP, SOUND_CONFIG
from voice.training.sequences import (
    IGNORED,
    SequenceMaker,
    imagine_pieces,
    mishear,
    place_pieces,
)
from voice.training.skills import sample_conversation, training_sentences
from voice.training.speech import (
    LABEL_HOP_SAMPLES,
    SpeechMaker,
    Utterance,
    has_flite,
    sample_speaker,
    speak_with_flite,
)
from voice.training.tokenizer import NUM_SPECIAL_TOKENS

logger = logging.getLogger(__name__)

FEATURE_SAMPLES = 160
FEATURES_PER_STEP = 8
STEP_SAMPLES = FEATURE_SAMPLES * FEATURES_PER_STEP
POSITIONS_PER_SEQUENCE = 80
"""Batches of sequences are made of so many positions a sequence: short ones come in more, long ones
in fewer, so that every batch costs the same and replicas need not wait for each other."""
FLITE_SHARE = 0.08
"""Of the utterances of the joint stage, where flite is installed: another engine's voices."""
MAX_SAMPLES = 12 * 16_000
"""Longer utterances are left out of training: their batches would not fit beside the others."""


@dataclass(slots=True)
class SpeechBatch:
    """Utterances as the encoder gets them, and what it is to find in them.

    Attributes:
        features: [N, T, mels]. lengths: [N] in features.
        labels: [N, S, 4], the phoneme of every 20 ms; IGNORED beyond the end.
        pieces: [N, S], the word piece that begins at every step; IGNORED beyond the end.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    pieces: Tensor

    def to(self, device: torch.device) -> SpeechBatch:
        """The same batch on a device."""
        return SpeechBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


@dataclass(slots=True)
class SequenceBatch:
    """Sequences as the decoder gets them, and what it is to say.

    Attributes:
        tokens: [B, T]; at places of audio the word piece that begins there.
        is_audio: [B, T].
        targets: [B, T], the next token where it is learnt, else IGNORED.
        speech: the utterances as sound, in the order of their places (joint stage only).
    """

    tokens: Tensor
    is_audio: Tensor
    targets: Tensor
    speech: SpeechBatch | None = None

    def to(self, device: torch.device) -> SequenceBatch:
        """The same batch on a device."""
        return SequenceBatch(
            self.tokens.to(device),
            self.is_audio.to(device),
            self.targets.to(device),
            self.speech.to(device) if self.speech else None,
        )


def num_encoder_steps(num_samples: int) -> int:
    """Encoder steps of a clip: ceil(floor(L/160)/8)."""
    return -(-(num_samples // FEATURE_SAMPLES) // FEATURES_PER_STEP)


def step_labels(phonemes: np.ndarray, lead_samples: int, num_steps: int) -> np.ndarray:
    """The four 20 ms labels around the centre of every encoder step: int64 [num_steps, 4]."""
    centres = np.arange(num_steps)[:, None] * STEP_SAMPLES + np.array([-480, -160, 160, 480])
    bins = (centres - lead_samples) // LABEL_HOP_SAMPLES
    inside = (bins >= 0) & (bins < len(phonemes))
    return np.where(inside, phonemes[np.clip(bins, 0, len(phonemes) - 1)], 0).astype(np.int64)


@dataclass(slots=True)
class Recording:
    """One utterance as the encoder gets it.

    Attributes:
        labels: int64 [S, 4], IGNORED where they are not known. pieces: of every step.
        features: normalised [T, mels].
    """

    labels: np.ndarray
    pieces: list[int]
    features: Tensor


def collate_speech(recordings: list[Recording]) -> SpeechBatch:
    """Pads recordings to one batch."""
    count, mels = len(recordings), recordings[0].features.shape[1]
    features = torch.zeros(count, max(len(r.features) for r in recordings), mels)
    longest = max(len(r.pieces) for r in recordings)
    labels = torch.full((count, longest, LABELS_PER_STEP), IGNORED)
    pieces = torch.full((count, longest), IGNORED)
    for index, recording in enumerate(recordings):
        features[index, : len(recording.features)] = recording.features
        labels[index, : len(recording.labels)] = torch.from_numpy(recording.labels)
        pieces[index, : len(recording.pieces)] = torch.tensor(recording.pieces)
    lengths = torch.tensor([len(r.features) for r in recordings])
    return SpeechBatch(features, lengths, labels, pieces)


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
            pool = sorted(self._examples(rng, self.POOL), key=self._length)
            batches: list[list] = [[]]
            for example in pool:
                full = len(batches[-1]) == self._batch
                if full or (len(batches[-1]) + 1) * self._length(example) > self._budget:
                    batches.append([])
                batches[-1].append(example)
            rng.shuffle(batches)
            for batch in batches:
                yield self._collate(batch, rng)

    def _start(self, rng: random.Random) -> None:
        """Opens what a worker needs, in the worker."""
        raise NotImplementedError

    def _examples(self, rng: random.Random, count: int) -> list:
        raise NotImplementedError

    def _length(self, example) -> int:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def _collate(self, examples: list, rng: random.Random):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class _Recorder:
    """Speech as the encoder gets it: spoken, recorded, turned into normalised features."""

    def __init__(self, maker: SequenceMaker, rng: random.Random, flite: bool) -> None:
        self._maker = maker
        self._flite = flite and has_flite()
        self._speech = SpeechMaker()
        self._augment = Augmenter(rng)
        self._mel = EncoderConfig.from_dict(SOUND_CONFIG).mel

    def record(self, text: str, rng: random.Random, times: int = 1) -> list[Recording]:
        """``times`` recordings of one utterance."""
        if self._flite and rng.random() < FLITE_SHARE:
            utterance = speak_with_flite(text, rng)
        else:
            utterance = self._speech.speak(text, sample_speaker(rng))
        made = []
        for _ in range(times):
            samples, lead = self._augment(utterance.samples)
            samples = np.pad(samples, (0, max(0, 1600 - len(samples))))[:MAX_SAMPLES]
            features = normalize(log_mel(torch.from_numpy(samples), self._mel))
            made.append(self._label(utterance, lead, num_encoder_steps(len(samples)), features))
        return made

    def _label(
        self, utterance: Utterance, lead: int, num_steps: int, features: Tensor
    ) -> Recording:
        # A step is about the samples around its centre, the first one's is at the very start.
        starts = (utterance.word_starts + lead) / STEP_SAMPLES + 0.5
        end = (len(utterance.samples) + lead) / STEP_SAMPLES + 0.5
        words = self._maker.words(utterance.text)
        pieces = place_pieces(words, starts.tolist(), end, num_steps)
        labels = np.full((num_steps, LABELS_PER_STEP), IGNORED)
        if len(utterance.phonemes):
            labels = step_labels(utterance.phonemes, lead, num_steps)
        return Recording(labels, pieces, features)


class SpeechBatches(Batches):
    """Utterances with labels, each spoken once and recorded twice (encoder stages)."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, batch: int, seed: int) -> None:
        super().__init__(batch, seed)
        self._maker = SequenceMaker(tokenizer)

    def _start(self, rng: random.Random) -> None:
        self._recorder = _Recorder(self._maker, rng, flite=False)

    def _examples(self, rng: random.Random, count: int) -> list:
        examples: list = []
        while len(examples) < count:
            examples += self._recorder.record(random_utterance(rng), rng, times=2)
        return examples

    def _length(self, example: Recording) -> int:
        return len(example.features)

    def _collate(self, examples: list, rng: random.Random) -> SpeechBatch:
        return collate_speech(examples)


def random_utterance(rng: random.Random) -> str:
    """Something a user may say: a sentence, a question to the assistant, or words that are none.

    Invented words keep the ear from learning the lexicon instead of the sounds.
    """
    kind = rng.random()
    if kind < 0.04:
        return " ".join(_invented_word(rng) for _ in range(rng.randint(2, 8)))
    if kind < 0.55:
        return training_sentences(rng)
    return rng.choice(sample_conversation(rng, "train").turns).user


_ONSETS = (
    *"b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh".split(),
    *"sk sl sm sn sp st str sw t th tr tw v w wh y z".split(),
    *[""] * 4,
)
_NUCLEI = "a e i o u ai ay ea ee ie oa oo ou ow oy au er ir or ar ur a e i o u".split()
_CODAS = (
    *"b ck d f g l ll m mp n nd ng nk nt p r rd rk rm rn rt".split(),
    *"s sh ss st t th tch ve x ze ce ge le".split(),
    *[""] * 12,
)


def _invented_word(rng: random.Random) -> str:
    syllables = rng.choice((1, 1, 2, 2, 3))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(syllables)
    )


class SequenceBatches(Batches):
    """Training sequences; utterances as misheard transcripts or, with ``sound``, as speech too."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        batch: int,
        seed: int,
        sound: bool,
        max_positions: int,
    ) -> None:
        super().__init__(3 * batch, seed, budget=batch * POSITIONS_PER_SEQUENCE)
        self._maker = SequenceMaker(tokenizer)
        self._vocabulary = range(NUM_SPECIAL_TOKENS, len(tokenizer))
        self._sound = sound
        self._max_positions = max_positions

    def _start(self, rng: random.Random) -> None:
        if self._sound:
            self._recorder = _Recorder(self._maker, rng, flite=True)

    def _examples(self, rng: random.Random, count: int) -> list:
        examples: list = []
        while len(examples) < count:
            sequence = self._maker.sample(rng)
            recordings: list[Recording] = []
            if self._sound:
                recordings = [self._recorder.record(t, rng)[0] for t in sequence.utterances]
                heard = [recording.pieces for recording in recordings]
            else:
                heard = [self._imagine(text, rng) for text in sequence.utterances]
            laid_out = sequence.lay_out(heard)
            if len(laid_out[0]) <= self._max_positions:
                examples.append((laid_out, recordings))
        return examples

    def _imagine(self, text: str, rng: random.Random) -> list[int]:
        pieces = imagine_pieces(self._maker.words(text), text, rng)
        return mishear(pieces, rng, self._vocabulary)

    def _length(self, example: tuple) -> int:
        return len(example[0][0])

    def _collate(self, examples: list, rng: random.Random) -> SequenceBatch:
        longest = max(self._length(example) for example in examples)
        tokens = torch.zeros(len(examples), longest, dtype=torch.long)
        is_audio = torch.zeros(len(examples), longest, dtype=torch.bool)
        targets = torch.full((len(examples), longest), IGNORED)
        recordings: list[Recording] = []
        for index, ((ids, audio_places, next_ids), heard) in enumerate(examples):
            tokens[index, : len(ids)] = torch.tensor(ids)
            is_audio[index, : len(ids)] = torch.tensor(audio_places)
            targets[index, : len(ids)] = torch.tensor(next_ids)
            recordings += heard
        speech = collate_speech(recordings) if recordings else None
        return SequenceBatch(tokens, is_audio, targets, speech)


def load_batches(dataset: Batches, workers: int) -> Iterator:
    """Endless batches, made by worker processes ahead of their use.

    espeak-ng is C code fed with millions of random texts: when it takes a worker down, the worker
    is replaced by one with another seed.
    """
    while True:
        loader = DataLoader(
            dataset, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            logger.warning("%s; starting another", error)
            dataset.reseed("again")
