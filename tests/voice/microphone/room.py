"""A room on the clock of its frames: a loudspeaker that is heard by the microphone, and a user."""

from collections import deque

import numpy as np

from streaming.vad import SAMPLING_RATE
from voice import session_events as events
from voice.engine import Engine
from voice.microphone.echo import SILENCE, EchoPath
from voice.microphone.frames import FRAME_MS, HEARD_SAMPLES, FrameResampler
from voice.microphone.pump import Pump
from voice.playback import SAMPLE_RATE_HZ
from voice.session_settings import SessionSettings


def frames_of(samples: np.ndarray) -> list[np.ndarray]:
    """16 kHz sound in frames; what fills none is left out."""
    whole = len(samples) // HEARD_SAMPLES * HEARD_SAMPLES
    return list(samples[:whole].reshape(-1, HEARD_SAMPLES))


def ringing(rng: np.random.Generator, decay_samples: int) -> np.ndarray:
    """The response of a room to a click: itself, and a tail that dies away."""
    at = np.arange(8 * decay_samples)
    response = rng.normal(0, 1, len(at)) * np.exp(-at / decay_samples)
    response[0] = 3
    return (response / np.linalg.norm(response)).astype(np.float32)


class Echo:
    """What comes of played frames: later, softer, with a room's tail and noise on top.

    Args:
        delay_ms: a multiple of 10.
        gain: of the echo.
        noise: RMS.
        decay_samples: of the room's tail; 0: none.
    """

    def __init__(
        self, delay_ms: int, gain: float, *, noise: float = 1e-3, decay_samples: int = 0
    ) -> None:
        self._rng = np.random.default_rng(0)
        self._late = deque([SILENCE] * (delay_ms // FRAME_MS))
        self._gain, self._noise = gain, noise
        response = ringing(self._rng, decay_samples) if decay_samples else np.ones(1, np.float32)
        self._response = response
        self._before = np.zeros(len(response) - 1, np.float32)

    def feed(self, played: np.ndarray) -> np.ndarray:
        """A frame played → what the microphone hears of all that was."""
        self._late.append(played)
        sound = np.concatenate((self._before, self._late.popleft()))
        self._before = sound[len(sound) - len(self._before) :]
        echo = np.convolve(sound, self._response, "valid")
        noise = self._rng.normal(0, self._noise, HEARD_SAMPLES)
        return (self._gain * echo + noise).astype(np.float32)


class Room:
    """A session between a loudspeaker and a microphone that hears it; both are `self`."""

    def __init__(self, engine: Engine, path: EchoPath, echo: Echo) -> None:
        self.events: list[events.SessionEvent] = []
        self.engine, self.path, self.echo = engine, path, echo
        self.session = engine.open_session(self.events.append, settings=SessionSettings())
        self.pump = Pump(self.session, path, self, self)
        self.played: list[np.ndarray] = []
        self._queue: deque[np.ndarray] = deque()
        self._reference = FrameResampler(SAMPLE_RATE_HZ, SAMPLING_RATE)
        self._taken = 0
        self._heard: list[np.ndarray] = []

    @property
    def waiting_frames(self) -> int:
        return len(self._queue)

    def put(self, frame: np.ndarray) -> None:
        self._queue.append(self._reference.feed(frame))

    def take_played(self) -> list[np.ndarray]:
        new, self._taken = self.played[self._taken :], len(self.played)
        return new

    def take(self) -> list[np.ndarray]:
        heard, self._heard = self._heard, []
        return heard

    def run(self, said: np.ndarray) -> None:
        """The user says something, or nothing, and time goes on as long."""
        for user in frames_of(said):
            played = self._queue.popleft() if self._queue else SILENCE
            self.played.append(played)
            self._heard.append(np.clip(user + self.echo.feed(played), -1, 1))
            self.pump.step()
            self.engine.run()

    def run_until(self, kind: type, count: int = 1, *, at_most_s: float = 8.0) -> None:
        """Time goes on in silence until so much of that kind has happened."""
        for _ in range(round(at_most_s * 1000 / FRAME_MS)):
            if len(self.of(kind)) >= count:
                return
            self.run(SILENCE)
        raise AssertionError(f"no {kind.__name__} in {at_most_s} s")

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def transcripts(self) -> list[str]:
        return [event.transcript for event in self.of(events.InputTranscriptDone)]

    def answers(self) -> list[str]:
        return [event.text for event in self.of(events.OutputTextDone)]
