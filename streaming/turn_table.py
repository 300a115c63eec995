"""Who has the floor: the states of user and assistant, and the one table that changes them.

`TurnMachine` finds out what happens, a `Trigger`, and when; what becomes of it stands here alone. A
trigger without a row for the present pair of states has no effect. docs/turn-taking.md shows the
table as a page, and a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from streaming.events import (
    BargeIn,
    DraftDropped,
    DraftPromoted,
    EndpointReached,
    EndpointWithdrawn,
    InterjectionDiscarded,
    InterjectionEnded,
    InterjectionStarted,
    PlaybackHeld,
    PlaybackResumed,
    ReplyCancelled,
    ReplyDrafted,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TurnDiscarded,
    TurnEvent,
)


class User(Enum):
    """The user's side."""

    SILENT = "silent"
    STARTING = "starting"
    """There is voice, but not yet enough of it to be speech."""
    SPEAKING = "speaking"
    """The user's turn; silence shorter than a pause is part of it."""
    PAUSED = "paused"
    """A pause in the user's turn, which may turn out to be its end."""
    RESUMING = "resuming"
    """Voice in a pause, but not yet enough of it to go on."""
    INTERJECTING = "interjecting"
    """Speech while the assistant has the floor."""
    INTERJECTED = "interjected"
    """Such speech has ended, and whether it takes the floor is open."""


class Assistant(Enum):
    """The assistant's side."""

    IDLE = "idle"
    DRAFTING = "drafting"
    """A reply is being decoded ahead and held: it may still turn out to be void."""
    THINKING = "thinking"
    """The reply stands, but nothing of it has been heard."""
    SPEAKING = "speaking"
    """The reply is being heard."""
    HELD = "held"
    """Playback is held at a sample, until it is clear who has the floor."""


