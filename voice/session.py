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

import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from streaming import events as turn_events
from streaming.turn_settings import SAMPLES_PER_MS, TurnMode
from streaming.turn_stream import TurnStream
from streaming.turn_table import Assistant as AssistantState
from streaming.turn_table import User as UserState
from streaming.vad import SAMPLING_RATE, WINDOW_SAMPLES, VoiceDetector
from voice import session_events as events
from voice.conversation import Conversation
from voice.memory import Work
from voice.model_side import ModelSide, Said
from voice.playback import LOW_WATER_S, SAMPLE_RATE_HZ, Moment, Playback
from voice.response import Call, Response, Sentence
from voice.session_events import Content, Item, SessionError, SessionEvent
from voice.session_items import ItemList, entry_maker
from voice.session_settings import ResponseSettings, SessionSettings
from voice.speech import Speaker
from voice.tools import Tool, failure
from voice.tts.synthesizer import SynthesisError
from voice.turn_end import AnswerProbability, TurnEndJudge

if TYPE_CHECKING:
    from torch import Tensor

    from voice.engine import Engine

logger = logging.getLogger(__name__)

MAX_HEAR_S = 60
"""The most sound that one call takes."""
MAX_WAITING_S = 60
"""The most sound of a turn that waits for the model; more is dropped, counted and reported."""
TOOL_TIMEOUT_S = 30.0
"""After so long the model is told that a tool has failed; what it returns later is ignored."""
FILLER = "One moment, please."
RETRY_ANNOUNCEMENT_S = 1.0
REMEMBERED_RESPONSES = 4
"""The last so many can be truncated by the ms; of older ones nobody knows where the words are."""


@dataclass(slots=True)
class _Turn:
    """The user's turn at hand."""

    item_id: str
    start: int


