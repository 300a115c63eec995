"""Turn-taking on the sample clock: voiced or not, and what the session tells, in; decisions out.

The machine finds out *that* something happens, and on which sample; what becomes of it says the
table in `streaming.turn_table`. It knows neither sound nor models, and no other clock: time passes
by hearing. Nothing is scheduled: whatever is due next follows from the state, so however a stretch
of sound is split, the decisions and their samples are the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from streaming import events
from streaming.events import DiscardReason, EndReason, RefusalReason, TurnEvent, TurnInput
from streaming.turn_settings import SAMPLES_PER_MS, TurnMode, TurnSettings
from streaming.turn_table import IN_PAUSE, IN_TURN, TABLE, Assistant, Trigger, User

_WITHOUT_VOICE = (User.SILENT, User.PAUSED, User.INTERJECTED)
_WITH_VOICE = (User.STARTING, User.SPEAKING, User.RESUMING, User.INTERJECTING)
_SETTLES_ENDPOINT = (Trigger.PLAYBACK, Trigger.REPLY_END, Trigger.REQUEST, Trigger.CANCEL)
"""What makes an endpoint stand, or its reply one that answers something else."""


@dataclass(frozen=True, slots=True)
class _Due:
    """Something that happens at a sample if nothing happens before."""

    at: int
    trigger: Trigger | None
    """None: a mere reminder, which changes no state."""
    reason: EndReason | DiscardReason | None = None


class TurnMachine:
    """The user's and the assistant's side of one session, and who has the floor.

    Call `hear` with every stretch of sound and `handle` with everything else; each returns the
    decisions in their order.
    """

    def __init__(self, settings: TurnSettings | None = None) -> None:
        self.user = User.SILENT
        self.assistant = Assistant.IDLE
        self.now = 0
        """Samples heard so far."""
        self._settings = settings or TurnSettings()
        self._turn = self._reply = 0
        self._reason: EndReason | DiscardReason | None = None
        # Samples of voice: of the stretch that is becoming something, and of the turn.
        self._voice = self._turn_voice = 0
        self._onset = self._voice_end = 0
        self._boundary = 0  # a turn's pre-roll never reaches back behind this sample
        self._turn_start = self._turn_at = 0
        self._interjected_at = 0
        # The pause at hand: where it was noticed, the end of voice before it, what was judged.
        self._paused_at = self._utterance_end = 0
        self._probability: float | None = None
        self._withdrawable_at: int | None = None  # the endpoint that the user may take back
        self._tools = 0
        self._tool_since: int | None = None
        self._idle_since: int | None = None

    @property
    def settings(self) -> TurnSettings:
        """The settings in force; see `configure`."""
        return self._settings

    @property
    def delivers_to(self) -> int:
        """The sample up to which the audio of the open turn is the session's; `now` between
        turns."""
        return self._paused_at if self.user in IN_PAUSE else self.now

    @property
    def needs_from(self) -> int:
        """The first sample that a coming decision may still ask for: keep the audio from here."""
        if self.user in IN_TURN:
            return self.delivers_to
        if self._may_withdraw():
            return self._boundary
        return self._with_pre_roll(self._next_onset)

    def hear(self, samples: int, voiced: bool) -> list[TurnEvent]:
        """Lets time pass: so many samples, all voiced or all not; any number."""
        if samples < 0:
            raise ValueError(f"samples={samples} must not be negative: time does not go back")
        decisions: list[TurnEvent] = []
        end = self.now + samples
        while (due := self._next_due(voiced, end)) is not None:
            self._advance(due.at, voiced)
            self._happen(due, decisions)
        self._advance(end, voiced)
        return decisions

    def handle(self, told: TurnInput) -> list[TurnEvent]:
        """Takes in what the session tells; it counts from the sample heard last.

        Raises:
            ValueError: a reply that never began, or a draft that is being played: the session's
                fault. The machine is as it was.
        """
        decisions: list[TurnEvent] = []
        match told:
            case events.TurnEndProbability(pause=pause, probability=probability):
                if self.user in IN_PAUSE and pause == self._paused_at:
                    self._probability = probability
            case events.FloorProbability(interjection=at, probability=probability):
                if at == self._interjected_at:
                    self._judge_floor(probability, decisions)
            case events.PlaybackStarted(reply=reply):
                if self._is_current(reply):
                    if self.assistant is Assistant.DRAFTING:
                        raise ValueError(f"reply {reply} is a draft: play it once it is promoted")
                    self._fire(Trigger.PLAYBACK, decisions)
            case events.ReplyEnded(reply=reply, failed=failed):
                if self._is_current(reply) and self.assistant is not Assistant.IDLE:
                    was_heard = self.assistant in (Assistant.SPEAKING, Assistant.HELD)
                    self._fire(Trigger.REPLY_END, decisions)
                    if was_heard and not failed and self.user is not User.SPEAKING:
                        self._idle_since = self.now
            case events.ToolStarted(reply=reply):
                if self._is_current(reply):
                    self._withdrawable_at = None  # it would run again with the next draft
                    self._tools += 1
                    self._tool_since = self.now if self._tools == 1 else self._tool_since
            case events.ToolEnded(reply=reply):
                if self._is_current(reply):
                    self._tools = max(0, self._tools - 1)
            case events.CommitTurn():
                self._wish(
                    Trigger.UNANSWERED_END,
                    RefusalReason.NOTHING_TO_COMMIT,
                    decisions,
                    reason=EndReason.COMMIT,
                )
            case events.ClearTurn():
                self._clear(DiscardReason.CLEARED, decisions)
            case events.RequestReply():
                self._wish(Trigger.REQUEST, RefusalReason.REPLY_IS_ACTIVE, decisions)
            case events.CancelReply():
                self._wish(Trigger.CANCEL, RefusalReason.NO_REPLY, decisions)
        self._catch_up(decisions)
        return decisions

    def configure(self, settings: TurnSettings) -> list[TurnEvent]:
        """Goes on with other settings, in mid-turn too.

        Only between manual and detected turns a turn cannot go on: it is discarded.
        """
        decisions: list[TurnEvent] = []
        # Nobody has kept audio for a longer pre-roll, or for an endpoint to be taken back.
        self._boundary = max(self._boundary, self.needs_from)
        if not self._may_withdraw():
            self._withdrawable_at = None
        changed = (settings.mode is TurnMode.MANUAL) is not self._is_manual
        self._settings = settings
        if changed:
            self._clear(DiscardReason.RECONFIGURED, decisions)
        self._catch_up(decisions)
        return decisions

    # --- When -------------------------------------------------------------------------------------

    @property
    def _is_manual(self) -> bool:
        return self._settings.mode is TurnMode.MANUAL

    def _next_due(self, voiced: bool, end: int) -> _Due | None:
        """What happens first, up to and including the sample `end`."""
        dues = self._manual_dues(end) if self._is_manual else self._dues(voiced, end)
        first = min(dues, key=lambda due: due.at, default=None)
        if first is None or first.at > end:
            return None
        return _Due(max(first.at, self.now), first.trigger, first.reason)

    def _manual_dues(self, end: int) -> Iterator[_Due]:
        if self.user is User.SILENT and self.now < end:
            yield _Due(self.now, Trigger.OPEN)
        if self.user is User.SPEAKING:
            limit = self._turn_at + _samples(self._settings.max_turn_ms)
            yield _Due(limit, Trigger.CLEAR, DiscardReason.LIMIT)

    def _dues(self, voiced: bool, end: int) -> Iterator[_Due]:
        """Everything that lies ahead of the present state, most urgent first."""
        settings = self._settings

        def voice_of(length_ms: int, trigger: Trigger) -> Iterator[_Due]:
            missing = _samples(length_ms) - self._voice
            if voiced or missing <= 0:
                yield _Due(self.now + missing, trigger)

        if voiced and self.now < end and self.user in _WITHOUT_VOICE:
            yield _Due(self.now, Trigger.VOICE)
        match self.user:
            case User.STARTING:
                yield from voice_of(*self._what_speech_does())
            case User.RESUMING:
                yield from voice_of(settings.min_speech_ms, Trigger.SPEECH)
            case User.INTERJECTING:
                yield from voice_of(settings.barge_in_ms, Trigger.FLOOR)
            case User.PAUSED if not voiced:
                wait_ms = settings.endpoint_silence_ms(
                    self._probability, self._turn_voice / SAMPLES_PER_MS
                )
                end_at = self._utterance_end + _samples(wait_ms)
                yield _Due(end_at, self._end_trigger, EndReason.SILENCE)
            case User.INTERJECTED if not voiced:
                over_at = self._voice_end + _samples(settings.false_interruption_ms)
                yield _Due(over_at, Trigger.NO_FLOOR, DiscardReason.FALSE_INTERRUPTION)
            case User.SILENT:
                yield from self._reminders()
        if self.user in _WITH_VOICE and not voiced:
            pause_at = self._voice_end + _samples(settings.first_pause_ms)
            yield _Due(pause_at, self._pause_trigger)
        if self.user in IN_TURN:
            limit = self._turn_at + _samples(settings.max_turn_ms)
            yield _Due(limit, self._end_trigger, EndReason.LIMIT)

    def _reminders(self) -> Iterator[_Due]:
        if self._waits_for_tool and self._tool_since is not None:
            yield _Due(self._tool_since + _samples(self._settings.filler_ms), None)
        timeout_ms = self._settings.idle_timeout_ms
        if self._is_idle and self._idle_since is not None and timeout_ms is not None:
            yield _Due(self._idle_since + _samples(timeout_ms), None)

    @property
    def _waits_for_tool(self) -> bool:
        return self.assistant is Assistant.THINKING and self._tools > 0

    @property
    def _is_idle(self) -> bool:
        return self.assistant is Assistant.IDLE

    def _what_speech_does(self) -> tuple[int, Trigger]:
        """How much voice it takes now to be more than a noise, and what it is then."""
        settings = self._settings
        if self._is_idle or not settings.interrupt_response:
            return settings.min_speech_ms, Trigger.SPEECH
        if self._may_withdraw():
            return settings.hold_ms, Trigger.GOING_ON
        return settings.hold_ms, Trigger.INTERJECTION

    @property
    def _next_onset(self) -> int:
        """Where the voice at hand began; between voices, the earliest sample at which it could."""
        return self.now if self.user is User.SILENT else self._onset

    def _may_withdraw(self) -> bool:
        """Whether voice at hand, or now, goes on with the turn that has ended."""
        endpoint = self._withdrawable_at
        return (
            endpoint is not None
            and self._settings.interrupt_response
            and self.assistant is Assistant.THINKING
            and self._next_onset < endpoint + _samples(self._settings.withdraw_ms)
        )

    @property
    def _pause_trigger(self) -> Trigger:
        settings = self._settings
        answerable = settings.create_response and settings.speculate and self._is_idle
        if self.user is User.SPEAKING and answerable:
            return Trigger.ANSWERABLE_PAUSE
        return Trigger.PAUSE

    @property
    def _end_trigger(self) -> Trigger:
        return Trigger.ENDPOINT if self._settings.create_response else Trigger.UNANSWERED_END

    def _with_pre_roll(self, onset: int) -> int:
        return max(onset - _samples(self._settings.prefix_padding_ms), self._boundary)

    # --- What -------------------------------------------------------------------------------------

    def _advance(self, to: int, voiced: bool) -> None:
        if voiced and not self._is_manual:
            self._voice += to - self.now
            if self.user is User.SPEAKING:
                self._turn_voice += to - self.now
            self._voice_end = to
        self.now = to

    def _catch_up(self, decisions: list[TurnEvent]) -> None:
        """What was told may have made something due."""
        while (due := self._next_due(False, self.now)) is not None:
            self._happen(due, decisions)

    def _happen(self, due: _Due, decisions: list[TurnEvent]) -> None:
        if due.trigger is not None:
            fired = self._fire(due.trigger, decisions, reason=due.reason)
            assert fired, (self.user, self.assistant, due)
        elif self._waits_for_tool:
            self._tool_since = None
            decisions.append(events.FillerDue(at=self.now, reply=self._reply))
        else:
            self._idle_since = None
            decisions.append(events.IdleTimedOut(at=self.now))

    def _fire(
        self,
        trigger: Trigger,
        decisions: list[TurnEvent],
        *,
        reason: EndReason | DiscardReason | None = None,
    ) -> bool:
        """Looks the trigger up and does what its row says; returns whether there is one."""
        before = self.user
        outcome = TABLE.get((before, self.assistant, trigger))
        if outcome is None:
            return False
        self._reason = reason
        if trigger in _SETTLES_ENDPOINT:
            self._withdrawable_at = None
        if trigger in (Trigger.VOICE, Trigger.OPEN):
            self._voice_end = self.now
            if before is User.SILENT:
                self._onset = self.now
            if before is not User.INTERJECTED:  # voice of an interjection adds up
                self._voice = 0
        for kind in outcome.events:
            make = self._MAKE.get(kind)
            decisions.append(make(self) if make else self._of_reply(kind))
        self.user, self.assistant = outcome.user, outcome.assistant
        return True

    def _wish(
        self,
        trigger: Trigger,
        refusal: RefusalReason,
        decisions: list[TurnEvent],
        *,
        reason: EndReason | None = None,
    ) -> None:
        if not self._fire(trigger, decisions, reason=reason):
            decisions.append(events.Refused(at=self.now, reason=refusal))

    def _clear(self, reason: DiscardReason, decisions: list[TurnEvent]) -> None:
        self._fire(Trigger.CLEAR, decisions, reason=reason)
        self._boundary = self.now
        self._withdrawable_at = None

    def _judge_floor(self, probability: float, decisions: list[TurnEvent]) -> None:
        if probability >= self._settings.floor_probability:
            self._fire(Trigger.FLOOR, decisions)
        else:
            self._fire(Trigger.NO_FLOOR, decisions, reason=DiscardReason.BACKCHANNEL)

    def _is_current(self, reply: int) -> bool:
        if not 1 <= reply <= self._reply:
            raise ValueError(f"there is no reply {reply}; the last one is {self._reply}")
        return reply == self._reply

    # --- Events, and what they change -------------------------------------------------------------

    def _speech_started(self) -> TurnEvent:
        self._turn += 1
        self._turn_start, self._turn_at = self._with_pre_roll(self._onset), self.now
        self._turn_voice = self._voice
        self._idle_since = None
        return events.SpeechStarted(at=self.now, turn=self._turn, start=self._turn_start)

    def _speech_paused(self) -> TurnEvent:
        self._paused_at, self._utterance_end = self.now, self._voice_end
        self._probability = None
        return events.SpeechPaused(at=self.now, turn=self._turn)

    def _speech_resumed(self) -> TurnEvent:
        self._turn_voice += self._voice
        return events.SpeechResumed(at=self.now, turn=self._turn)

    def _reply_drafted(self) -> TurnEvent:
        self._reply += 1
        self._tools, self._tool_since, self._idle_since = 0, None, None
        return events.ReplyDrafted(at=self.now, reply=self._reply)

    def _endpoint_reached(self) -> TurnEvent:
        assert isinstance(self._reason, EndReason)
        self._boundary = self.delivers_to
        is_answered = self.assistant in (Assistant.IDLE, Assistant.DRAFTING)
        may_go_on = is_answered and self._reason is EndReason.SILENCE
        self._withdrawable_at = self.now if may_go_on else None
        return events.EndpointReached(
            at=self.now,
            turn=self._turn,
            start=self._turn_start,
            end=self._boundary,
            reason=self._reason,
        )

    def _endpoint_withdrawn(self) -> TurnEvent:
        self._turn_voice += self._voice
        self._withdrawable_at = None
        return events.EndpointWithdrawn(at=self.now, turn=self._turn, reply=self._reply)

    def _turn_discarded(self) -> TurnEvent:
        assert isinstance(self._reason, DiscardReason)
        self._boundary = self.now
        return events.TurnDiscarded(at=self.now, turn=self._turn, reason=self._reason)

    def _interjection_started(self) -> TurnEvent:
        self._interjected_at = self.now
        start = self._with_pre_roll(self._onset)
        return events.InterjectionStarted(at=self.now, start=start)

    def _interjection_ended(self) -> TurnEvent:
        return events.InterjectionEnded(at=self.now, start=self._with_pre_roll(self._onset))

    def _interjection_discarded(self) -> TurnEvent:
        assert isinstance(self._reason, DiscardReason)
        start = self._with_pre_roll(self._onset)
        return events.InterjectionDiscarded(at=self.now, start=start, reason=self._reason)

    def _of_reply(self, kind: Callable[..., TurnEvent]) -> TurnEvent:
        return kind(at=self.now, reply=self._reply)

    _MAKE: ClassVar[dict[type[TurnEvent], Callable[["TurnMachine"], TurnEvent]]] = {
        events.SpeechStarted: _speech_started,
        events.SpeechPaused: _speech_paused,
        events.SpeechResumed: _speech_resumed,
        events.ReplyDrafted: _reply_drafted,
        events.EndpointReached: _endpoint_reached,
        events.EndpointWithdrawn: _endpoint_withdrawn,
        events.TurnDiscarded: _turn_discarded,
        events.InterjectionStarted: _interjection_started,
        events.InterjectionEnded: _interjection_ended,
        events.InterjectionDiscarded: _interjection_discarded,
    }


def _samples(length_ms: int) -> int:
    return length_ms * SAMPLES_PER_MS
