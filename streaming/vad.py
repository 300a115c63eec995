"""Samples in, voiced and unvoiced windows out.

A window of 32 ms gets a probability of speech from a scorer, and is voiced or not by two
thresholds: one to begin a voiced stretch and a lower one to stay in it, so that a wavering
probability does not chop a word. Silero's network decides, through onnxruntime alone; webrtcvad
costs next to nothing, spares Silero the silence, and takes its place where onnxruntime is missing.
Alone it is no good in a noisy room, where it holds everything to be speech.
"""

import logging
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from streaming.audio import as_samples
from streaming.framing import Framer

logger = logging.getLogger(__name__)

SAMPLING_RATE = 16000
"""Hz, everywhere in this module."""

WINDOW_SAMPLES = 512
"""32 ms, which is what Silero was trained to judge at once."""

RELEASE_BELOW_THRESHOLD = 0.15
"""How far the threshold to stay voiced lies below the one to begin; Silero's own choice."""

_INT16_SCALE = 32767.0


class VadUnavailable(RuntimeError):
    """A detector's package is not installed; the message says which and how to get it."""


class Scorer(ABC):
    """Gives windows of one stream, in their order, a probability of speech."""

    @abstractmethod
    def score(self, window: np.ndarray) -> float:
        """The probability for float32 samples [WINDOW_SAMPLES] within [−1, 1]."""

    @abstractmethod
    def reset(self) -> None:
        """Forgets everything heard."""


class WebRtcScorer(Scorer):
    """Google's WebRTC detector: an energy model in six bands, some microseconds a window.

    Args:
        aggressiveness: 0 takes nearly everything for speech, 3 the least.

    Raises:
        VadUnavailable: the package webrtcvad-wheels is missing.
    """

    _FRAME_SAMPLES = 160

    def __init__(self, aggressiveness: int = 3) -> None:
        self._aggressiveness = aggressiveness
        self._remainder = np.zeros(0, np.int16)
        self.reset()

    def score(self, window: np.ndarray) -> float:
        """The share of voiced frames of 10 ms among those that the window completes."""
        pcm = (np.clip(window, -1.0, 1.0) * _INT16_SCALE).astype(np.int16)
        pending = np.concatenate((self._remainder, pcm))
        whole = len(pending) // self._FRAME_SAMPLES * self._FRAME_SAMPLES
        self._remainder = pending[whole:]
        frames = pending[:whole].reshape(-1, self._FRAME_SAMPLES)
        voiced = sum(self._vad.is_speech(frame.tobytes(), SAMPLING_RATE) for frame in frames)
        return voiced / len(frames)

    def reset(self) -> None:
        try:
            from webrtcvad import Vad
        except ImportError as error:
            raise VadUnavailable(
                "webrtcvad is not installed: pip install webrtcvad-wheels (not webrtcvad, which "
                "needs a compiler and an old setuptools)"
            ) from error
        self._vad = Vad(self._aggressiveness)
        self._remainder = np.zeros(0, np.int16)


class SileroScorer(Scorer):
    """Silero VAD 6: a small recurrent network that knows voices from noise, 0.1 ms a window.

    Source: github.com/snakers4/silero-vad (MIT). The network comes out of the package silero-vad,
    whose code is never imported; every scorer shares one loaded copy.

    Raises:
        VadUnavailable: onnxruntime or silero-vad is missing.
    """

    _CONTEXT_SAMPLES = 64  # the network also sees the end of the window before

    def __init__(self) -> None:
        self._network = _load_silero()
        self._rate = np.array(SAMPLING_RATE, np.int64)
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(self._CONTEXT_SAMPLES, np.float32)

    def score(self, window: np.ndarray) -> float:
        heard = np.concatenate((self._context, window))[None]
        self._context = window[-self._CONTEXT_SAMPLES :].copy()
        inputs = {"input": heard, "state": self._state, "sr": self._rate}
        probability, self._state = self._network.run(None, inputs)
        return float(probability[0, 0])

    def reset(self) -> None:
        self._state = np.zeros_like(self._state)
        self._context = np.zeros_like(self._context)


