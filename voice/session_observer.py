"""Looking on at a session: all that comes in from outside, and all that comes of it.

A session's time is the samples it hears, and the threads that work for it answer through reports
on the event loop. So what comes in, in its order, settles everything else. `voice.recording` writes
both down, and `voice.replay` shows that the one still leads to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from streaming.events import TurnEvent, TurnInput
from voice.session_events import SessionEvent
from voice.session_settings import SessionSettings
from voice.tools import Tool

# --- In -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """Sound of the microphone: float32 mono 16 kHz [samples]."""

    samples: np.ndarray = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """Sound that was read, and so counts as heard by the user: float32 mono [samples] at
    `voice.playback.SAMPLE_RATE_HZ`."""

    samples: np.ndarray = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """A call of one of the client's methods: see `voice.client_wishes`, and `close`."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """What a thread, a tool, a timer or the playback reports; calling it delivers it.

    Attributes:
        source: what it comes of, such as `reply-3`: the third reply that was ordered.
        facts: what it says, as JSON has it.
        call: what is done about it.
        deliver: how it reaches its session, on the event loop's thread.
    """

    source: str
    facts: Mapping[str, Any]
    call: Callable[[], None] = field(repr=False)
    deliver: Callable[[Report], None] = field(repr=False)

    def __call__(self) -> None:
        self.deliver(self)


Input = Heard | Played | Wished | Report

# --- Out ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A wish that cannot be met; see `voice.session_events.SessionError`."""

    code: str


Happening = TurnEvent | TurnInput | SessionEvent | Refused
"""A decision, what it is based on, what the transport is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a session was opened.

    Attributes:
        seed: of ids and of replies by chance.
        is_pushed: whether sound goes out in events.
        judge, scorer: classes that judge the end of turns, and voice.
    """

    session_id: str
    seed: int
    settings: SessionSettings
    is_pushed: bool
    tools: Sequence[Tool]
    judge: str
    scorer: str


class SessionObserver(Protocol):
    """Called on the event loop's thread, in the order in which things are. It must not block, and
    what it raises ends the session."""

    def began(self, beginning: Beginning) -> None:
        """The session is open."""

    def entered(self, what: Input, *, is_nested: bool) -> None:
        """Something comes in; what comes of it follows.

        Args:
            what: it.
            is_nested: whether it only follows from the last that came in, as the silence does that
                fills the last window of a turn.
        """

    def happened(self, at: int, what: Happening) -> None:
        """Something has come of it, at a sample of the microphone."""
