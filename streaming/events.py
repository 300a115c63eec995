"""What goes into turn-taking besides sound, and what comes out of it.

Positions are samples at 16 kHz since the session began. Turns and replies are numbered from 1 in
the order in which they begin; something said of a reply that is gone has no effect, so a late
message between threads does no harm.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

# --- In: what the session tells ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEndProbability:
    """How probable it is that the turn is over, judged on what was said before a pause."""

    pause: int
    """`SpeechPaused.at`; for another pause than the current one it is ignored. The last word
    counts."""
    probability: float

    def __post_init__(self) -> None:
        _require_probability(self.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorProbability:
    """How probable it is that an interjection wants the floor; low for "mm-hm" and for noise.

    A high one takes the floor at any time, a low one gives it back once the interjection has ended.
    """

    interjection: int
    """`InterjectionStarted.at`; for another than the current one it is ignored."""
    probability: float

    def __post_init__(self) -> None:
        _require_probability(self.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted:
    """The first sample of a reply is being heard: its endpoint stands from now on."""

    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyEnded:
    """A reply has been heard to its end, or has failed: a draft that fails is dropped."""

    reply: int
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A reply waits for a tool, whose effects cannot be taken back: its endpoint stands."""

    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded:
    """The tool has returned or failed; the reply goes on either way."""

    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTurn:
    """The client ends the user's turn (`input_audio_buffer.commit`); nothing answers unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTurn:
    """The client drops what was said (`input_audio_buffer.clear`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReply:
    """The client wants a reply (`response.create`), whoever has the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReply:
    """The client stops the reply (`response.cancel`, a stop button)."""


TurnInput = (
    TurnEndProbability
    | FloorProbability
    | PlaybackStarted
    | ReplyEnded
    | ToolStarted
    | ToolEnded
    | CommitTurn
    | ClearTurn
    | RequestReply
    | CancelReply
)


# --- Out: what turn-taking decides ----------------------------------------------------------------


class EndReason(Enum):
    """Why a turn has ended."""

    SILENCE = "silence"
    COMMIT = "commit"
    LIMIT = "limit"
    """It was `max_turn_ms` long."""


class DiscardReason(Enum):
    """Why what was said leads to nothing."""

    CLEARED = "cleared"
    LIMIT = "limit"
    """A manual turn was `max_turn_ms` long."""
    RECONFIGURED = "reconfigured"
    """The settings changed between manual and detected turns."""
    FALSE_INTERRUPTION = "false_interruption"
    """An interjection was too short to be a turn, and nobody judged it."""
    BACKCHANNEL = "backchannel"
    """An interjection was judged not to want the floor."""


class RefusalReason(Enum):
    """Why a client's wish cannot be met; the state is as it was."""

    NOTHING_TO_COMMIT = "nothing_to_commit"
    REPLY_IS_ACTIVE = "reply_is_active"
    NO_REPLY = "no_reply"
    """There is nothing to cancel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The user has the floor. Audio of the turn follows, from `start` on."""

    at: int
    turn: int
    start: int
    """The first voiced sample less the pre-roll, but never before the end of the last turn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechAudio:
    """The next samples of the turn: within a turn they join without gaps."""

    turn: int
    start: int
    samples: np.ndarray = field(repr=False)
    """float32 [samples]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    """A pause. All audio before `at` has been delivered, and none after it will be unless the user
    goes on: what is encoded now is the turn if it ends here."""

    at: int
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechResumed:
    """The user goes on; the audio since the pause follows."""

    at: int
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDrafted:
    """Decode a reply ahead on a fork, and hold it: it must have no effect outside."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDropped:
    """The draft is void."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPromoted:
    """The draft is the reply: it may speak, and its tools may run."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReached:
    """The user's turn is over. Provisional until the reply is first heard, or has begun to act."""

    at: int
    turn: int
    start: int
    end: int
    """One past the last sample of the turn."""
    reason: EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWithdrawn:
    """The user goes on before anything was heard: the reply is void, the turn goes on, and the
    audio since its last pause follows."""

    at: int
    turn: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDiscarded:
    """The user's turn leads to nothing: roll back to its start."""

    at: int
    turn: int
    reason: DiscardReason


@dataclass(frozen=True, slots=True, kw_only=True)
class InterjectionStarted:
    """The user speaks while the assistant has the floor; whose it will be is open."""

    at: int
    start: int
    """The first voiced sample less the pre-roll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterjectionEnded:
    """Silence again. A `FloorProbability` now decides at once, else time will."""

    at: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterjectionDiscarded:
    """The interjection took no floor."""

    at: int
    start: int
    reason: DiscardReason


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackHeld:
    """Fade out, and remember the sample."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackResumed:
    """Go on from the very sample where playback was held."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeIn:
    """The user takes the floor: the reply ends where it was held, and only what was heard stays in
    the history. The user's turn follows."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCancelled:
    """The client has stopped the reply; only what was heard stays in the history."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillerDue:
    """A tool takes long and nothing is heard: say that it takes a moment. Once for each wait."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleTimedOut:
    """Nobody has said anything since the last reply."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A client's wish cannot be met."""

    at: int
    reason: RefusalReason


TurnEvent = (
    SpeechStarted
    | SpeechAudio
    | SpeechPaused
    | SpeechResumed
    | ReplyDrafted
    | DraftDropped
    | DraftPromoted
    | EndpointReached
    | EndpointWithdrawn
    | TurnDiscarded
    | InterjectionStarted
    | InterjectionEnded
    | InterjectionDiscarded
    | PlaybackHeld
    | PlaybackResumed
    | BargeIn
    | ReplyCancelled
    | FillerDue
    | IdleTimedOut
    | Refused
)


def _require_probability(value: float) -> None:
    if not 0.0 <= value <= 1.0:  # false for NaN, too
        raise ValueError(f"probability={value!r} must lie in [0, 1]")
