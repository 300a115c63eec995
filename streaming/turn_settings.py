"""When a turn begins, pauses, ends and is interrupted: all thresholds of turn-taking.

Silence counts from the end of the last voiced window, voice is the sum of voiced windows. Decisions
are made on the sample they are due, and reach the caller with the window of 32 ms that holds it, so
durations that are multiples of 32 ms lose nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

SAMPLES_PER_MS = 16


class TurnMode(Enum):
    """Who decides that the user's turn is over."""

    SEMANTIC = "semantic"
    """Silence and the probability that what was said is complete."""
    SILENCE = "silence"
    """Silence alone, always equally long."""
    MANUAL = "manual"
    """The client: all audio between two commits is a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """The dials of `TurnMachine`. Probabilities lie in [0, 1].

    Raises:
        ValueError: a value out of range, or durations in an order that makes no sense.
    """

    mode: TurnMode = TurnMode.SEMANTIC

    threshold: float = 0.5
    """Probability of speech that begins a voiced stretch."""
    prefix_padding_ms: int = 300
    """Audio before the first voiced window that belongs to the turn, so that no word's start is
    cut."""
    min_speech_ms: int = 64
    """Voice that begins a turn, or goes on with it after a pause; less is a click."""
    first_pause_ms: int = 64
    """Silence that ends an utterance: what was said is encoded exactly and a reply is drafted."""

    finished_silence_ms: int = 192
    """Silence that ends a turn that sounds finished."""
    silence_ms: int = 512
    """Silence that ends a turn of which nobody knows whether it is finished."""
    unfinished_silence_ms: int = 4000
    """Silence that ends a turn however unfinished it sounds."""
    finished_probability: float = 0.5
    """A turn is finished from this probability on."""
    unfinished_probability: float = 0.2
    """A turn is unfinished below this probability."""
    short_speech_ms: int = 800
    """A turn with less voice than this is short ("yes", "six"): detectors often take it for
    unfinished."""
    short_silence_ms: int = 640
    """Silence that ends a short turn, whatever its probability."""
    withdraw_ms: int = 1500
    """How long after an endpoint the user may go on with the same turn, unless the reply has been
    heard or has called a tool; 0: never."""
    max_turn_ms: int = 300_000
    """Where a turn ends though nobody paused: a VAD that hears speech in noise must not hang."""

    hold_ms: int = 192
    """Voice that holds the reply's playback, or takes back an endpoint; a cough is shorter."""
    barge_in_ms: int = 512
    """Voice that takes the floor from the assistant."""
    floor_probability: float = 0.5
    """An interjection takes the floor from this probability on, however short ("stop")."""
    false_interruption_ms: int = 320
    """Silence after an interjection that took no floor, until the reply goes on."""

    speculate: bool = True
    """Whether a reply is decoded ahead at the first pause; without, it begins at the endpoint."""
    create_response: bool = True
    """Whether an endpoint is answered unasked."""
    interrupt_response: bool = True
    """Whether speech can hold or end a reply."""
    filler_ms: int = 1200
    """How long a tool may run in silence before the wait deserves a word."""
    idle_timeout_ms: int | None = None
    """Silence of both sides after a reply that deserves another word; None: never."""

    def __post_init__(self) -> None:
        for name in ("threshold", "finished_probability", "unfinished_probability"):
            _require_probability(name, getattr(self, name))
        _require_probability("floor_probability", self.floor_probability)
        if self.threshold == 0.0:
            raise ValueError("threshold=0 would hear speech in everything; the usual value is 0.5")
        for each in fields(self):
            if each.name.endswith("_ms"):
                _require_duration(each.name, getattr(self, each.name))
        if self.unfinished_probability > self.finished_probability:
            raise ValueError(
                f"unfinished_probability={self.unfinished_probability} must not exceed "
                f"finished_probability={self.finished_probability}"
            )
        ordered = (
            ("first_pause_ms", "finished_silence_ms"),
            ("first_pause_ms", "silence_ms"),
            ("first_pause_ms", "unfinished_silence_ms"),
            ("first_pause_ms", "short_silence_ms"),
            ("first_pause_ms", "false_interruption_ms"),
            ("min_speech_ms", "hold_ms"),
            ("hold_ms", "barge_in_ms"),
        )
        for shorter, longer in ordered:
            if getattr(self, shorter) > getattr(self, longer):
                raise ValueError(
                    f"{longer}={getattr(self, longer)} must be at least "
                    f"{shorter}={getattr(self, shorter)}"
                )

    @classmethod
    def from_turn_detection(cls, turn_detection: Mapping[str, Any] | None) -> "TurnSettings":
        """Settings for the `turn_detection` of a session of OpenAI's Realtime API (GA).

        `None` is MANUAL. `server_vad` is SILENCE, with `threshold`, `prefix_padding_ms` and
        `idle_timeout_ms` under their own names and `silence_duration_ms` as `silence_ms`.
        `semantic_vad` is SEMANTIC; its `eagerness` sets how long an unfinished turn waits (low 8 s,
        medium and auto 4 s, high 2 s, as OpenAI's guide has it) and from which probability one is
        finished (0.7, 0.5, 0.3). `create_response` and `interrupt_response` go with both. What is
        absent or null has its default; keys of later versions of the API are ignored.

        Raises:
            ValueError: a value that the API does not allow; the message names its key.
        """
        if turn_detection is None:
            return cls(mode=TurnMode.MANUAL, create_response=False, interrupt_response=False)
        if not isinstance(turn_detection, Mapping):
            raise ValueError(
                f"turn_detection must be an object or null, got {type(turn_detection).__name__}"
            )
        given = {key: value for key, value in turn_detection.items() if value is not None}
        kind = given.get("type")
        values = {key: _boolean(key, given[key]) for key in _FLAGS if key in given}
        if kind == "server_vad":
            return cls(mode=TurnMode.SILENCE, **_server_vad(given), **values)
        if kind == "semantic_vad":
            return cls(mode=TurnMode.SEMANTIC, **_semantic_vad(given), **values)
        raise ValueError(
            f"turn_detection.type={kind!r} must be 'server_vad' or 'semantic_vad'; for manual "
            "turns turn_detection is null"
        )

    def endpoint_silence_ms(self, probability: float | None, voice_ms: float) -> int:
        """The silence that ends a turn.

        Args:
            probability: that the turn is over, judged in this pause; None while nobody has.
            voice_ms: how much voice the turn has had.
        """
        if self.mode is TurnMode.SILENCE:
            return self.silence_ms
        wait_ms = self.silence_ms
        if probability is not None and probability >= self.finished_probability:
            wait_ms = self.finished_silence_ms
        elif probability is not None and probability < self.unfinished_probability:
            wait_ms = self.unfinished_silence_ms
        if voice_ms < self.short_speech_ms:
            wait_ms = min(wait_ms, self.short_silence_ms)
        return wait_ms


