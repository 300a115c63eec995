"""The assistant's side of a session: drafts, replies, what they say, call and play.

A response is a draft until its turn has ended; then it is promoted, and ends by being heard to its
end or by being interrupted. `voice.response` knows what a response consists of; here is what
becomes of it outside: speech, playback, calls, and the history on the model thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from streaming import events as turn_events
from streaming.turn_settings import SAMPLES_PER_MS
from streaming.turn_table import Assistant as AssistantState
from streaming.turn_table import User as UserState
from voice import session_events as events
from voice.decoding import ReplySettings
from voice.memory import NamedWork, Work
from voice.model_side import Said
from voice.playback import LOW_WATER_S, SAMPLE_RATE_HZ, Moment, Playback
from voice.response import Response, Sentence
from voice.response_ladder import Call
from voice.session_core import SessionCore
from voice.session_events import Content, Item
from voice.session_observer import Played
from voice.session_settings import ResponseSettings
from voice.speech import Speaker, SpokenWord
from voice.tool_runner import ToolRunner
from voice.tools import failure
from voice.tts.synthesizer import SynthesisError, VoiceSettings

RETRY_ANNOUNCEMENT_S = 1.0
REMEMBERED_RESPONSES = 4
"""The last so many can be truncated by the ms; of older ones nobody knows where the words are."""


class Responder:
    """See the module.

    Attributes:
        playback: what the user hears.
        response: the one that is drafted, made or heard.
        request: how the next one is to be, while the client asks for it.
        cut_at: the sample where an interruption cuts; None: where the playback is.
        endpoint: sample of the last endpoint, and one past the last of its turn, until the reply
            is first heard.
    """

    def __init__(self, core: SessionCore) -> None:
        engine = core.engine
        self._core = core
        self.playback = Playback(self._report_moment, self._played)
        self.response: Response | None = None
        self.request: ResponseSettings | None = None
        self.cut_at: int | None = None
        self.endpoint: tuple[int, int] | None = None
        self._filled = 0
        self._past: deque[Response] = deque(maxlen=REMEMBERED_RESPONSES)
        self._speaker = Speaker(engine.open_voice) if engine.open_voice else None
        self._lane = engine.speech.open_lane(core.fail)
        self._tools = ToolRunner(core, self.announce)

    @property
    def recent(self) -> list[Response]:
        """The responses whose words have known places, the last one last."""
        return [*self._past, *([self.response] if self.response else [])]

    def prepare(self) -> None:
        """The user begins to speak: starts the voice, which takes longer than a first sentence."""
        if self._speaker is not None and self._core.settings.modality == "audio":
            self._lane.submit(self._speaker.prepare(self._core.settings.voice))

    def draft(self, number: int) -> None:
        """Has a reply decoded on a fork, and its first sentence spoken; both are held."""
        how = self.request or ResponseSettings()
        if self.request is not None and not self._core.is_manual:
            self.endpoint = None  # it answers no turn that has just ended
        functions = self._core.functions
        modality = how.modality or self._core.settings.modality
        if self._speaker is None:
            modality = "text"
        self.response = Response(self, number, modality, functions, how.metadata)
        settings = self.response.settings = self._reply_settings(how)
        self._core.order(
            self._core.model.reply(
                self.response,
                with_turn=self.request is None,
                settings=settings,
                instructions=how.instructions,
                script=how.script,
            )
        )

    def drop_draft(self) -> None:
        """The draft is void: nothing of it has happened."""
        response, self.response = self.response, None
        assert response is not None
        response.cut_off("turn_detected")
        self._core.order(self._core.model.drop(response))

    def promote(self) -> None:
        """The draft is the reply: it speaks, and its calls are made."""
        response = self.response
        assert response is not None
        self.playback.begin(response.number)
        self._core.order(self._core.model.promote(response))
        response.promote()
        self.speak_next(response)

    def interrupt(self, reason: events.StatusReason) -> None:
        """Against the stream, ear first: playback, producers, rollback, history."""
        response, self.response = self.response, None
        assert response is not None
        position = self.playback.stop()
        if self.cut_at is not None:
            position = min(self.cut_at, response.made_samples)
        for each in response.rounds:
            for call in each.calls:
                if call.result is None and not call.is_client_s:
                    call.result = failure(call.item.name, "the user interrupted it")
                    response.ladder.tell_call(call)
        heard = response.heard(position)
        said = heard[: len(response.rounds)]  # the rest is nothing to the model
        response.cut_off(reason)
        earlier = [each for each in said[:-1] if not each.is_complete]
        self._core.order(self._core.model.conclude(response, said[-1], earlier))
        self._keep(response)
        if response.modality == "text":
            return
        if not self._core.is_pushed:
            self._core.tell(events.PlaybackCleared(response_id=response.id))
        for each, part in zip(response.messages, heard, strict=True):
            if each.output_index is not None and not part.is_complete:
                start = each.start_sample
                length = max(0, position - start) if start is not None else 0
                self.tell_truncated(each.item_id, length * 1000 // SAMPLE_RATE_HZ, part.text)

    def finish(self, response: Response) -> None:
        """The response has been heard to its end."""
        if self.response is not response:
            return
        self.response = None
        said = response.heard(response.made_samples)[len(response.rounds) - 1]
        if not response.is_failed:
            said = replace(said, text=response.round.text, is_complete=True)
        self._core.order(self._core.model.conclude(response, said))
        self._keep(response)
        if response.modality == "audio" and not self._core.is_pushed:
            self._core.tell(events.PlaybackEnded(response_id=response.id))
        self._core.inform(turn_events.ReplyEnded(reply=response.number, failed=response.is_failed))

    def _keep(self, response: Response) -> None:
        """A response is history."""
        self._past.append(response)
        if self._core.settings.context == "summarise":
            self._core.order(self._core.model.summarise(), at_leisure=True)

    def fill(self) -> None:
        """A tool takes long: says that it takes a moment."""
        fillers = self._core.settings.fillers
        if self.response is not None and fillers and self.playback.waiting_s == 0:
            self.response.say(fillers[self._filled % len(fillers)])
            self._filled += 1

    def announce(self, words: str) -> None:
        """Says something of the session's own accord as soon as nobody has the floor."""
        if self._core.is_closed:
            return
        idle = self._core.turns.assistant is AssistantState.IDLE
        if idle and (self._core.is_manual or self._core.turns.user is UserState.SILENT):
            self.request = ResponseSettings(script=words)
            self._core.inform(turn_events.RequestReply())
            self.request = None
        else:
            self._core.later(RETRY_ANNOUNCEMENT_S, partial(self.announce, words))

    def withdraw(self, item_id: str) -> None:
        """The user goes on with the turn that is answered, as another item; nothing was heard."""
        response, self.response = self.response, None
        assert response is not None
        self.playback.stop()
        response.cut_off("turn_detected")
        self._core.order(self._core.model.withdraw(response, item_id))

    def remake_draft(self, change: Callable[[], None]) -> None:
        """Changes the past; a draft that answers the old one is made anew."""
        draft = self.response
        if draft is None or draft.is_promoted:
            change()
            return
        self.drop_draft()
        change()
        self.draft(draft.number)

    def tell_truncated(self, item_id: str, audio_end_ms: int, heard: str) -> None:
        """Tells that an item ends where the user stopped hearing it."""
        items = self._core.items
        if item_id in items:
            part = Content(kind="output_audio", transcript=heard)
            items.update(replace(items.get(item_id), content=(part,), status="incomplete"))
            self._core.tell(
                events.ItemTruncated(item_id=item_id, audio_end_ms=audio_end_ms, heard=heard)
            )

    def close(self) -> None:
        """Ends what is under way; nothing more is told."""
        if self.response is not None:
            self.response.cancelled.set()
        self.playback.stop()
        self._lane.close()
        if self._speaker is not None:
            self._speaker.close()

    def _reply_settings(self, how: ResponseSettings) -> ReplySettings:
        settings = self._core.settings.reply
        if how.max_new_tokens is not None:
            settings = replace(settings, max_new_tokens=how.max_new_tokens)
        if settings.temperature > 0.0 and settings.seed is None:
            settings = replace(settings, seed=self._core.new_seed())
        return settings

    # --- What a response needs --------------------------------------------------------------------

    def tell(self, event: events.SessionEvent) -> None:
        """Emits an event."""
        self._core.tell(event)

    def new_id(self, prefix: str) -> str:
        """A name for something of the session."""
        return self._core.new_id(prefix)

    def place(self, item: Item) -> str | None:
        """Puts an item at the end of the list; returns the one before it."""
        return self._core.items.add(item)

    def update(self, item: Item) -> None:
        """An item has grown."""
        self._core.items.update(item)

    def speak_next(self, response: Response) -> None:
        """Has the next sentence spoken, if one waits and the playback is not well filled."""
        if response.first_token_at is None and response.rounds[0].text:
            response.first_token_at = self._core.turns.now
        if response.modality == "text":
            if response.is_promoted and response.rounds[0].text and not response.was_heard:
                self._on_heard_first(response)
            return
        index = response.next_sentence
        if response.is_void or response.is_speaking or index >= len(response.sentences):
            return
        if not response.is_promoted and index > 0:
            return
        if (
            not self._core.is_pushed
            and response.is_promoted
            and self.playback.waiting_s > LOW_WATER_S
        ):
            return
        response.next_sentence, response.is_speaking = index + 1, True
        name, settings = self._core.name_work("speak"), self._core.settings.voice
        work = self._speak(response, response.sentences[index], name, settings)
        self._lane.submit(NamedWork(name, work))

    def _speak(
        self, response: Response, sentence: Sentence, name: str, settings: VoiceSettings
    ) -> Work[None]:
        """Work for the speech thread."""
        post = partial(self._core.post, name)
        assert self._speaker is not None

        def on_sound(samples: np.ndarray, words: list[SpokenWord]) -> None:
            call = partial(self._add_sound, response, sentence, samples, words)
            post(call, **_sound_facts(samples, words))

        try:
            yield from self._speaker.speak(
                sentence.text,
                settings,
                response.cancelled,
                on_sound,
                lambda: post(partial(response.spoken, sentence)),
                at_once=sentence is response.sentences[0],
            )
        except SynthesisError as error:
            message = str(error)
            post(partial(response.fail, "speech_failed", message), error=message)

    def _add_sound(self, response: Response, sentence: Sentence, *sound: Any) -> None:
        if response.first_audio_at is None:
            response.first_audio_at = self._core.turns.now
        response.add_sound(sentence, *sound)

    def play(self, response: Response, sentence: Sentence, samples: np.ndarray) -> None:
        """Sound that is to be heard now."""
        self.playback.append(samples)
        if self._core.is_pushed:
            where = response.ladder.where(sentence.round)
            self._core.tell(events.OutputAudioDelta(samples=samples, **where))
            if not response.was_heard:
                self._on_heard_first(response)

    def call(self, response: Response, call: Call) -> None:
        """Makes a call on a thread of its own, or leaves it to the client."""
        name = call.item.name
        tool = self._core.tools.get(name)
        # What was called cannot be taken back: the endpoint stands.
        self._core.inform(turn_events.ToolStarted(reply=response.number))
        if tool is None:
            call.is_client_s = True
            response.ladder.add_call(call)
            self._core.inform(turn_events.ToolEnded(reply=response.number))
            return
        response.ladder.tell_call(call)
        assert not isinstance(call.parsed, str)
        arguments = getattr(call.parsed, "arguments", {})
        self._tools.run(tool, arguments, partial(self._on_result, response, call))

    def go_on(self, response: Response, said: Said) -> None:
        """The results of a round's calls are there: the model writes the next."""
        self._core.order(self._core.model.conclude(response, said))
        self._core.order(
            self._core.model.reply(
                response, with_turn=False, settings=response.settings, promoted=True
            )
        )

    def made(self, response: Response) -> None:
        """Nothing more will come of a response."""
        self.playback.finish()
        silent = response.modality == "text" or not response.made_samples
        if silent or (self._core.is_pushed and self._core.is_manual):
            self.finish(response)

    def _report_moment(self, moment: Moment, number: int) -> None:
        call = partial(self._on_moment, moment, number)
        self._core.post("playback", call, moment=moment.name, reply=number)

    def _played(self, samples: np.ndarray) -> None:
        with self._core.outside(Played(samples=samples)):
            pass

    def _on_moment(self, moment: Moment, number: int) -> None:
        response = self.response
        if response is None or response.number != number or self._core.is_closed:
            return
        match moment:
            case Moment.STARTED if not response.was_heard:
                self._on_heard_first(response)
            case Moment.LOW:
                self.speak_next(response)
            case Moment.ENDED:
                self.finish(response)

    def _on_heard_first(self, response: Response) -> None:
        """The first of a response is heard: its endpoint stands."""
        response.was_heard = True
        if response.modality == "audio" and not self._core.is_pushed:
            self._core.tell(events.PlaybackBegan(response_id=response.id))
        if self.endpoint is not None:
            at, end = self.endpoint
            self.endpoint = None
            pause_ms = 0 if self._core.is_manual else self._core.settings.turns.first_pause_ms
            voice_end = end - pause_ms * SAMPLES_PER_MS

            def since(sample: int | None) -> float | None:
                return None if sample is None else (sample - voice_end) / SAMPLES_PER_MS

            self._core.tell(
                events.LatencyMeasured(
                    response_id=response.id,
                    speech_end_ms=voice_end // SAMPLES_PER_MS,
                    endpoint_ms=(at - voice_end) / SAMPLES_PER_MS,
                    first_token_ms=since(response.first_token_at),
                    first_audio_ms=since(response.first_audio_at),
                    heard_ms=since(self._core.turns.now),
                )
            )
        self._core.inform(turn_events.PlaybackStarted(reply=response.number))

    def _on_result(self, response: Response, call: Call, result: str) -> None:
        if call.result is None and not response.is_void:
            call.result = result
            response.ladder.tell_call(call)
            self._core.inform(turn_events.ToolEnded(reply=response.number))
            response.check()


def _sound_facts(samples: np.ndarray, words: list[SpokenWord]) -> dict[str, Any]:
    return {
        "samples": len(samples),
        "digest": sha256(samples.tobytes()).hexdigest()[:16],
        "words": [[each.start_sample, each.end_sample, each.end] for each in words],
    }
