"""Turn-taking: every scenario in `turns/`, and the laws that hold for all of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import events, turns
from streaming.events import TurnEvent, TurnInput
from streaming.turn_settings import TurnMode, TurnSettings
from streaming.turn_table import POSSIBLE_PAIRS, TABLE, Assistant, User
from streaming.turns import TurnMachine
from tests.streaming import scenarios
from tests.streaming.scenarios import Scenario

SCENARIOS = scenarios.read_all()
SPLITS = {"whole": (), "windows": (512,), "frames": (320,), "oddly": (1, 37, 0, 911)}


def test_scenarios_are_many() -> None:
    assert len(SCENARIOS) >= 40


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_is_decided_as_written(name: str, split: str) -> None:
    scenario: Scenario = SCENARIOS[name]
    machine = TurnMachine(scenario.settings)
    for step in scenario.steps:
        pieces = cycle(SPLITS[split]) if SPLITS[split] else ()
        decisions = scenarios.take(machine, step.line, pieces)
        assert [scenarios.write(each) for each in decisions] == step.expected, step.line
        for states in step.states:
            assert f"{machine.user.value} {machine.assistant.value}" == states, step.line


# --- Laws -----------------------------------------------------------------------------------------

SETTINGS = (
    TurnSettings(max_turn_ms=3000, unfinished_silence_ms=1500, idle_timeout_ms=2000),
    TurnSettings(interrupt_response=False, max_turn_ms=2000, unfinished_silence_ms=900),
    TurnSettings(create_response=False, max_turn_ms=2000, withdraw_ms=0),
    TurnSettings(mode=TurnMode.SILENCE, silence_ms=300, prefix_padding_ms=1000),
    TurnSettings(mode=TurnMode.MANUAL, max_turn_ms=2500),
)

PATIENCE_SAMPLES = 16 * 8000
"""More than any of these settings waits for anything."""


@dataclass(frozen=True)
class Hear:
    samples: int
    voiced: bool


@dataclass(frozen=True)
class Tell:
    """An input by name; what it is about is whatever came last."""

    kind: str
    value: float = 0.0


Act = Hear | Tell | TurnSettings

STRETCHES = [1, 500, 1040, 1600, 3100, 4000, 5200, 8200, 16_000, 40_000]
"""Samples; around every threshold of the settings."""

ACTS: list[Act] = [
    *(Hear(samples, voiced) for samples in STRETCHES for voiced in (True, False)),
    *(Tell("TurnEndProbability", value) for value in (0.0, 0.3, 0.9)),
    *(Tell("FloorProbability", value) for value in (0.1, 0.9)),
    *map(Tell, ["PlaybackStarted", "PlaybackStarted", "ReplyEnded", "ToolStarted", "ToolEnded"]),
    *map(Tell, ["CommitTurn", "ClearTurn", "RequestReply", "CancelReply"]),
]

TURN = [Hear(16_000, True), Hear(8200, False)]
SPOKEN = [*TURN, Tell("PlaybackStarted")]
PAUSE = [Hear(16_000, True), Hear(3100, False)]

WAYS: dict[tuple[User, Assistant], list[Act]] = {
    (User.SILENT, Assistant.IDLE): [],
    (User.SILENT, Assistant.THINKING): TURN,
    (User.SILENT, Assistant.SPEAKING): SPOKEN,
    (User.STARTING, Assistant.IDLE): [Hear(500, True)],
    (User.STARTING, Assistant.THINKING): [*TURN, Hear(500, True)],
    (User.STARTING, Assistant.SPEAKING): [*SPOKEN, Hear(500, True)],
    (User.SPEAKING, Assistant.IDLE): [Hear(16_000, True)],
    (User.SPEAKING, Assistant.THINKING): [Hear(16_000, True), Tell("RequestReply")],
    (User.SPEAKING, Assistant.SPEAKING): [
        *(Hear(16_000, True), Tell("RequestReply"), Tell("PlaybackStarted"))
    ],
    (User.INTERJECTING, Assistant.THINKING): [*TURN, Hear(40_000, False), Hear(4000, True)],
    (User.INTERJECTING, Assistant.HELD): [*SPOKEN, Hear(4000, True)],
    (User.INTERJECTED, Assistant.THINKING): [
        *(*TURN, Hear(40_000, False), Hear(4000, True), Hear(3100, False))
    ],
    (User.INTERJECTED, Assistant.HELD): [*SPOKEN, Hear(4000, True), Hear(3100, False)],
    (User.PAUSED, Assistant.DRAFTING): PAUSE,
    (User.PAUSED, Assistant.IDLE): [*PAUSE, Tell("ReplyEnded")],
    (User.PAUSED, Assistant.THINKING): [*PAUSE, Tell("RequestReply")],
    (User.PAUSED, Assistant.SPEAKING): [*PAUSE, Tell("RequestReply"), Tell("PlaybackStarted")],
}
WAYS |= {
    (User.RESUMING, assistant): [*way, Hear(500, True)]
    for (user, assistant), way in WAYS.items()
    if user is User.PAUSED
}
"""A way to every pair of states, under the first settings."""

SEQUENCES = st.builds(
    lambda way, acts: [*way, *acts],
    st.sampled_from(list(WAYS.values())),
    st.lists(st.one_of(*[st.sampled_from(ACTS)] * 9, st.sampled_from(SETTINGS)), max_size=30),
)


@dataclass
class Session:
    """Plays a machine and keeps the books that its decisions imply."""

    machine: TurnMachine
    log: list[TurnEvent] = field(default_factory=list)
    drafts: dict[int, str] = field(default_factory=dict)
    """By reply: open, promoted or dropped."""
    open_turn: int | None = None
    last_end: int = 0
    held: int | None = None

    def act(self, act: Act, pieces: Iterable[int] = ()) -> None:
        since = self.machine.now
        if isinstance(act, Hear):
            left = act.samples
            decisions: list[TurnEvent] = []
            for piece in pieces:
                decisions += self.machine.hear(min(piece, left), act.voiced)
                left -= min(piece, left)
            decisions += self.machine.hear(left, act.voiced)
            assert self.machine.now == since + act.samples
        elif isinstance(act, Tell):
            told = self.input(act)
            if told is None:
                return
            decisions = self.machine.handle(told)
            if isinstance(told, events.ReplyEnded):
                self.held = None
        else:
            decisions = self.machine.configure(act)
        assert (self.machine.user, self.machine.assistant) in POSSIBLE_PAIRS
        for decision in decisions:
            assert since <= decision.at <= self.machine.now
            since = decision.at
            self.book(decision)
        self.log += decisions

    def input(self, tell: Tell) -> TurnInput | None:
        reply = max(self.drafts, default=0)
        if tell.kind in ("PlaybackStarted", "ReplyEnded", "ToolStarted", "ToolEnded"):
            is_draft = self.drafts.get(reply) == "open"
            if not reply or (tell.kind == "PlaybackStarted" and is_draft):
                return None
            told: TurnInput = getattr(events, tell.kind)(reply=reply)
            return told
        if tell.kind == "TurnEndProbability":
            pause = self.last_at(events.SpeechPaused)
            return events.TurnEndProbability(pause=pause, probability=tell.value)
        if tell.kind == "FloorProbability":
            at = self.last_at(events.InterjectionStarted)
            return events.FloorProbability(interjection=at, probability=tell.value)
        told = getattr(events, tell.kind)()
        assert isinstance(told, TurnInput)
        return told

    def last_at(self, kind: type[TurnEvent]) -> int:
        return next((each.at for each in reversed(self.log) if isinstance(each, kind)), 0)

    def book(self, decision: TurnEvent) -> None:
        match decision:
            case events.ReplyDrafted(reply=reply):
                assert reply == len(self.drafts) + 1
                assert "open" not in self.drafts.values()
                self.drafts[reply] = "open"
            case events.DraftPromoted(reply=reply):
                assert self.drafts[reply] == "open"
                self.drafts[reply] = "promoted"
            case events.DraftDropped(reply=reply):
                assert self.drafts[reply] == "open"
                self.drafts[reply] = "dropped"
            case events.SpeechStarted(turn=turn, start=start):
                assert self.open_turn is None
                assert self.last_end <= start <= decision.at
                self.open_turn = turn
            case events.SpeechPaused(turn=turn) | events.SpeechResumed(turn=turn):
                assert turn == self.open_turn
            case events.EndpointReached(turn=turn, start=start, end=end):
                assert turn == self.open_turn
                assert start < end <= decision.at
                self.open_turn, self.last_end = None, end
            case events.TurnDiscarded(turn=turn):
                assert turn == self.open_turn
                self.open_turn = None
            case events.EndpointWithdrawn(turn=turn, reply=reply):
                assert self.open_turn is None
                assert self.drafts[reply] == "promoted"
                self.open_turn = turn
            case events.PlaybackHeld(reply=reply):
                assert self.held is None
                self.held = reply
            case events.PlaybackResumed(reply=reply):
                assert self.held == reply
                self.held = None
            case events.BargeIn() | events.ReplyCancelled():
                self.held = None

    def drain(self) -> None:
        """Both sides come to rest: nobody speaks, what was promised ends."""
        if self.machine.settings.mode is TurnMode.MANUAL:
            if self.open_turn is not None:
                self.act(Tell("CommitTurn"))
        else:
            self.act(Hear(PATIENCE_SAMPLES, False))


@pytest.mark.parametrize("pair", POSSIBLE_PAIRS)
def test_every_possible_pair_is_reached(pair: tuple[User, Assistant]) -> None:
    session = Session(TurnMachine(SETTINGS[0]))
    for act in WAYS[pair]:
        session.act(act)
    assert (session.machine.user, session.machine.assistant) == pair


def test_every_row_of_the_table_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    used = set()

    class Recorder(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            used.add(key)
            return super().get(key, default)

    monkeypatch.setattr(turns, "TABLE", Recorder(TABLE))
    for way in WAYS.values():
        for act in [*ACTS, *SETTINGS, replace(SETTINGS[0], max_turn_ms=500)]:
            for then in (Hear(40_000, True), Hear(40_000, False)):
                session = Session(TurnMachine(SETTINGS[0]))
                for each in [*way, act, then]:
                    session.act(each)
    assert set(TABLE) <= used


@given(st.sampled_from(SETTINGS), SEQUENCES)
def test_no_sequence_leaves_anything_open(settings: TurnSettings, acts: Sequence[Act]) -> None:
    session = Session(TurnMachine(settings))
    for act in acts:
        session.act(act)
    session.drain()
    assert session.open_turn is None
    assert session.machine.user is User.SILENT
    assert session.machine.assistant not in (Assistant.DRAFTING, Assistant.HELD)
    assert session.held is None
    assert "open" not in session.drafts.values()


@given(
    st.sampled_from(SETTINGS),
    SEQUENCES,
    st.lists(st.integers(0, 3000), max_size=8),
)
def test_any_split_decides_as_the_whole(
    settings: TurnSettings, acts: Sequence[Act], pieces: Sequence[int]
) -> None:
    whole, split = Session(TurnMachine(settings)), Session(TurnMachine(settings))
    for act in acts:
        whole.act(act)
        split.act(act, pieces)
        assert split.log == whole.log
        assert split.machine.needs_from == whole.machine.needs_from


@given(st.sampled_from(SETTINGS), SEQUENCES)
def test_audio_that_may_be_asked_for_is_never_given_up(
    settings: TurnSettings, acts: Sequence[Act]
) -> None:
    session = Session(TurnMachine(settings))
    kept_from = 0
    for act in windowed(acts):
        known, last_end = len(session.log), session.last_end
        session.act(act)
        for decision in session.log[known:]:
            match decision:
                case events.SpeechStarted(start=start) | events.InterjectionStarted(start=start):
                    assert start >= kept_from
                case events.EndpointWithdrawn():
                    assert last_end >= kept_from
        kept_from = max(kept_from, session.machine.needs_from)


def windowed(acts: Iterable[Act]) -> Iterator[Act]:
    """The same with sound in windows, between which audio is forgotten."""
    for act in acts:
        if isinstance(act, Hear):
            yield from repeat(Hear(512, act.voiced), act.samples // 512)
        else:
            yield act


def test_kept_audio_is_bounded() -> None:
    machine = TurnMachine()
    for samples, voiced in [(8000, False), (20_000, True), (30_000, False), (2000, True)] * 20:
        for _ in range(samples // 500):
            machine.hear(500, voiced)
            assert machine.now - machine.needs_from <= 16 * 8000
    machine.hear(160_000, False)
    assert machine.now - machine.needs_from == 16 * 300


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (events.PlaybackStarted(reply=1), "reply 1 is a draft"),
        (events.PlaybackStarted(reply=2), "no reply 2; the last one is 1"),
        (events.ReplyEnded(reply=0), "no reply 0"),
    ],
)
def test_impossible_input_is_refused_and_changes_nothing(told: TurnInput, message: str) -> None:
    machine = TurnMachine()
    machine.hear(16_000, True)
    machine.hear(1_600, False)
    assert machine.assistant is Assistant.DRAFTING
    with pytest.raises(ValueError, match=message):
        machine.handle(told)
    assert machine.assistant is Assistant.DRAFTING


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="samples=-1"):
        TurnMachine().hear(-1, False)


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=r"probability=.*must lie in"):
        events.TurnEndProbability(pause=0, probability=probability)
    with pytest.raises(ValueError, match=r"probability=.*must lie in"):
        events.FloorProbability(interjection=0, probability=probability)


def test_longer_pre_roll_set_later_does_not_reach_for_forgotten_audio() -> None:
    machine = TurnMachine(TurnSettings(prefix_padding_ms=100))
    machine.hear(32_000, False)
    forgotten = machine.needs_from
    machine.configure(replace(machine.settings, prefix_padding_ms=1500))
    started = machine.hear(8_000, True)[0]
    assert isinstance(started, events.SpeechStarted)
    assert started.start == forgotten