_FLAGS = ("create_response", "interrupt_response")

_EAGERNESS: dict[str, dict[str, Any]] = {
    "low": {"unfinished_silence_ms": 8000, "finished_probability": 0.7},
    "medium": {"unfinished_silence_ms": 4000, "finished_probability": 0.5},
    "high": {"unfinished_silence_ms": 2000, "finished_probability": 0.3},
    "auto": {"unfinished_silence_ms": 4000, "finished_probability": 0.5},
}

_IDLE_TIMEOUT_MS = (5000, 30000)


def _server_vad(given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"silence_ms": 500}
    if "threshold" in given:
        threshold = given["threshold"]
        _require_probability("turn_detection.threshold", threshold)
        # Zero is allowed there, and would hear speech in everything.
        values["threshold"] = max(float(threshold), 0.01)
    for key, name in _DURATIONS.items():
        if key in given:
            _require_duration(f"turn_detection.{key}", given[key])
            values[name] = given[key]
    least, most = _IDLE_TIMEOUT_MS
    if not least <= values.get("idle_timeout_ms", least) <= most:
        raise ValueError(
            f"turn_detection.idle_timeout_ms={values['idle_timeout_ms']} must be from {least} to "
            f"{most}, or null"
        )
    # Whoever asks for less silence than our first pause gets a first pause that fits.
    first_pause_ms = TurnSettings.__dataclass_fields__["first_pause_ms"].default
    values["first_pause_ms"] = max(1, min(first_pause_ms, values["silence_ms"]))
    values["silence_ms"] = max(1, values["silence_ms"])
    return values


def _semantic_vad(given: Mapping[str, Any]) -> dict[str, Any]:
    eagerness = given.get("eagerness", "auto")
    if not isinstance(eagerness, str) or eagerness not in _EAGERNESS:
        raise ValueError(
            f"turn_detection.eagerness={eagerness!r} must be one of {', '.join(_EAGERNESS)}"
        )
    return _EAGERNESS[eagerness]


_DURATIONS = {
    "prefix_padding_ms": "prefix_padding_ms",
    "silence_duration_ms": "silence_ms",
    "idle_timeout_ms": "idle_timeout_ms",
}


def _boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"turn_detection.{key}={value!r} must be true or false")
    return value


def _require_probability(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}={value!r} must be a probability from 0 to 1")


def _require_duration(name: str, value: object) -> None:
    if value is None and name == "idle_timeout_ms":
        return
    field_name = name.removeprefix("turn_detection.")
    least = 0 if field_name in _MAY_BE_ZERO else 1
    most = _LONGEST_MS.get(field_name, 3_600_000)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}={value!r} must be a whole number of ms from {least} to {most}")


_MAY_BE_ZERO = ("prefix_padding_ms", "withdraw_ms", "silence_duration_ms")

_LONGEST_MS = {"prefix_padding_ms": 5000, "withdraw_ms": 30_000}
"""What makes a stream keep audio, for whoever sets it."""
