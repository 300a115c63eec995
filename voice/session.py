"""One conversation over any transport: frames in, events and speech out.

This is the whole path. Sound goes through turn-taking, whose decisions say what happens next; the
model's side of it is work for the session's lane of the engine, done in the order of the decisions.

    hear ► TurnStream ► SpeechStarted      begin the turn
                        SpeechAudio        encode, prefill (drafts)
                        SpeechPaused       encode exactly; is the turn over?
                        ReplyDrafted       decode on a fork, speak the first sentence, hold both
                        DraftDropped       nothing of it has happened
                        EndpointReached    the turn is an item
                        DraftPromoted      tell, play, call
                        PlaybackHeld       somebody speaks: fade out, keep the sample
                        PlaybackResumed    it was nothing: go on from that sample
                        BargeIn            what was heard is the history; the next turn follows

All methods are called on the event loop's thread and none of them blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from streaming import events as turn_events
from streaming.audio import as_samples
from streaming.turn_settings import SAMPLES_PER_MS, TurnMode
from streaming.vad import SAMPLING_RATE, WINDOW_SAMPLES, VoiceDetector
from voice import session_events as events
from voice.client_wishes import ClientWishes
from voice.playback import SAMPLE_RATE_HZ, Playback
from voice.responder import Responder
from voice.session_core import SessionCore
from voice.session_events import Content, Item, SessionError, SessionEvent
from voice.session_observer import Heard, SessionObserver, Wished
from voice.session_settings import MAX_HEAR_S, SessionSettings
from voice.tools import Tool
from voice.turn_end import TurnEndJudge

if TYPE_CHECKING:
    from torch import Tensor

    from voice.engine import Engine

MAX_WAITING_S = 60
"""The most sound of a turn that waits for the model; more is dropped, counted and reported."""


@dataclass(slots=True)
class _Turn:
    """The user's turn at hand."""

    item_id: str
    start: int


