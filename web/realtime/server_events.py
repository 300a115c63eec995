"""What a session tells, as the server events of the Realtime API."""

import itertools
from typing import Any

from voice import session_events as told
from voice.session_events import ResponseInfo, SessionEvent, Usage
from web.realtime.config import (
    FLOOR_EVENTS,
    HISTORY_EVENTS,
    LATENCY_EVENTS,
    TOOL_EVENTS,
    SessionConfig,
)
from web.realtime.errors import ProtocolError
from web.realtime.items import content_json, item_json
from web.realtime.wire_audio import WireEncoder

Json = dict[str, Any]

OUTPUT_RATE_HZ = 24_000
"""Of the sound in the session's events."""


class ServerEvents:
    """Makes server events, in order and numbered.

    Args:
        session_id: of the session they tell of.
        is_pushed: whether the client plays what events carry (WebSocket), or hears it on a track.
    """

    def __init__(self, session_id: str, *, is_pushed: bool) -> None:
        self._session_id = session_id
        self._is_pushed = is_pushed
        self._numbers = itertools.count(1)
        self._encoders: dict[str, WireEncoder] = {}

    def session(self, kind: str, config: SessionConfig, expires_at: int) -> Json:
        """`session.created` or `session.updated`."""
        session = {
            "id": self._session_id,
            "object": "realtime.session",
            **config.as_json(),
            "expires_at": expires_at,
        }
        return self._event(kind, session=session)

    def error(self, error: ProtocolError, event_id: str | None = None) -> Json:
        """`error`, about the client event of that id."""
        return self._event("error", error=error.as_json(event_id))

    def retrieved(self, item: Json) -> Json:
        """`conversation.item.retrieved`."""
        return self._event("conversation.item.retrieved", item=item)

    def of(self, event: SessionEvent, config: SessionConfig) -> list[Json]:
        """The events that tell the client what the session told; none if it is not its affair."""
        match event:
            case told.OutputAudioDelta():
                return self._audio(event, config)
            case told.OutputAudioDone():
                return [*self._rest_of_audio(event), self._part_event(event, "output_audio.done")]
        made = self._user_side(event) or self._items(event) or self._response(event, config)
        return made or self._extensions(event, config)

    # --- One method for each group of `voice.session_events` --------------------------------------

    def _user_side(self, event: SessionEvent) -> list[Json]:
        match event:
            case told.InputSpeechStarted(item_id=item_id, audio_start_ms=start):
                return self._input("speech_started", item_id=item_id, audio_start_ms=start)
            case told.InputSpeechStopped(item_id=item_id, audio_end_ms=end):
                return self._input("speech_stopped", item_id=item_id, audio_end_ms=end)
            case told.InputCommitted(item_id=item_id, previous_item_id=previous):
                return self._input("committed", item_id=item_id, previous_item_id=previous)
            case told.InputCleared():
                return self._input("cleared")
            case told.InputTimedOut():
                return self._input(
                    "timeout_triggered",
                    item_id=event.item_id,
                    audio_start_ms=event.audio_start_ms,
                    audio_end_ms=event.audio_end_ms,
                )
            case told.InputTranscriptDelta(delta=delta):
                return self._transcription(event, "delta", delta=delta)
            case told.InputTranscriptDone(transcript=transcript, seconds=seconds):
                usage = {"type": "duration", "seconds": seconds}
                return self._transcription(event, "completed", transcript=transcript, usage=usage)
            case told.InputTranscriptFailed(code=code, message=message):
                error = {"type": "server_error", "code": code, "message": message, "param": None}
                return self._transcription(event, "failed", error=error)
        return []

    def _items(self, event: SessionEvent) -> list[Json]:
        match event:
            case told.ItemAdded(item=item, previous_item_id=previous):
                return self._item("added", item=item_json(item), previous_item_id=previous)
            case told.ItemDone(item=item, previous_item_id=previous):
                return self._item("done", item=item_json(item), previous_item_id=previous)
            case told.ItemDeleted(item_id=item_id):
                return self._item("deleted", item_id=item_id)
            case told.ItemTruncated():
                return self._item(
                    "truncated",
                    item_id=event.item_id,
                    content_index=event.content_index,
                    audio_end_ms=event.audio_end_ms,
                )
        return []

    def _response(self, event: SessionEvent, config: SessionConfig) -> list[Json]:
        match event:
            case told.ResponseCreated(response=response):
                return [self._event("response.created", response=self._info(response, config))]
            case told.ResponseDone(response=response):
                self._encoders.clear()
                return [self._event("response.done", response=self._info(response, config))]
            case told.OutputItemAdded() | told.OutputItemDone():
                added = isinstance(event, told.OutputItemAdded)
                return [
                    self._event(
                        f"response.output_item.{'added' if added else 'done'}",
                        response_id=event.response_id,
                        output_index=event.output_index,
                        item=item_json(event.item),
                    )
                ]
            case told.ContentPartAdded(part=part):
                return [self._part_event(event, "content_part.added", part=_part_json(part))]
            case told.ContentPartDone(part=part):
                return [self._part_event(event, "content_part.done", part=_part_json(part))]
            case told.OutputTextDelta(delta=delta):
                return [self._part_event(event, f"{_text_kind(event)}.delta", delta=delta)]
            case told.OutputTextDone(text=text, is_transcript=is_transcript):
                field = {"transcript" if is_transcript else "text": text}
                return [self._part_event(event, f"{_text_kind(event)}.done", **field)]
            case told.FunctionCallArguments():
                return self._function_call(event)
            case told.PlaybackBegan(response_id=response_id):
                return self._playback("started", response_id)
            case told.PlaybackEnded(response_id=response_id):
                return self._playback("stopped", response_id)
            case told.PlaybackCleared(response_id=response_id):
                return self._playback("cleared", response_id)
            case told.ErrorOccurred(code=code, message=message):
                return [self.error(ProtocolError(code, message, kind="server_error"))]
        return []

    def _extensions(self, event: SessionEvent, config: SessionConfig) -> list[Json]:
        match event:
            case told.FloorChanged() if config.includes(FLOOR_EVENTS):
                return [
                    self._event(
                        FLOOR_EVENTS,
                        user=event.user,
                        assistant=event.assistant,
                        audio_ms=event.audio_ms,
                    )
                ]
            case told.LatencyMeasured() if config.includes(LATENCY_EVENTS):
                return [
                    self._event(
                        LATENCY_EVENTS,
                        response_id=event.response_id,
                        speech_end_ms=event.speech_end_ms,
                        endpoint_ms=event.endpoint_ms,
                        first_token_ms=event.first_token_ms,
                        first_audio_ms=event.first_audio_ms,
                        heard_ms=event.heard_ms,
                    )
                ]
            case told.ToolCalled() if config.includes(TOOL_EVENTS):
                return [
                    self._event(
                        TOOL_EVENTS,
                        response_id=event.response_id,
                        call_id=event.call_id,
                        name=event.name,
                        arguments=event.arguments,
                        output=event.result,
                    )
                ]
            case told.HistoryTrimmed() if config.includes(HISTORY_EVENTS):
                return [
                    self._event(
                        HISTORY_EVENTS, item_ids=list(event.item_ids), summary=event.summary or None
                    )
                ]
        return []

    # --- Sound ------------------------------------------------------------------------------------

    def _audio(self, event: told.OutputAudioDelta, config: SessionConfig) -> list[Json]:
        if not self._is_pushed:
            return []
        encoder = self._encoders.get(event.item_id)
        if encoder is None:
            encoder = WireEncoder(config.audio.output.format, OUTPUT_RATE_HZ)
            self._encoders[event.item_id] = encoder
        delta = encoder.encode(event.samples)
        return [self._part_event(event, "output_audio.delta", delta=delta)] if delta else []

    def _rest_of_audio(self, event: told.OutputAudioDone) -> list[Json]:
        encoder = self._encoders.pop(event.item_id, None)
        delta = encoder.flush() if encoder else ""
        return [self._part_event(event, "output_audio.delta", delta=delta)] if delta else []

    # --- Shapes -----------------------------------------------------------------------------------

    def _event(self, kind: str, **fields: Any) -> Json:
        return {"type": kind, "event_id": f"event_{next(self._numbers)}", **fields}

    def _input(self, kind: str, **fields: Any) -> list[Json]:
        return [self._event(f"input_audio_buffer.{kind}", **fields)]

    def _item(self, kind: str, **fields: Any) -> list[Json]:
        return [self._event(f"conversation.item.{kind}", **fields)]

    def _transcription(self, event: Any, kind: str, **fields: Any) -> list[Json]:
        return self._item(
            f"input_audio_transcription.{kind}",
            item_id=event.item_id,
            content_index=event.content_index,
            **fields,
        )

    def _part_event(self, event: Any, kind: str, **fields: Any) -> Json:
        return self._event(
            f"response.{kind}",
            response_id=event.response_id,
            item_id=event.item_id,
            output_index=event.output_index,
            content_index=event.content_index,
            **fields,
        )

    def _function_call(self, event: told.FunctionCallArguments) -> list[Json]:
        fields = {
            "response_id": event.response_id,
            "item_id": event.item_id,
            "output_index": event.output_index,
            "call_id": event.call_id,
        }
        kind = "response.function_call_arguments"
        return [
            self._event(f"{kind}.delta", **fields, delta=event.arguments),
            self._event(f"{kind}.done", **fields, name=event.name, arguments=event.arguments),
        ]

    def _playback(self, kind: str, response_id: str) -> list[Json]:
        if self._is_pushed:
            return []
        return [self._event(f"output_audio_buffer.{kind}", response_id=response_id)]

    def _info(self, response: ResponseInfo, config: SessionConfig) -> Json:
        output = config.audio.output
        return {
            "id": response.id,
            "object": "realtime.response",
            "status": response.status,
            "status_details": _status_details(response),
            "output": [item_json(item) for item in response.output],
            "conversation_id": f"conv_{self._session_id}",
            "output_modalities": [response.modality],
            "max_output_tokens": config.max_output_tokens,
            "audio": {"output": {"format": output.format.model_dump(), "voice": output.voice_name}},
            "usage": usage_json(response.usage) if response.usage else None,
            "metadata": dict(response.metadata) if response.metadata is not None else None,
        }