class Session:
    """See the module; made by `Engine.open_session`.

    Args:
        engine: runs the model, the voice and the tools.
        emit: gets every event, in order, on the event loop's thread.
        settings: see `SessionSettings`.
        playback: "pulled": whoever calls `playback.read` is the clock; "pushed": sound goes out in
            events as fast as it is made and counts as played in real time.
        tools: functions that the session runs itself.
        judge: of the end of turns; by default what the model would answer.
        detector: of voice; by default the best that is installed.
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
    ) -> None:
        self.id = self.new_id("sess")
        self.settings = settings or SessionSettings()
        self.is_pushed = playback == "pushed"
        self.playback = Playback(lambda *moment: engine.post(partial(self._on_moment, *moment)))
        self._engine = engine
        self._emit = emit
        self._tools = {tool.name: tool for tool in tools}
        self._turns = TurnStream(self.settings.turns, detector)
        self._model_lane = engine.model.open_lane(self._fail_later)
        self._speech_lane = engine.speech.open_lane(self._fail_later)
        self._model = ModelSide(
            Conversation(
                engine.assistant,
                system=self.settings.instructions,
                tools=self._functions,
                settings=self.settings.reply,
                stream=self.settings.stream,
            ),
            judge or AnswerProbability(engine.assistant),
            engine.post,
            self._on_trimmed,
            self._on_error,
        )
        self._speaker = Speaker(engine.open_voice) if engine.open_voice else None
        self._items = ItemList()
        self._turn: _Turn | None = None
        self._response: Response | None = None
        self._past: deque[Response] = deque(maxlen=REMEMBERED_RESPONSES)
        self._request: ResponseSettings | None = None
        self._cut_at: int | None = None
        self._fed = self._waiting_samples = self.dropped_samples = 0
        self._endpoint: tuple[int, int] | None = None
        self._interjection = 0
        self._floor = (self._turns.user, self._turns.assistant)
        self._is_closed = False

    # --- Sound in ---------------------------------------------------------------------------------

    def hear(self, samples: np.ndarray) -> None:
        """Hears the microphone: float32 mono 16 kHz within [−1, 1] [samples], silence included.

        Raises:
            SessionError: no audio of that kind, or too much at once; nothing was heard.
        """
        self._require_open()
        if len(samples) > MAX_HEAR_S * SAMPLING_RATE:
            raise SessionError("audio_too_long", f"send at most {MAX_HEAR_S} s of audio at once")
        try:
            decisions = self._turns.feed(samples)
        except ValueError as error:
            raise SessionError("invalid_audio", str(error)) from error
        self._fed += len(samples)
        if self.is_pushed:
            self.playback.read(len(samples) * SAMPLE_RATE_HZ // SAMPLING_RATE)
        self._act(decisions)

    def _act(self, decisions: Sequence[turn_events.TurnEvent]) -> None:
        """Does what turn-taking decides."""
        for decision in decisions:
            if not self._is_closed:
                self._decide(decision)
        floor = (self._turns.user, self._turns.assistant)
        if floor != self._floor:
            self._floor = floor
            self.tell(events.FloorChanged(user=floor[0].value, assistant=floor[1].value))

    def _decide(self, decision: turn_events.TurnEvent) -> None:
        match decision:
            case turn_events.SpeechStarted(start=start):
                self._begin_turn(start)
            case turn_events.SpeechAudio(samples=samples):
                self._listen(samples)
            case turn_events.SpeechPaused(at=at):
                self._order(self._model.pause(partial(self._on_turn_end_probability, at)))
            case turn_events.ReplyDrafted(reply=number):
                self._draft(number)
            case turn_events.DraftDropped():
                self._drop_draft()
            case turn_events.EndpointReached():
                self._end_turn(decision)
            case turn_events.DraftPromoted():
                self._promote()
            case turn_events.EndpointWithdrawn():
                self._withdraw()
            case turn_events.TurnDiscarded():
                self._turn = None
                self._order(self._model.discard_turn())
                self.tell(events.InputCleared())
            case turn_events.PlaybackHeld():
                if not self.is_pushed:
                    self.playback.hold()
            case turn_events.PlaybackResumed():
                self.playback.resume()
            case turn_events.BargeIn():
                self._interrupt("turn_detected")
            case turn_events.ReplyCancelled():
                self._interrupt("client_cancelled")
            case turn_events.InterjectionStarted(at=at):
                self._interjection = at
            case turn_events.InterjectionEnded(start=start):
                self._judge_floor(start)
            case turn_events.FillerDue():
                self._fill()
            case turn_events.IdleTimedOut(at=at):
                self._time_out(at)

    # --- The user's turn --------------------------------------------------------------------------

    def _begin_turn(self, start: int) -> None:
        self._turn = _Turn(self.new_id("item"), start)
        self._order(self._model.begin_turn(self._turn.item_id))
        if not self._is_manual:
            self.tell(
                events.InputSpeechStarted(item_id=self._turn.item_id, audio_start_ms=_ms(start))
            )

    def _listen(self, samples: np.ndarray) -> None:
        if self._waiting_samples + len(samples) > MAX_WAITING_S * SAMPLING_RATE:
            if not self.dropped_samples:
                self._on_error(
                    "audio_dropped", "the model is too slow for this session: audio is dropped"
                )
            self.dropped_samples += len(samples)
            return
        self._waiting_samples += len(samples)
        self._order(self._model.listen(samples, partial(self._on_heard, len(samples))))

    def _end_turn(self, endpoint: turn_events.EndpointReached) -> None:
        assert self._turn is not None
        turn, self._turn = self._turn, None
        self._endpoint = (endpoint.at, endpoint.end)
        if not self._is_manual:
            self.tell(
                events.InputSpeechStopped(item_id=turn.item_id, audio_end_ms=_ms(endpoint.end))
            )
        item = Item(id=turn.item_id, role="user", content=(Content(kind="input_audio"),))
        previous = self.place(item)
        self.tell(events.InputCommitted(item_id=item.id, previous_item_id=previous))
        self.tell(events.ItemAdded(item=item, previous_item_id=previous))
        self.tell(events.ItemDone(item=item, previous_item_id=previous))
        seconds = (endpoint.end - endpoint.start) / SAMPLING_RATE
        self._order(self._model.end_turn(partial(self._transcribe_later, item, seconds)))

    def _withdraw(self) -> None:
        """The user goes on with a turn that had been taken to be over."""
        response = self._response
        assert response is not None
        if response.called_tools:  # what it did cannot be taken back: a turn of its own follows
            self._interrupt("turn_detected")
            self._begin_turn(self._turns.now)
            return
        deleted = self._items.last_user_item()
        self.playback.stop()
        response.cut_off("turn_detected")
        self._response = None
        self._items.remove(deleted)
        self.tell(events.ItemDeleted(item_id=deleted))
        self._turn = _Turn(self.new_id("item"), self._turns.now)
        self._order(self._model.withdraw(response, self._turn.item_id))
        self.tell(
            events.InputSpeechStarted(
                item_id=self._turn.item_id, audio_start_ms=_ms(self._turn.start)
            )
        )

    def _transcribe_later(self, item: Item, seconds: float, steps: Tensor) -> None:
        """The turn's sound is known: what it says is written down when there is time for it."""
        if not self.settings.transcribe:
            return
        said: list[str] = []

        def on_text(text: str) -> None:
            text = text if said else text.lstrip()
            if text and item.id in self._items:
                said.append(text)
                self.tell(events.InputTranscriptDelta(item_id=item.id, delta=text))

        def on_end() -> None:
            if item.id in self._items:
                transcript = "".join(said).rstrip()
                content = Content(kind="input_audio", transcript=transcript)
                self.update(replace(item, content=(content,)))
                self.tell(
                    events.InputTranscriptDone(
                        item_id=item.id, transcript=transcript, seconds=seconds
                    )
                )

        work = self._model.transcribe(steps, lambda: item.id in self._items, on_text, on_end)
        self._model_lane.submit(work, background=True)

    def _judge_floor(self, start: int) -> None:
        samples = self._turns.audio_since(start)

        def on_probability(at: int, probability: float) -> None:
            told = turn_events.FloorProbability(interjection=at, probability=probability)
            self._act(self._turns.handle(told))

        work = self._model.judge_floor(samples, partial(on_probability, self._interjection))
        self._model_lane.submit(work, background=True)

    # --- The assistant's turn ---------------------------------------------------------------------

    def _draft(self, number: int) -> None:
        how = self._request or ResponseSettings()
        functions = self._functions
        modality = how.modality or self.settings.modality
        if self._speaker is None:
            modality = "text"
        self._response = Response(self, number, modality, functions, how.metadata)
        settings = self.settings.reply
        if how.max_new_tokens is not None:
            settings = replace(settings, max_new_tokens=how.max_new_tokens)
        self._order(
            self._model.reply(
                self._response,
                with_turn=self._request is None,
                settings=settings,
                instructions=how.instructions,
                script=how.script,
            )
        )

    def _drop_draft(self) -> None:
        response, self._response = self._response, None
        assert response is not None
        response.cut_off("turn_detected")
        self._order(self._model.drop(response))

    def _promote(self) -> None:
        response = self._response
        assert response is not None
        self.playback.begin(response.number)
        self._order(self._model.promote(response))
        response.promote()
        self.speak_next(response)

    def _interrupt(self, reason: events.StatusReason) -> None:
        """Against the stream, ear first: playback, producers, rollback, history."""
        response, self._response = self._response, None
        assert response is not None
        position = self.playback.stop()
        if self._cut_at is not None:
            position = min(self._cut_at, response.made_samples)
        for each in response.rounds:
            for call in each.calls:
                if call.result is None and not call.is_client_s:
                    call.result = failure(call.item.name, "the user interrupted it")
        said = response.heard(position)
        response.cut_off(reason)
        earlier = [each for each in said[:-1] if not each.is_complete]
        self._order(self._model.conclude(response, said[-1], earlier))
        self._past.append(response)
        if response.modality == "text":
            return
        if not self.is_pushed:
            self.tell(events.PlaybackCleared(response_id=response.id))
        for each, heard in zip(response.rounds, said, strict=True):
            if each.output_index is not None and not heard.is_complete:
                start = each.start_sample
                length = max(0, position - start) if start is not None else 0
                self._tell_truncated(each.item_id, length * 1000 // SAMPLE_RATE_HZ, heard.text)

    def _finish(self, response: Response) -> None:
        """The response has been heard to its end."""
        if self._response is not response:
            return
        self._response = None
        said = response.heard(response.made_samples)[-1]
        if not response.is_failed:
            said = replace(said, text=response.round.text, is_complete=True)
        self._order(self._model.conclude(response, said))
        self._past.append(response)
        if response.modality == "audio" and not self.is_pushed:
            self.tell(events.PlaybackEnded(response_id=response.id))
        told = turn_events.ReplyEnded(reply=response.number, failed=response.is_failed)
        self._act(self._turns.handle(told))

    def _fill(self) -> None:
        if self._response is not None and self.playback.waiting_s == 0:
            self._response.say(FILLER)

    def _time_out(self, at: int) -> None:
        idle_ms = self.settings.turns.idle_timeout_ms or 0
        self.tell(
            events.InputTimedOut(
                item_id=self.new_id("item"), audio_start_ms=_ms(at) - idle_ms, audio_end_ms=_ms(at)
            )
        )
        if self.settings.turns.create_response:
            self.create_response()

    def _announce(self, words: str) -> None:
        """Says something of the session's own accord as soon as nobody has the floor."""
        if self._is_closed:
            return
        idle = self._turns.assistant is AssistantState.IDLE
        if idle and (self._is_manual or self._turns.user is UserState.SILENT):
            self.create_response(ResponseSettings(script=words))
        else:
            self._engine.later(RETRY_ANNOUNCEMENT_S, partial(self._announce, words))

    # --- What a response needs --------------------------------------------------------------------

    def speak_next(self, response: Response) -> None:
        """Has the next sentence spoken, if one waits and the playback is not well filled."""
        if response.first_token_at is None and response.rounds[0].text:
            response.first_token_at = self._turns.now
        if response.modality == "text":
            if response.is_promoted and response.rounds[0].text and not response.was_heard:
                self._on_heard_first(response)
            return
        index = response.next_sentence
        if response.is_void or response.is_speaking or index >= len(response.sentences):
            return
        if not response.is_promoted and index > 0:
            return
        if not self.is_pushed and response.is_promoted and self.playback.waiting_s > LOW_WATER_S:
            return
        response.next_sentence, response.is_speaking = index + 1, True
        self._speech_lane.submit(self._speak(response, response.sentences[index]))

    def _speak(self, response: Response, sentence: Sentence) -> Work[None]:
        """Work for the speech thread."""
        post = self._engine.post
        assert self._speaker is not None
        try:
            yield from self._speaker.speak(
                sentence.text,
                self.settings.voice,
                response.cancelled,
                lambda *sound: post(partial(self._add_sound, response, sentence, *sound)),
                lambda: post(partial(response.spoken, sentence)),
            )
        except SynthesisError as error:
            post(partial(response.fail, "speech_failed", str(error)))

    def _add_sound(self, response: Response, sentence: Sentence, *sound: Any) -> None:
        if response.first_audio_at is None:
            response.first_audio_at = self._turns.now
        response.add_sound(sentence, *sound)

    def play(self, response: Response, sentence: Sentence, samples: np.ndarray) -> None:
        """Sound that is to be heard now."""
        self.playback.append(samples)
        if self.is_pushed:
            where = response.where(sentence.round)
            self.tell(events.OutputAudioDelta(samples=samples, **where))
            if not response.was_heard:
                self._on_heard_first(response)

    def call(self, response: Response, call: Call) -> None:
        """Makes a call on a thread of its own, or leaves it to the client."""
        name = call.item.name
        tool = self._tools.get(name)
        if tool is None:
            call.is_client_s = True
            return
        response.called_tools = True
        self._act(self._turns.handle(turn_events.ToolStarted(reply=response.number)))
        assert not isinstance(call.parsed, str)
        arguments = getattr(call.parsed, "arguments", {})
        post, later = self._engine.post, self._engine.later

        def remind(delay_s: float, words: str) -> None:
            post(lambda: later(delay_s, partial(self._announce, words)))

        def done(future: Future[str]) -> None:
            if not future.cancelled():
                post(partial(self._on_result, response, call, future.result()))

        self._engine.tools.submit(tool.call, arguments, remind).add_done_callback(done)
        late = failure(name, f"it has not returned within {TOOL_TIMEOUT_S:g} s")
        later(TOOL_TIMEOUT_S, partial(self._on_result, response, call, late))

    def go_on(self, response: Response, said: Said) -> None:
        """The results of a round's calls are there: the model writes the next."""
        self._order(self._model.conclude(response, said))
        self._order(
            self._model.reply(
                response, with_turn=False, settings=self.settings.reply, promoted=True
            )
        )

    def made(self, response: Response) -> None:
        """Nothing more will come of a response."""
        self.playback.finish()
        silent = response.modality == "text" or not response.made_samples
        if silent or (self.is_pushed and self._is_manual):
            self._finish(response)

    def tell(self, event: SessionEvent) -> None:
        """Emits an event."""
        if not self._is_closed:
            self._emit(event)

    def new_id(self, prefix: str) -> str:
        """A name for something of this session."""
        return f"{prefix}_{secrets.token_hex(10)}"

    def place(self, item: Item) -> str | None:
        """Puts an item at the end of the list; returns the one before it."""
        return self._items.add(item)

    def update(self, item: Item) -> None:
        """An item has grown."""
        self._items.update(item)

    # --- What the threads report ------------------------------------------------------------------

    def _on_heard(self, samples: int) -> None:
        self._waiting_samples -= samples

    def _on_turn_end_probability(self, pause: int, probability: float) -> None:
        told = turn_events.TurnEndProbability(pause=pause, probability=probability)
        self._act(self._turns.handle(told))

    def _on_moment(self, moment: Moment, number: int) -> None:
        response = self._response
        if response is None or response.number != number or self._is_closed:
            return
        match moment:
            case Moment.STARTED if not response.was_heard:
                self._on_heard_first(response)
            case Moment.LOW:
                self.speak_next(response)
            case Moment.ENDED:
                self._finish(response)

    def _on_heard_first(self, response: Response) -> None:
        """The first of a response is heard: its endpoint stands."""
        response.was_heard = True
        if response.modality == "audio" and not self.is_pushed:
            self.tell(events.PlaybackBegan(response_id=response.id))
        if self._endpoint is not None:
            at, end = self._endpoint
            self._endpoint = None
            voice_end = end - self.settings.turns.first_pause_ms * SAMPLES_PER_MS

            def since(sample: int | None) -> float | None:
                return None if sample is None else (sample - voice_end) / SAMPLES_PER_MS

            self.tell(
                events.LatencyMeasured(
                    response_id=response.id,
                    endpoint_ms=(at - voice_end) / SAMPLES_PER_MS,
                    first_token_ms=since(response.first_token_at),
                    first_audio_ms=since(response.first_audio_at),
                    heard_ms=since(self._turns.now),
                )
            )
        told = turn_events.PlaybackStarted(reply=response.number)
        self._act(self._turns.handle(told))

    def _on_result(self, response: Response, call: Call, result: str) -> None:
        if call.result is None and not response.is_void:
            call.result = result
            self._act(self._turns.handle(turn_events.ToolEnded(reply=response.number)))
            response.check()

    def _on_trimmed(self, item_ids: list[str]) -> None:
        known = tuple(each for each in item_ids if each in self._items)
        for each in known:
            self._items.remove(each)
        self.tell(events.HistoryTrimmed(item_ids=known))

    def _on_error(self, code: str, message: str) -> None:
        self.tell(events.ErrorOccurred(code=code, message=message))

    def _fail_later(self, error: BaseException) -> None:
        self._engine.post(partial(self._end, error))

    # --- The client's wishes ----------------------------------------------------------------------

    def configure(self, settings: SessionSettings) -> None:
        """Goes on with other settings, as if instructions and tools had been so from the start.

        Raises:
            SessionError: a setting that cannot change while the session goes on.
        """
        self._require_open()
        if settings.stream != self.settings.stream:
            raise SessionError("invalid_value", "open another session to change `stream`", "stream")
        self.settings = settings
        self._act(self._turns.configure(settings.turns))

        def how(conversation: Conversation) -> Work[None]:
            conversation.settings = settings.reply
            yield from conversation.instruct(settings.instructions, self._functions)

        self._change(how, self._on_error)

    def commit(self) -> None:
        """Ends the user's turn; nothing is answered unasked.

        Raises:
            SessionError: nothing was said.
        """
        self._require_open()
        self._complete_window()
        self._wish(turn_events.CommitTurn())

    def clear(self) -> None:
        """Drops what was said since the last item."""
        self._require_open()
        had_turn = self._turn is not None
        self._act(self._turns.handle(turn_events.ClearTurn()))
        if not had_turn:
            self.tell(events.InputCleared())

    def create_response(self, how: ResponseSettings | None = None) -> None:
        """Asks for a response to what is in the conversation; an open turn is not.

        Raises:
            SessionError: there is one already.
        """
        self._require_open()
        active = self._response
        if self.is_pushed and active is not None and active.is_made:
            self._finish(active)  # all of it was sent: for all we know it was heard
        self._request = how or ResponseSettings()
        try:
            self._wish(turn_events.RequestReply())
        finally:
            self._request = None

    def cancel_response(self) -> None:
        """Stops the response; what was heard of it stays.

        Raises:
            SessionError: there is none.
        """
        self._require_open()
        self._wish(turn_events.CancelReply())

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Makes an item of the assistant's end where the user stopped hearing it.

        Raises:
            SessionError: there is no such item, or nobody knows what was said where.
        """
        self._require_open()
        responses = [*self._past, *([self._response] if self._response else [])]
        for response in responses:
            round_ = response.message(item_id)
            if round_ is not None:
                break
        else:
            raise SessionError(
                "item_not_found",
                f"there is no spoken item {item_id!r} among the last {REMEMBERED_RESPONSES} "
                "responses",
                "item_id",
            )
        if audio_end_ms < 0:
            raise SessionError("invalid_value", "audio_end_ms must not be negative", "audio_end_ms")
        position = (round_.start_sample or 0) + audio_end_ms * SAMPLE_RATE_HZ // 1000
        if response is self._response:
            self._cut_at = position
            try:
                self._wish(turn_events.CancelReply())
            finally:
                self._cut_at = None
            if self.is_pushed or response.modality == "text":
                return
        said = response.heard(position)[response.rounds.index(round_)]
        self._tell_truncated(item_id, audio_end_ms, said.text)

        def how(conversation: Conversation) -> Work[None]:
            yield from conversation.rewrite(item_id, said.text, said.calls)

        if not said.is_complete:
            self._change(how, self._on_error)

    def add_item(self, item: Item, previous_item_id: str | None = None) -> Item:
        """Puts an item into the conversation: a message, a function call, or its output.

        Args:
            item: without an id, it gets one.
            previous_item_id: behind which it goes, "root" for the first place; by default it is
                the last.

        Raises:
            SessionError: it cannot be used, or there is no such place.
        """
        self._require_open()
        item = replace(item, id=item.id or self.new_id("item"))
        make = entry_maker(item, self._items)
        after = None if previous_item_id == self._items.last_id else previous_item_id
        previous = self._items.add(item, after)
        self.tell(events.ItemAdded(item=item, previous_item_id=previous))
        self.tell(events.ItemDone(item=item, previous_item_id=previous))

        def on_error(code: str, message: str) -> None:
            self._items.remove(item.id)
            self.tell(events.ErrorOccurred(code=code, message=message, item_id=item.id))
            self.tell(events.ItemDeleted(item_id=item.id))

        if make is None:

            def how(conversation: Conversation) -> Work[None]:
                conversation.add_result(item.output)
                yield

            self._change(how, on_error)
        else:
            known = "" if after == "root" else after
            with_draft = self._void_draft()
            self._order(self._model.add(make, known, on_error))
            self._redraft(with_draft)
        return item

    def delete_item(self, item_id: str) -> None:
        """Makes an item never have been.

        Raises:
            SessionError: there is no such item, or it is being made.
        """
        self._require_open()
        if item_id not in self._items:
            raise SessionError("item_not_found", f"there is no item {item_id!r}", "item_id")
        if self._items.get(item_id).status == "in_progress":
            raise SessionError("item_in_progress", "cancel the response first", "item_id")
        self._items.remove(item_id)
        self._change(lambda conversation: conversation.delete(item_id), self._on_error)
        self.tell(events.ItemDeleted(item_id=item_id))

    def item(self, item_id: str) -> Item:
        """An item as it stands.

        Raises:
            SessionError: there is no such item.
        """
        return self._items.get(item_id)

    def close(self) -> None:
        """Ends the session; twice is fine."""
        self._end(None)

    # --- Small parts ------------------------------------------------------------------------------

    @property
    def _is_manual(self) -> bool:
        return self.settings.turns.mode is TurnMode.MANUAL

    @property
    def _functions(self) -> list[Any]:
        """Those that the model may call."""
        if self.settings.tool_choice == "none":
            return []
        return [*(tool.function for tool in self._tools.values()), *self.settings.functions]

    def _order(self, work: Work[None]) -> None:
        self._model_lane.submit(work)

    def _change(
        self, how: Callable[[Conversation], Work[None]], on_error: Callable[[str, str], None]
    ) -> None:
        """Changes the past; a draft that answers the old one is made anew."""
        number = self._void_draft()
        self._order(self._model.change(how, on_error))
        self._redraft(number)

    def _void_draft(self) -> int | None:
        response = self._response
        if response is None or response.is_promoted:
            return None
        self._drop_draft()
        return response.number

    def _redraft(self, number: int | None) -> None:
        if number is not None:
            self._draft(number)

    def _wish(self, told: turn_events.TurnInput) -> None:
        decisions = self._turns.handle(told)
        for decision in decisions:
            if isinstance(decision, turn_events.Refused):
                raise SessionError(*_REFUSALS[decision.reason])
        self._act(decisions)

    def _complete_window(self) -> None:
        """Fills the detector's window with silence, so that it is part of the turn."""
        missing = -self._fed % WINDOW_SAMPLES
        if missing:
            self._fed += missing
            self._act(self._turns.feed(np.zeros(missing, np.float32)))

    def _tell_truncated(self, item_id: str, audio_end_ms: int, heard: str) -> None:
        if item_id in self._items:
            part = Content(kind="output_audio", transcript=heard)
            item = replace(self._items.get(item_id), content=(part,), status="incomplete")
            self.update(item)
            self.tell(events.ItemTruncated(item_id=item_id, audio_end_ms=audio_end_ms, heard=heard))

    def _require_open(self) -> None:
        if self._is_closed:
            raise SessionError("session_closed", "this session has ended; open another one")

    def _end(self, error: BaseException | None) -> None:
        if self._is_closed:
            return
        if self._response is not None:
            self._response.cancelled.set()
        self.playback.stop()
        self._model_lane.close()
        self._speech_lane.close()
        if self._speaker is not None:
            self._speaker.close()
        self._engine.sessions.discard(self)
        self.tell(events.SessionEnded(error=error))
        self._is_closed = True


_REFUSALS = {
    turn_events.RefusalReason.NOTHING_TO_COMMIT: (
        "input_audio_buffer_commit_empty",
        "nothing was said since the last turn; send audio first",
    ),
    turn_events.RefusalReason.REPLY_IS_ACTIVE: (
        "conversation_already_has_active_response",
        "a response is under way; cancel it first",
    ),
    turn_events.RefusalReason.NO_REPLY: (
        "response_cancel_not_active",
        "there is no response to cancel",
    ),
}


def _ms(samples: int) -> int:
    return samples // SAMPLES_PER_MS