class Trigger(Enum):
    """What can happen."""

    VOICE = "a voiced sample"
    SPEECH = "voice of `min_speech_ms`"
    GOING_ON = "voice of `hold_ms` within `withdraw_ms` of an endpoint"
    INTERJECTION = "voice of `hold_ms` while the assistant has the floor"
    FLOOR = "voice of `barge_in_ms`, or a high `FloorProbability`"
    PAUSE = "silence of `first_pause_ms`"
    ANSWERABLE_PAUSE = "the same where an endpoint will be answered, and replies are drafted ahead"
    NO_FLOOR = "silence of `false_interruption_ms`, or a low `FloorProbability`"
    ENDPOINT = "silence enough for an endpoint, or `max_turn_ms`"
    UNANSWERED_END = "the same where nothing answers unasked, or `CommitTurn`"
    OPEN = "a sample in manual mode"
    CLEAR = "`ClearTurn`, another mode, or `max_turn_ms` in manual mode"
    PLAYBACK = "`PlaybackStarted`"
    REPLY_END = "`ReplyEnded`"
    REQUEST = "`RequestReply`"
    CANCEL = "`CancelReply`"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trigger leads to: the next pair of states, and the events in their order."""

    user: User
    assistant: Assistant
    events: tuple[type[TurnEvent], ...] = ()


Pair = tuple[User, Assistant]

IN_TURN = (User.SPEAKING, User.PAUSED, User.RESUMING)
"""The user has the floor, or has not yet given it up."""
IN_PAUSE = (User.PAUSED, User.RESUMING)

_ACTIVE = (Assistant.THINKING, Assistant.SPEAKING)
_UNHELD = (Assistant.IDLE, *_ACTIVE)
_QUIET = (User.SILENT, User.STARTING)
_INTERJECTION = (User.INTERJECTING, User.INTERJECTED)
_YIELDING = (Assistant.THINKING, Assistant.HELD)

POSSIBLE_PAIRS: frozenset[Pair] = frozenset(
    [(user, assistant) for user in (*_QUIET, *IN_TURN) for assistant in _UNHELD]
    + [(user, Assistant.DRAFTING) for user in IN_PAUSE]
    + [(user, assistant) for user in _INTERJECTION for assistant in _YIELDING]
)
"""Drafts exist in pauses only; playback is held during interjections only, and never goes on
meanwhile."""


Table = Mapping[tuple[User, Assistant, Trigger], Outcome]


def _build_table() -> Table:
    u, a, t = User, Assistant, Trigger
    table: dict[tuple[User, Assistant, Trigger], Outcome] = {}

    def row(
        user: User, assistant: Assistant, trigger: Trigger, to: Pair, *decisions: type[TurnEvent]
    ) -> None:
        assert (user, assistant, trigger) not in table, (user, assistant, trigger)
        table[user, assistant, trigger] = Outcome(*to, decisions)

    # A turn, from its first voiced sample to its endpoint.
    for them in _UNHELD:
        row(u.SILENT, them, t.VOICE, (u.STARTING, them))
        row(u.STARTING, them, t.PAUSE, (u.SILENT, them))
        row(u.STARTING, them, t.CLEAR, (u.SILENT, them))
        row(u.STARTING, them, t.SPEECH, (u.SPEAKING, them), SpeechStarted)
        row(u.SILENT, them, t.OPEN, (u.SPEAKING, them), SpeechStarted)
        row(u.SPEAKING, them, t.PAUSE, (u.PAUSED, them), SpeechPaused)
        row(u.RESUMING, them, t.SPEECH, (u.SPEAKING, them), SpeechResumed)
    drafting = (u.PAUSED, a.DRAFTING)
    row(u.SPEAKING, a.IDLE, t.ANSWERABLE_PAUSE, drafting, SpeechPaused, ReplyDrafted)
    row(u.RESUMING, a.DRAFTING, t.SPEECH, (u.SPEAKING, a.IDLE), DraftDropped, SpeechResumed)
    for them in (*_UNHELD, a.DRAFTING):
        row(u.PAUSED, them, t.VOICE, (u.RESUMING, them))
        row(u.RESUMING, them, t.PAUSE, (u.PAUSED, them))
    answered = (u.SILENT, a.THINKING)
    for me in IN_PAUSE:
        row(me, a.DRAFTING, t.ENDPOINT, answered, EndpointReached, DraftPromoted)
        row(me, a.DRAFTING, t.UNANSWERED_END, (u.SILENT, a.IDLE), DraftDropped, EndpointReached)
        row(me, a.DRAFTING, t.CLEAR, (u.SILENT, a.IDLE), DraftDropped, TurnDiscarded)
    for me in IN_TURN:
        row(me, a.IDLE, t.ENDPOINT, answered, EndpointReached, ReplyDrafted, DraftPromoted)
        for them in _ACTIVE:
            row(me, them, t.ENDPOINT, (u.SILENT, them), EndpointReached)
        for them in _UNHELD:
            row(me, them, t.UNANSWERED_END, (u.SILENT, them), EndpointReached)
            row(me, them, t.CLEAR, (u.SILENT, them), TurnDiscarded)
    row(u.STARTING, a.THINKING, t.GOING_ON, (u.SPEAKING, a.IDLE), EndpointWithdrawn)

    # An interjection, until somebody has the floor.
    begun = (u.INTERJECTING, a.THINKING)
    row(u.STARTING, a.THINKING, t.INTERJECTION, begun, InterjectionStarted)
    begun = (u.INTERJECTING, a.HELD)
    row(u.STARTING, a.SPEAKING, t.INTERJECTION, begun, InterjectionStarted, PlaybackHeld)
    for them in _YIELDING:
        row(u.INTERJECTING, them, t.PAUSE, (u.INTERJECTED, them), InterjectionEnded)
        row(u.INTERJECTED, them, t.VOICE, (u.INTERJECTING, them))
        for me in _INTERJECTION:
            row(me, them, t.FLOOR, (u.SPEAKING, a.IDLE), BargeIn, SpeechStarted)
            row(me, them, t.REPLY_END, (u.SPEAKING, a.IDLE), SpeechStarted)
            row(me, them, t.CANCEL, (u.SPEAKING, a.IDLE), ReplyCancelled, SpeechStarted)
    goes_on = (u.SILENT, a.SPEAKING)
    row(u.INTERJECTED, a.THINKING, t.NO_FLOOR, answered, InterjectionDiscarded)
    row(u.INTERJECTED, a.HELD, t.NO_FLOOR, goes_on, InterjectionDiscarded, PlaybackResumed)
    for me in _INTERJECTION:
        row(me, a.THINKING, t.CLEAR, answered, InterjectionDiscarded)
        row(me, a.HELD, t.CLEAR, goes_on, InterjectionDiscarded, PlaybackResumed)
        row(me, a.THINKING, t.PLAYBACK, (me, a.HELD), PlaybackHeld)

    # A reply, from its request to its end.
    for me in (*_QUIET, *IN_TURN):
        row(me, a.IDLE, t.REQUEST, (me, a.THINKING), ReplyDrafted, DraftPromoted)
        row(me, a.THINKING, t.PLAYBACK, (me, a.SPEAKING))
        for them in _ACTIVE:
            row(me, them, t.REPLY_END, (me, a.IDLE))
            row(me, them, t.CANCEL, (me, a.IDLE), ReplyCancelled)
    for me in IN_PAUSE:
        anew = (DraftDropped, ReplyDrafted, DraftPromoted)
        row(me, a.DRAFTING, t.REQUEST, (me, a.THINKING), *anew)
        row(me, a.DRAFTING, t.REPLY_END, (me, a.IDLE), DraftDropped)
    return MappingProxyType(table)


TABLE = _build_table()
"""By user, assistant and trigger."""