def usage_json(usage: Usage) -> Json:
    """Tokens of a response as the API counts them."""
    text_tokens = usage.input_tokens - usage.input_audio_tokens
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": text_tokens,
            "audio_tokens": usage.input_audio_tokens,
            "image_tokens": 0,
            "cached_tokens": usage.cached_tokens,
        },
        "output_token_details": {
            "text_tokens": usage.output_tokens,
            "audio_tokens": 0,
            "reasoning_tokens": usage.reasoning_tokens,
        },
    }


def _status_details(response: ResponseInfo) -> Json | None:
    if response.status in ("in_progress", "completed"):
        return None
    details: Json = {"type": response.status}
    if response.error is not None:
        code, message = response.error
        details["error"] = {"type": "server_error", "code": code, "message": message}
    if response.reason is not None:
        # Clients know no other word for a reply that ran out of room.
        full = response.reason == "context_full"
        details["reason"] = "max_output_tokens" if full else response.reason
    return details


def _part_json(part: told.Content) -> Json:
    """A part as `response.content_part.*` carry it: there it is named shortly."""
    fields = content_json(part)
    fields["type"] = {"output_audio": "audio", "output_text": "text"}.get(part.kind, part.kind)
    return fields


def _text_kind(event: told.OutputTextDelta | told.OutputTextDone) -> str:
    return "output_audio_transcript" if event.is_transcript else "output_text"
