"""Batches for every stage, made on the fly by worker processes: nothing is stored or repeated.

B sequences, T features or positions, S encoder steps, N utterances of a batch in the order of their
sequences.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerBase

from streaming.config import EncoderConfig
from streaming.features import log_mel, normalize
from voice.training.augment import Augmenter
from voice.training.recipe import LABELS_PER_STEP, NUM_PHONEMES, SOUND_CONFIG
from voice.training.sequences import IGNORED, SequenceMaker, caption_steps
from voice.training.skills import sample_conversation, training_sentences
from voice.training.speech import (
    LABEL_HOP_SAMPLES,
    SpeechMaker,
    Utterance,
    has_flite,
    sample_speaker,
    speak_with_flite,
)

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
    """features [N, T, mels], lengths [N] in features, labels [N, S, 4] (IGNORED beyond the end)."""

    features: Tensor
    lengths: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> SpeechBatch:
        """The same batch on a device."""
        return SpeechBatch(
            self.features.to(device), self.lengths.to(device), self.labels.to(device)
        )


@dataclass(slots=True)
class SequenceBatch:
    """tokens [B, T], is_audio [B, T], targets [B, T]; the utterances come as labels or as speech.

    Attributes:
        labels: [sum of S, 4] phoneme labels of all utterances, one after the other.
        speech: the same utterances as sound (joint stage only).
    """

    tokens: Tensor
    is_audio: Tensor
    targets: Tensor
    labels: Tensor
    speech: SpeechBatch | None = None

    def to(self, device: torch.device) -> SequenceBatch:
        """The same batch on a device."""
        return SequenceBatch(
            self.tokens.to(device),
            self.is_audio.to(device),
            self.targets.to(device),
            self.labels.to(device),
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


def corrupt_labels(labels: np.ndarray, rng: random.Random) -> np.ndarray:
    """Labels as an imperfect ear would give them: runs replaced, edges moved."""
    flat = labels.reshape(-1).copy()
    rate = rng.choice((0.0, rng.uniform(0.0, 0.05), rng.uniform(0.0, 0.14)))
    for _ in range(int(len(flat) * rate / 2)):
        at = rng.randrange(len(flat))
        kind = rng.random()
        if kind < 0.5:  # another phoneme
            flat[at : at + rng.randint(1, 4)] = rng.randrange(NUM_PHONEMES)
        elif kind < 0.75:  # the one before lasts longer
            flat[at : at + 2] = flat[at - 1]
        else:  # the next one comes early
            flat[max(at - 2, 0) : at] = flat[at]
    return flat.reshape(labels.shape)


@dataclass(slots=True)
class Recording:
    """One utterance as the encoder gets it.

    Attributes:
        labels: int64 [S, 4]. word_ends: the encoder step at which each word has been said.
        features: normalised [T, mels]; empty where only labels are wanted.
    """

    labels: np.ndarray
    word_ends: list[int]
    features: Tensor

    @property
    def num_steps(self) -> int:
        return len(self.labels)


def _label_recording(utterance: Utterance, lead: int, num_samples: int) -> Recording:
    num_steps = num_encoder_steps(max(num_samples, 1600))
    if not len(utterance.phonemes):
        return Recording(np.full((num_steps, LABELS_PER_STEP), IGNORED), [], torch.empty(0))
    ends = ((utterance.word_ends + lead) // STEP_SAMPLES).tolist()
    return Recording(step_labels(utterance.phonemes, lead, num_steps), ends, torch.empty(0))


def collate_speech(recordings: list[Recording]) -> SpeechBatch:
    """Pads the features and labels of recordings to one batch."""
    count, mels = len(recordings), recordings[0].features.shape[1]
    features = torch.zeros(count, max(len(r.features) for r in recordings), mels)
    labels = torch.full((count, max(r.num_steps for r in recordings), LABELS_PER_STEP), IGNORED)
    for index, recording in enumerate(recordings):
        features[index, : len(recording.features)] = recording.features
        labels[index, : recording.num_steps] = torch.from_numpy(recording.labels)
    return SpeechBatch(features, torch.tensor([len(r.features) for r in recordings]), labels)


class _Batches(IterableDataset):
    """Common part: a generator of its own for every worker, and batches of similar lengths."""

    POOL = 192  # examples sorted together by length

    def __init__(self, batch: int, seed: int, budget: float = math.inf) -> None:
        """``batch`` examples at most, in ``budget`` positions at most, padding included."""
        self._batch = batch
        self._seed = seed
        self._budget = budget

    def reseed(self) -> None:
        """Goes on with other data."""
        self._seed += 1000

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
        self._speech = SpeechMaker()

    def _examples(self, rng: random.Random, count: int) -> list:
        raise NotImplementedError

    def _length(self, example) -> int:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def _collate(self, examples: list, rng: random.Random):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class _Recorder:
    """Speech as the encoder gets it: spoken, recorded, turned into normalised features."""

    def __init__(self, speech: SpeechMaker, rng: random.Random, flite: bool) -> None:
        self._speech = speech
        self._flite = flite and has_flite()
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
            recording = _label_recording(utterance, lead, len(samples))
            recording.features = normalize(log_mel(torch.from_numpy(samples), self._mel))
            made.append(recording)
        return made


class SpeechBatches(_Batches):
    """Utterances with phoneme labels, each spoken once and recorded twice (encoder stage)."""

    def _start(self, rng: random.Random) -> None:
        super()._start(rng)
        self._recorder = _Recorder(self._speech, rng, flite=False)

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
    if kind < 0.2:
        return " ".join(_invented_word(rng) for _ in range(rng.randint(2, 8)))
    if kind < 0.6:
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


class SequenceBatches(_Batches):
    """Training sequences; utterances as corrupted labels or, with ``sound``, as recorded speech."""

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
        self._sound = sound
        self._max_positions = max_positions

    def _start(self, rng: random.Random) -> None:
        super()._start(rng)
        self._recorder = _Recorder(self._speech, rng, flite=True)

    def _examples(self, rng: random.Random, count: int) -> list:
        examples: list = []
        while len(examples) < count:
            sequence = self._maker.sample(rng)
            recordings = [self._utterance(text, rng) for text in sequence.utterances]
            captions = [
                self._caption(text, recording)
                for text, recording in zip(sequence.utterances, recordings, strict=True)
            ]
            laid_out = sequence.lay_out(captions)
            if len(laid_out[0]) <= self._max_positions:
                examples.append((laid_out, recordings))
        return examples

    def _caption(self, text: str, recording: Recording) -> list[int]:
        if not recording.word_ends:
            return [IGNORED] * recording.num_steps
        return caption_steps(self._maker.words(text), recording.word_ends, recording.num_steps)

    def _utterance(self, text: str, rng: random.Random) -> Recording:
        if self._sound:
            return self._recorder.record(text, rng)[0]
        utterance = self._speech.speak(text, sample_speaker(rng), sound=False)
        lead = int(rng.choice((0, rng.uniform(0, 0.8))) * 16_000)
        trail = int(rng.choice((0, rng.uniform(0, 0.8))) * 16_000)
        recording = _label_recording(utterance, lead, lead + len(utterance.samples) + trail)
        recording.labels = corrupt_labels(recording.labels, rng)
        return recording

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
        labels = [torch.from_numpy(recording.labels) for recording in recordings]
        joined = torch.cat(labels) if labels else torch.zeros(0, LABELS_PER_STEP, dtype=torch.long)
        speech = collate_speech(recordings) if self._sound and recordings else None
        return SequenceBatch(tokens, is_audio, targets, joined, speech)


def load_batches(dataset: _Batches, workers: int) -> Iterator:
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
            dataset.reseed()
