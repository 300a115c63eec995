"""Samples in, decisions and the audio of the user's turns out: detector and machine together."""

from collections import deque
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from streaming import events
from streaming.events import TurnEvent, TurnInput
from streaming.turn_settings import TurnSettings
from streaming.turn_table import Assistant, User
from streaming.turns import TurnMachine
from streaming.vad import SAMPLING_RATE, WINDOW_SAMPLES, VoiceDetector, VoiceWindow


class TurnStream:
    """One session's ear for who has the floor. Feed it the microphone and tell it what the reply is
    doing; act on what each call returns, in its order.

    Windows of 32 ms pass one by one, so the split of the input changes nothing, and what is told
    counts from the end of the last whole window. The audio of a turn comes as `SpeechAudio`, from
    the pre-roll to the pause that ends it, without gaps; the silence after a pause is kept back and
    follows if the user goes on.

    Args:
        settings: when turns begin and end.
        detector: by default one with the best scorer that is installed. The stream owns it and sets
            its threshold.
    """

    def __init__(
        self, settings: TurnSettings | None = None, detector: VoiceDetector | None = None
    ) -> None:
        self._machine = TurnMachine(settings)
        self._detector = detector or VoiceDetector()
        self._detector.threshold = self.settings.threshold
        self._kept: deque[VoiceWindow] = deque()
        self._open_turn: int | None = None
        self._delivered = 0

    @property
    def settings(self) -> TurnSettings:
        """The settings in force; see `configure`."""
        return self._machine.settings

    @property
    def user(self) -> User:
        """The user's side."""
        return self._machine.user

    @property
    def assistant(self) -> Assistant:
        """The assistant's side."""
        return self._machine.assistant

    @property
    def now(self) -> int:
        """Samples judged so far."""
        return self._machine.now

    def feed(
        self, samples: Tensor | np.ndarray, *, sampling_rate: int = SAMPLING_RATE
    ) -> list[TurnEvent]:
        """Takes the next samples of the microphone, any number, silence included.

        Args:
            samples: float32 mono [samples] within [−1, 1].
            sampling_rate: their rate in Hz.

        Raises:
            ValueError: audio of another kind (see `as_samples`); the stream is as it was.
        """
        decisions: list[TurnEvent] = []
        for window in self._detector.feed(samples, sampling_rate=sampling_rate):
            self._kept.append(window)
            heard = self._machine.hear(len(window.samples), window.is_voiced)
            decisions += self._with_audio(heard)
            self._forget()
        return decisions

    def handle(self, told: TurnInput) -> list[TurnEvent]:
        """Takes in what the session tells; see `TurnMachine.handle`."""
        return list(self._with_audio(self._machine.handle(told)))

    def configure(self, settings: TurnSettings) -> list[TurnEvent]:
        """Goes on with other settings, in mid-turn too; see `TurnMachine.configure`."""
        self._detector.threshold = settings.threshold
        return list(self._with_audio(self._machine.configure(settings)))

    def audio_since(self, start: int) -> np.ndarray:
        """Audio that no turn has delivered yet, to judge an interjection by: float32 [samples] from
        the sample `start` to `now`.

        Raises:
            ValueError: it is not kept any more.
        """
        kept_from = self._kept[0].start_sample if self._kept else self.now
        if not kept_from <= start <= self.now:
            raise ValueError(f"sample {start} is not kept; there are {kept_from} to {self.now}")
        return self._cut(start, self.now)

    def _with_audio(self, decisions: list[TurnEvent]) -> Iterator[TurnEvent]:
        """The decisions, and the audio where it belongs among them."""
        for decision in decisions:
            match decision:
                case events.SpeechPaused(at=end) | events.EndpointReached(end=end):
                    yield from self._deliver(end)
            yield decision
            match decision:
                case events.SpeechStarted(turn=turn, start=start):
                    self._open_turn, self._delivered = turn, start
                case events.EndpointWithdrawn(turn=turn):
                    self._open_turn = turn
                case events.EndpointReached() | events.TurnDiscarded():
                    self._open_turn = None
        yield from self._deliver(self._machine.delivers_to)

    def _deliver(self, end: int) -> Iterator[TurnEvent]:
        if self._open_turn is not None and end > self._delivered:
            start, self._delivered = self._delivered, end
            samples = self._cut(start, end)
            yield events.SpeechAudio(turn=self._open_turn, start=start, samples=samples)

    def _cut(self, start: int, end: int) -> np.ndarray:
        pieces = []
        for window in self._kept:
            first = max(start - window.start_sample, 0)
            pieces.append(window.samples[first : max(end - window.start_sample, 0)])
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _forget(self) -> None:
        needed = self._machine.needs_from
        while self._kept and self._kept[0].start_sample + WINDOW_SAMPLES <= needed:
            self._kept.popleft()