class Session(ClientWishes):
    """See the module; made by `Engine.open_session`.

    Args:
        engine: runs the model, the voice and the tools.
        emit: gets every event, in order, on the event loop's thread.
        settings: see `SessionSettings`.
        playback: "pulled": whoever calls `playback.read` is the clock; "pushed": sound goes out in
            events as fast as it is made and counts as played in real time.
        tools: functions that the session runs itself.
        judge: of the end of turns; by default what the checkpoint was trained to tell, if anything.
        detector: of voice; by default the best that is installed.
        observer: looks on, see `voice.session_observer`.
        seed: of ids and of replies by chance; by default another one each time.
    """

    def __init__(
        self,
        engine: Engine,
        emit: Callable[[SessionEvent], None],
        *,
        settings: SessionSettings | None = None,
        playback: Literal["pulled", "pushed"] = "pulled",
        tools: Sequence[Tool] = (),
        judge: TurnEndJudge | None = None,
        detector: VoiceDetector | None = None,
        observer: SessionObserver | None = None,
        seed: int | None = None,
    ) -> None:
        self._core = SessionCore(
            engine,
            emit,
            self._act,
            self._end,
            settings=settings or SessionSettings(),
            is_pushed=playback == "pushed",
            tools=tools,
            judge=judge,
            detector=detector,
            observer=observer,
            seed=seed,
        )
        self.id = self._core.id
        self._responder = Responder(self._core)
        self._turn: _Turn | None = None
        self._last_start = self._interjected_at = 0
        self._waiting_samples = 0
        self.dropped_samples = 0
        """Of the user's turns, because the model was too slow."""
        self._floor = (self._core.turns.user, self._core.turns.assistant)

    @property
    def settings(self) -> SessionSettings:
        """In force; see `configure`."""
        return self._core.settings

    @property
    def playback(self) -> Playback:
        """What the user hears."""
        return self._responder.playback

    @property
    def is_pushed(self) -> bool:
        """Whether sound goes out in events."""
        return self._core.is_pushed

    # --- Sound in ---------------------------------------------------------------------------------

    def hear(self, samples: np.ndarray) -> None:
        """Hears the microphone: float32 mono 16 kHz within [−1, 1] [samples], silence included.

        Raises:
            SessionError: no audio of that kind, or too much at once; nothing was heard.
        """
        self._require_open()
        try:
            as_samples(samples, sampling_rate=SAMPLING_RATE, expected_rate=SAMPLING_RATE)
        except ValueError as error:
            raise SessionError("invalid_audio", str(error)) from error
        if len(samples) > MAX_HEAR_S * SAMPLING_RATE:
            raise SessionError("audio_too_long", f"send at most {MAX_HEAR_S} s of audio at once")
        with self._core.outside(Heard(samples=samples)):
            # What a window leads to is done before the next is heard, however much comes at once.
            for start in range(0, len(samples), WINDOW_SAMPLES):
                if not self._core.is_closed:
                    self._hear_some(samples[start : start + WINDOW_SAMPLES])

    def _hear_some(self, samples: np.ndarray) -> None:
        decisions = self._core.turns.feed(samples)
        before = self._core.fed_samples * SAMPLE_RATE_HZ // SAMPLING_RATE
        self._core.fed_samples += len(samples)
        if self._core.is_pushed:
            self.playback.read(self._core.fed_samples * SAMPLE_RATE_HZ // SAMPLING_RATE - before)
        self._core.act(decisions)

    def _act(self, decisions: Sequence[turn_events.TurnEvent]) -> None:
        """Does what turn-taking decides."""
        for decision in decisions:
            if not self._core.is_closed:
                self._core.happened(decision)
                self._decide(decision)
        floor = (self._core.turns.user, self._core.turns.assistant)
        if floor != self._floor:
            self._floor = floor
            self._core.tell(
                events.FloorChanged(
                    user=floor[0].value,
                    assistant=floor[1].value,
                    audio_ms=_ms(self._core.fed_samples),
                )
            )

    def _decide(self, decision: turn_events.TurnEvent) -> None:
        match decision:
            case turn_events.SpeechStarted(start=start):
                self._begin_turn(start)
            case turn_events.SpeechAudio(samples=samples):
                self._listen(samples)
            case turn_events.SpeechPaused(at=at):
                self._pause(at)
            case turn_events.ReplyDrafted(reply=number):
                self._responder.draft(number)
            case turn_events.DraftDropped():
                self._responder.drop_draft()
            case turn_events.EndpointReached():
                self._end_turn(decision)
            case turn_events.DraftPromoted():
                self._responder.promote()
            case turn_events.EndpointWithdrawn():
                self._withdraw()
            case turn_events.TurnDiscarded():
                self._turn = None
                self._core.order(self._core.model.discard_turn())
                self._core.tell(events.InputCleared())
            case turn_events.PlaybackHeld():
                if not self._core.is_pushed:
                    self.playback.hold()
            case turn_events.PlaybackResumed():
                self.playback.resume()
            case turn_events.BargeIn():
                self._responder.interrupt("turn_detected")
            case turn_events.ReplyCancelled():
                self._responder.interrupt("client_cancelled")
            case turn_events.InterjectionStarted(at=at):
                self._interjected_at = at
            case turn_events.InterjectionEnded(start=start):
                self._judge_floor(start)
            case turn_events.FillerDue():
                self._responder.fill()
            case turn_events.IdleTimedOut(at=at):
                self._time_out(at)

    # --- The user's turn --------------------------------------------------------------------------

    def _begin_turn(self, start: int) -> None:
        self._turn = _Turn(self._core.new_id("item"), start)
        self._core.order(self._core.model.begin_turn(self._turn.item_id))
        self._responder.prepare()
        if not self._core.is_manual:
            self._tell_started()

    def _tell_started(self) -> None:
        assert self._turn is not None
        item_id, start_ms = self._turn.item_id, _ms(self._turn.start)
        self._core.tell(events.InputSpeechStarted(item_id=item_id, audio_start_ms=start_ms))

    def _listen(self, samples: np.ndarray) -> None:
        if self._waiting_samples + len(samples) > MAX_WAITING_S * SAMPLING_RATE:
            if not self.dropped_samples:
                self._core.on_error(
                    "audio_dropped", "the model is too slow for this session: audio is dropped"
                )
            self.dropped_samples += len(samples)
            return
        self._waiting_samples += len(samples)
        self._core.order(self._core.model.listen(samples, partial(self._on_heard, len(samples))))

    def _pause(self, at: int) -> None:
        told = partial(self._on_turn_end_probability, at)
        is_asked = self._core.settings.turns.mode is TurnMode.SEMANTIC
        self._core.order(self._core.model.pause(told if is_asked else None))

    def _end_turn(self, endpoint: turn_events.EndpointReached) -> None:
        assert self._turn is not None
        turn, self._turn = self._turn, None
        self._last_start = turn.start
        self._responder.endpoint = (endpoint.at, endpoint.end)
        if not self._core.is_manual:
            self._core.tell(
                events.InputSpeechStopped(item_id=turn.item_id, audio_end_ms=_ms(endpoint.end))
            )
        item = Item(id=turn.item_id, role="user", content=(Content(kind="input_audio"),))
        previous = self._core.items.add(item)
        self._core.tell(events.InputCommitted(item_id=item.id, previous_item_id=previous))
        self._core.tell(events.ItemAdded(item=item, previous_item_id=previous))
        self._core.tell(events.ItemDone(item=item, previous_item_id=previous))
        seconds = (endpoint.end - endpoint.start) / SAMPLING_RATE
        self._core.order(self._core.model.end_turn(partial(self._transcribe_later, item, seconds)))

    def _withdraw(self) -> None:
        """The user goes on with a turn that had been taken to be over."""
        withdrawn = self._core.items.last_user_item()
        self._turn = _Turn(self._core.new_id("item"), self._last_start)
        self._responder.withdraw(self._turn.item_id)
        self._core.items.remove(withdrawn)
        self._core.tell(events.ItemDeleted(item_id=withdrawn))
        self._tell_started()

    def _transcribe_later(self, item: Item, seconds: float, steps: Tensor) -> None:
        """The turn's sound is known: what it says is written down when there is time for it."""
        if not self._core.settings.transcribe:
            return
        said: list[str] = []

        def is_wanted() -> bool:
            return item.id in self._core.items

        def on_text(text: str) -> None:
            text = text if said else text.lstrip()
            if text and is_wanted():
                said.append(text)
                self._core.tell(events.InputTranscriptDelta(item_id=item.id, delta=text))

        def on_end() -> None:
            if is_wanted():
                transcript = "".join(said).rstrip()
                content = Content(kind="input_audio", transcript=transcript)
                self._core.items.update(replace(item, content=(content,)))
                self._core.tell(
                    events.InputTranscriptDone(
                        item_id=item.id, transcript=transcript, seconds=seconds
                    )
                )

        def on_error(code: str, message: str) -> None:
            self._core.tell(
                events.InputTranscriptFailed(item_id=item.id, code=code, message=message)
            )

        work = self._core.model.transcribe(steps, is_wanted, on_text, on_end, on_error)
        self._core.order(work, background=True)

    def _judge_floor(self, start: int) -> None:
        samples = self._core.turns.audio_since(start)

        def on_probability(at: int, probability: float) -> None:
            self._core.inform(
                turn_events.FloorProbability(interjection=at, probability=probability)
            )

        work = self._core.model.judge_floor(samples, partial(on_probability, self._interjected_at))
        self._core.order(work, background=True)

    def _time_out(self, at: int) -> None:
        idle_ms = self._core.settings.turns.idle_timeout_ms or 0
        self._core.tell(
            events.InputTimedOut(
                item_id=self._core.new_id("item"),
                audio_start_ms=_ms(at) - idle_ms,
                audio_end_ms=_ms(at),
            )
        )
        if self._core.settings.turns.create_response:
            self.create_response()

    # --- What the threads report ------------------------------------------------------------------

    def _on_heard(self, samples: int) -> None:
        self._waiting_samples -= samples

    def _on_turn_end_probability(self, pause: int, probability: float) -> None:
        self._core.inform(turn_events.TurnEndProbability(pause=pause, probability=probability))

    # --- The end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the session; twice is fine."""
        if not self._core.is_closed:
            with self._core.outside(Wished(name="close")):
                self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if self._core.is_closed:
            return
        self._responder.close()
        self._core.lane.close()
        self._core.engine.sessions.discard(self)
        self._core.tell(events.SessionEnded(error=error))
        self._core.is_closed = True


def _ms(samples: int) -> int:
    return samples // SAMPLES_PER_MS