class GatedScorer(Scorer):
    """A costly scorer that sleeps while a cheap one is sure that nothing sounds.

    The gate closes after `_CLOSE_WINDOWS` silent windows. When it opens, the costly scorer first
    hears the windows just before, so that it wakes with the context it was trained with.
    """

    _CLOSE_WINDOWS = 16  # 0.5 s: pauses inside a sentence do not put the network to sleep
    _RECALLED_WINDOWS = 4

    def __init__(self, gate: Scorer, inner: Scorer) -> None:
        self._gate, self._inner = gate, inner
        self._silent = self._CLOSE_WINDOWS
        self._recent: deque[np.ndarray] = deque(maxlen=self._RECALLED_WINDOWS)

    def score(self, window: np.ndarray) -> float:
        was_asleep = self._silent >= self._CLOSE_WINDOWS
        self._silent = 0 if self._gate.score(window) > 0.0 else self._silent + 1
        if self._silent >= self._CLOSE_WINDOWS:
            self._recent.append(window)
            return 0.0
        if was_asleep:
            self._inner.reset()
            for recalled in self._recent:
                self._inner.score(recalled)
            self._recent.clear()
        return self._inner.score(window)

    def reset(self) -> None:
        self._gate.reset()
        self._inner.reset()
        self._silent = self._CLOSE_WINDOWS
        self._recent.clear()


def open_scorer() -> Scorer:
    """The best scorer that is installed: Silero behind webrtcvad, or one of the two alone.

    Raises:
        VadUnavailable: neither is.
    """
    try:
        silero = SileroScorer()
    except VadUnavailable as absence:
        logger.warning("webrtcvad decides alone, and will hear speech in noise: %s", absence)
        return WebRtcScorer()
    try:
        return GatedScorer(WebRtcScorer(0), silero)
    except VadUnavailable:
        return silero


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceWindow:
    """32 ms, judged."""

    start_sample: int
    """Counted from the last reset."""
    samples: np.ndarray = field(repr=False)
    """float32 [WINDOW_SAMPLES]."""
    probability: float
    is_voiced: bool


class VoiceDetector:
    """Cuts a stream into windows and judges each; any split of the input gives those of the whole.

    Args:
        scorer: by default the best that is installed.
        threshold: the probability that begins a voiced stretch, above 0 and at most 1; it may be
            changed at any time.
    """

    def __init__(self, scorer: Scorer | None = None, *, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self._scorer = scorer or open_scorer()
        self._framer = Framer(WINDOW_SAMPLES)
        self._start_over()

    @property
    def scorer(self) -> Scorer:
        """Who gives the windows their probability."""
        return self._scorer

    def feed(
        self, samples: Tensor | np.ndarray, *, sampling_rate: int = SAMPLING_RATE
    ) -> list[VoiceWindow]:
        """Takes the next samples, any number; returns the windows they complete.

        Args:
            samples: float32 mono [samples] within [−1, 1].
            sampling_rate: their rate in Hz.

        Raises:
            ValueError: audio of another kind (see `as_samples`); the detector is as it was.
        """
        checked = as_samples(samples, sampling_rate=sampling_rate, expected_rate=SAMPLING_RATE)
        return [self._judge(window) for window in self._framer.feed(checked.cpu()).numpy()]

    def reset(self) -> None:
        """Starts a new stream at sample 0."""
        self._scorer.reset()
        self._framer.reset()
        self._start_over()

    def _start_over(self) -> None:
        self._next_sample = 0
        self._is_voiced = False

    def _judge(self, window: np.ndarray[Any, Any]) -> VoiceWindow:
        probability = self._scorer.score(window)
        release = max(self.threshold - RELEASE_BELOW_THRESHOLD, 0.01)
        self._is_voiced = probability >= (release if self._is_voiced else self.threshold)
        start, self._next_sample = self._next_sample, self._next_sample + WINDOW_SAMPLES
        return VoiceWindow(
            start_sample=start,
            samples=window,
            probability=probability,
            is_voiced=self._is_voiced,
        )


@lru_cache(maxsize=1)
def _load_silero() -> Any:
    """The network as an onnxruntime session of one thread; any number of streams may run it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise VadUnavailable("Silero VAD needs onnxruntime: pip install onnxruntime") from error
    # find_spec imports nothing: silero_vad itself would import torch's audio helpers.
    found = find_spec("silero_vad")
    places = (found.submodule_search_locations if found else None) or []
    paths = [path for place in places if (path := Path(place, "data", "silero_vad.onnx")).is_file()]
    if not paths:
        raise VadUnavailable("Silero VAD's network is not installed: pip install silero-vad")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(paths[0]), sess_options=options, providers=["CPUExecutionProvider"]
    )
