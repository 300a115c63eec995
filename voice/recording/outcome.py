"""What a replay shows: that it equals its recording, or where it first does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streaming.vad import SAMPLING_RATE
from voice.recording.codec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a replay first goes another way.

    Attributes:
        name: of what differs: a decision, an event, a report's source.
        at: the sample of the microphone, 16 kHz.
        recorded, replayed: what each of the two has there; None: nothing.
    """

    name: str
    at: int
    recorded: Json | None
    replayed: Json | None

    def __str__(self) -> str:
        where = f"at {self.at / SAMPLING_RATE:.3f} s"
        if self.recorded is None:
            return f"{self.name} {where} is new: the recording has nothing there"
        if self.replayed is None:
            return f"{self.name} {where} is missing: the replay has nothing there"
        theirs, ours = _told_apart(self.recorded, self.replayed)
        return f"{self.name} {where}: the recording has {theirs}, the replay {ours}"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a replay has shown.

    Attributes:
        compared: how many of each kind were equal, up to the first difference.
        tokens: of replies, among them.
        seconds: of the microphone.
        difference: the first; None: the replay equals the recording.
    """

    compared: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    seconds: float = 0.0
    difference: Difference | None = None


def _told_apart(recorded: Json, replayed: Json) -> tuple[str, str]:
    """Both, as short as they can be told apart."""
    if recorded.get("is") != replayed.get("is"):
        return str(recorded.get("is")), str(replayed.get("is"))
    keys = [key for key in {**recorded, **replayed} if recorded.get(key) != replayed.get(key)]
    return (
        ", ".join(f"{key}={recorded.get(key)!r}"[:200] for key in keys),
        ", ".join(f"{key}={replayed.get(key)!r}"[:200] for key in keys),
    )
