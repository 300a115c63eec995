"""Samples in, encoder steps out: exactly for whole clips, provisionally while someone speaks.

Parakeet attends over the whole clip and normalises it by its own statistics, so every step of a
clip changes, a little, with every sample that follows. A stream therefore delivers *draft* steps,
which the next chunk may replace; *settled* steps, which have enough right context to be left alone
until the clip ends; and *final* steps, which are exact. An audio of more than 30 s is cut into
clips that are encoded alone, as vLLM's server of this model does, so a full clip is final for good.

Letters: T encoder steps, D hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streaming.audio import as_samples
from streaming.config import SUBSAMPLING, EncoderConfig
from streaming.conformer import FastConformer, count_steps
from streaming.features import LogMelStream, count_features, log_mel, normalize
from streaming.statistics import SessionStatistics
from streaming.tower import MOST_STEPS, Tower

STEP_MS = 80
"""Duration of an encoder step."""

CLIP_SECONDS = 30
"""Longer audio is cut into clips of this length."""

MIN_CLIP_MS = 100
"""A shorter clip is padded with zeros to this length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How much audio one call of the encoder sees, in ms; all multiples of 80.

    Raises:
        ValueError: a duration out of range or between two encoder steps.
    """

    chunk_ms: int = 320
    """New audio per call, 80 … 1120: how often drafts come."""
    left_ms: int = 5600
    """Context before the unsettled steps, 80 … 30000; more costs time and settles better."""
    right_ms: int = 560
    """Context after a step before it settles, 80 … 1120."""

    def __post_init__(self) -> None:
        for name, longest in (("chunk_ms", 1120), ("left_ms", 30000), ("right_ms", 1120)):
            value = getattr(self, name)
            if not isinstance(value, int) or not STEP_MS <= value <= longest or value % STEP_MS:
                raise ValueError(
                    f"{name}={value!r} must be a multiple of {STEP_MS} ms from {STEP_MS} to "
                    f"{longest // STEP_MS * STEP_MS}"
                )

    @classmethod
    def preset(cls, name: str) -> "StreamSettings":
        """Settings by name: fast, balanced or patient.

        Raises:
            ValueError: another name.
        """
        if name not in _PRESETS:
            raise ValueError(f"no preset {name!r}; choose one of {', '.join(_PRESETS)}")
        return _PRESETS[name]


_PRESETS = {
    "fast": StreamSettings(chunk_ms=160, left_ms=5600, right_ms=560),
    "balanced": StreamSettings(),
    "patient": StreamSettings(chunk_ms=1120, left_ms=10080, right_ms=1120),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncoderUpdate:
    """Replace all steps from `start_step` on by `steps`.

    With no steps there is nothing new, and `start_step` is where the known steps end.
    """

    start_step: int
    """Counted from the last reset."""
    steps: Tensor
    """[T, D]."""
    num_final: int
    """How many of `steps`, from the first, are exact; after a flush, if the audio ends here."""
    num_settled: int
    """How many of `steps`, from the first, no further `feed` will replace before the clip is full;
    a snapshot taken after them serves the next update of this kind."""


class ParakeetEncoder(nn.Module):
    """Log-mel front end and FastConformer; `conformer` holds the weights. Starts in eval mode."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.conformer = FastConformer(config)
        self._tower: tuple[FastConformer, Tower | None] | None = None
        self.eval()

    @property
    def clip_samples(self) -> int:
        """Samples of a full clip, 480000."""
        return CLIP_SECONDS * self.config.mel.sampling_rate

    @property
    def min_clip_samples(self) -> int:
        """Samples that a clip is padded to, 1600."""
        return MIN_CLIP_MS * self.config.mel.sampling_rate // 1000

    def count_steps(self, samples: int) -> int:
        """Encoder steps of an audio of so many samples: Σ over its clips ⌈⌊samples / 160⌋ / 8⌉."""
        clips, rest = divmod(samples, self.clip_samples)
        total = clips * count_steps(count_features(self.clip_samples, self.config.mel))
        if rest:
            padded = max(rest, self.min_clip_samples)
            total += count_steps(count_features(padded, self.config.mel))
        return total

    def encode(self, waveform: Tensor | np.ndarray, *, sampling_rate: int = 16000) -> Tensor:
        """Encodes a whole audio exactly as the reference does.

        Args:
            waveform: float32 mono [samples] within [−1, 1], at least one sample. Audio beyond 30 s
                is cut into clips, a last clip below 100 ms is padded with zeros.
            sampling_rate: its rate in Hz.

        Returns:
            Steps [T, D], T = `count_steps(samples)`.

        Raises:
            ValueError: audio of another kind (see `as_samples`), or none.
        """
        clips = self._clips(waveform, sampling_rate)
        return torch.cat([self.encode_features(log_mel(clip, self.config.mel)) for clip in clips])

    def encode_batch(
        self, waveforms: Sequence[Tensor | np.ndarray], *, sampling_rate: int = 16000
    ) -> list[Tensor]:
        """Encodes several audios in one call; equal to `encode` of each up to rounding."""
        clips = [self._clips(waveform, sampling_rate) for waveform in waveforms]
        features = [normalize(log_mel(clip, self.config.mel)) for some in clips for clip in some]
        lengths = torch.tensor([len(each) for each in features])
        padded = nn.utils.rnn.pad_sequence(features, batch_first=True)
        steps, counts = self._run(padded, lengths)
        each = iter(clip[:count] for clip, count in zip(steps, counts.tolist(), strict=True))
        return [torch.cat([next(each) for _ in some]) for some in clips]

    def encode_features(self, log_mels: Tensor) -> Tensor:
        """Encodes the log-mels [features, mels] of one whole clip: steps [T, D]."""
        return self.encode_window(normalize(log_mels))

    @torch.no_grad()
    def encode_window(self, features: Tensor) -> Tensor:
        """Encodes normalised features [features, mels] out of a clip: steps [T, D]."""
        tower = self._prepared()
        if tower is None or count_steps(len(features)) > MOST_STEPS:
            return self._run(features[None], None)[0][0]
        return tower(features.float())

    def warm_up(self) -> None:
        """Does what the first sound would wait for: compiling, where a tower is prepared."""
        if self._prepared() is not None:
            weight = self.conformer.subsampling.linear.weight
            self.encode_window(weight.new_zeros(SUBSAMPLING, self.config.num_mel_bins))

    def open_stream(
        self,
        settings: StreamSettings | None = None,
        statistics: SessionStatistics | None = None,
    ) -> "EncoderStream":
        """Opens a stream of this encoder; `statistics` carries on those of an earlier one."""
        if statistics is None:
            statistics = SessionStatistics(self.config.num_mel_bins)
        return EncoderStream(self, settings or StreamSettings(), statistics)

    def _clips(self, waveform: Tensor | np.ndarray, sampling_rate: int) -> list[Tensor]:
        samples = as_samples(
            waveform, sampling_rate=sampling_rate, expected_rate=self.config.mel.sampling_rate
        )
        if not len(samples):
            raise ValueError("the audio is empty; the encoder needs at least one sample")
        *clips, rest = samples.split(self.clip_samples)
        missing = max(0, self.min_clip_samples - len(rest))
        return [*clips, torch.cat((rest, rest.new_zeros(missing)))]

    def _prepared(self) -> Tower | None:
        """The quicker way through the weights as they are now, where there is one."""
        if self.training:
            return None
        if self._tower is not None:
            conformer, tower = self._tower
            if conformer is self.conformer and (tower is None or tower.up_to_date):
                return tower
        tower = Tower(self.conformer) if Tower.takes(self.conformer) else None
        self._tower = self.conformer, tower
        return tower

    def _apply(self, fn: Any, recurse: bool = True) -> "ParakeetEncoder":
        """Moving the weights makes what was prepared from them void."""
        self._tower = None
        return super()._apply(fn, recurse)

    @torch.no_grad()
    def _run(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.training:
            raise RuntimeError("the encoder is in training mode; call eval() before encoding")
        weight = self.conformer.subsampling.linear.weight
        return self.conformer(features.to(weight.device, weight.dtype), lengths)


class EncoderStream:
    """One speaker's audio while it arrives. Feed, apply each update, flush, then reset for the next
    turn; however the samples are split, the flushed steps are bit by bit those of `encode`.

    A flush is exact for the audio so far and may be a guess that the turn has ended: if the speaker
    goes on, `feed` continues the same clip and the next update replaces what it has to.
    """

    def __init__(
        self, encoder: ParakeetEncoder, settings: StreamSettings, statistics: SessionStatistics
    ) -> None:
        self.settings = settings
        self.statistics = statistics
        self._encoder = encoder
        self._chunk_steps = settings.chunk_ms // STEP_MS
        self._left_steps = settings.left_ms // STEP_MS
        self._right_steps = settings.right_ms // STEP_MS
        self._start_clip(0)

    @property
    def num_steps(self) -> int:
        """Steps delivered since the last reset, drafts included."""
        return self._clip_start + self._delivered

    def feed(self, samples: Tensor | np.ndarray, *, sampling_rate: int = 16000) -> EncoderUpdate:
        """Takes the next samples, any number, and encodes if they complete a chunk or a clip.

        Args:
            samples: float32 mono [samples] within [−1, 1].
            sampling_rate: their rate in Hz.

        Raises:
            ValueError: audio of another kind (see `as_samples`); the stream is unchanged.
        """
        expected = self._encoder.config.mel.sampling_rate
        left = as_samples(samples, sampling_rate=sampling_rate, expected_rate=expected)
        start, finished = self._clip_start, []
        while len(left):
            taken = left[: self._encoder.clip_samples - self._clip.samples]
            left = left[len(taken) :]
            self._clip.feed(taken)
            self._exact = False
            if self._clip.samples == self._encoder.clip_samples:
                finished.append(self._encoder.encode_features(self._clip.flush()))
                self.statistics.learn(self._clip.flush())
                self._start_clip(self._clip_start + len(finished[-1]))
        update = self._encode_chunk()
        if not finished:
            return update
        final = torch.cat(finished)
        return EncoderUpdate(
            start_step=start,
            steps=torch.cat((final, update.steps)),
            num_final=len(final),
            num_settled=len(final) + update.num_settled,
        )

    def flush(self) -> EncoderUpdate:
        """Encodes the current clip exactly, as if it ended here; everything is final.

        A clip below 100 ms is encoded with zeros after it. Without new samples since the last
        flush, the update is empty.
        """
        if self._exact:
            return self._nothing_new()
        clip = self._clip
        if clip.samples < self._encoder.min_clip_samples:
            clip = clip.padded(self._encoder.min_clip_samples)
        steps = self._encoder.encode_features(clip.flush())
        self._exact, self._delivered = True, len(steps)
        self._encoded = self._clip.complete // SUBSAMPLING
        self._settled = max(0, self._encoded - self._right_steps)
        return EncoderUpdate(
            start_step=self._clip_start,
            steps=steps,
            num_final=len(steps),
            num_settled=self._settled,
        )

    def reset(self, *, learn: bool = True) -> None:
        """Starts the next turn at step 0. The session's statistics stay, and take in the clip at
        hand unless `learn` is false (it was no speech, say)."""
        if learn:
            self.statistics.learn(self._clip.features())
        self._start_clip(0)

    def _start_clip(self, first_step: int) -> None:
        self._clip = LogMelStream(self._encoder.config.mel)
        self._clip_start = first_step
        # Counted in steps from the clip's start: delivered, covered by the last call, settled.
        self._delivered = self._encoded = self._settled = 0
        self._exact = True

    def _encode_chunk(self) -> EncoderUpdate:
        whole = self._clip.complete // SUBSAMPLING
        if whole - self._encoded < self._chunk_steps:
            return self._nothing_new()
        start, first = self._settled, max(0, self._settled - self._left_steps)
        heard = self._clip.features()
        window = heard[first * SUBSAMPLING : whole * SUBSAMPLING]
        steps = self._encoder.encode_window(self.statistics.normalize(window, heard))
        self._delivered = self._encoded = whole
        self._settled = max(start, whole - self._right_steps)
        return EncoderUpdate(
            start_step=self._clip_start + start,
            steps=steps[start - first :],
            num_final=0,
            num_settled=self._settled - start,
        )

    def _nothing_new(self) -> EncoderUpdate:
        weight = self._encoder.conformer.subsampling.linear.weight
        none = weight.new_empty(0, self._encoder.config.hidden_size).detach()
        return EncoderUpdate(start_step=self.num_steps, steps=none, num_final=0, num_settled=0)
