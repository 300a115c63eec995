"""One client: its events go to a session, and what the session tells goes to the client.

Nothing here knows what carries the events. A transport calls `start`, `receive` for every message
in order, and `close`; it sends what it is given.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voice import session_events as told
from voice.session_events import Item, SessionError, SessionEvent
from voice.session_settings import MAX_HEAR_S, ResponseSettings, SessionSettings
from web.realtime import client_events as wanted
from web.realtime.client_events import ClientEvent, event_id_of, parse_client_event
from web.realtime.config import (
    SessionConfig,
    parse_response_config,
    updated,
)
from web.realtime.errors import ProtocolError, from_session
from web.realtime.items import item_json, parse_item
from web.realtime.server_events import Json, ServerEvents
from web.realtime.voice_settings import VoiceDefaults, response_settings, session_settings
from web.realtime.wire_audio import WireDecoder

SESSION_LIFETIME_S = 24 * 3600

_RATE_HZ = 16_000
_SLICE = _RATE_HZ // 2
"""Sound that is judged without a pause: a minute of it would hold up all other clients."""

log = logging.getLogger(__name__)


class Playback(Protocol):
    """What the user hears of a session; see `voice.playback.Playback`, which is one."""

    def read(self, count: int) -> np.ndarray: ...


class VoiceSession(Protocol):
    """What is asked of a session; see `voice.session.Session`, which is one."""

    @property
    def playback(self) -> Playback: ...

    def hear(self, samples: np.ndarray) -> None: ...

    def configure(self, settings: SessionSettings) -> None: ...

    def commit(self) -> None: ...

    def clear(self) -> None: ...

    def create_response(self, how: ResponseSettings | None = None) -> None: ...

    def cancel_response(self) -> None: ...

    def truncate(self, item_id: str, audio_end_ms: int) -> None: ...

    def add_item(self, item: Item, previous_item_id: str | None = None) -> Item: ...

    def delete_item(self, item_id: str) -> None: ...

    def item(self, item_id: str) -> Item: ...

    def close(self) -> None: ...


OpenSession = Callable[[SessionSettings, Callable[[SessionEvent], None], bool], VoiceSession]
"""Opens a session: its settings, where its events go, and whether its playback is pushed.

Raises:
    VoiceError: there is none to be had.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """What carries a connection.

    Attributes:
        send: sends a server event, in order; never blocks.
        ended: called once when the session has ended by itself, with the reason in words.
        is_pushed: whether sound is in the events (WebSocket), or on tracks of its own.
    """

    send: Callable[[Json], None]
    ended: Callable[[str], None]
    is_pushed: bool


class RealtimeConnection:
    """See the module."""

    def __init__(
        self,
        open_session: OpenSession,
        config: SessionConfig,
        defaults: VoiceDefaults,
        transport: Transport,
    ) -> None:
        self.session_id = f"sess_{secrets.token_hex(12)}"
        self.config = config
        self._defaults = defaults
        self._transport = transport
        self._events = ServerEvents(self.session_id, is_pushed=transport.is_pushed)
        self._expires_at = int(time.time()) + SESSION_LIFETIME_S
        self._decoder = WireDecoder(config.audio.input.format)
        self._response: str | None = None
        self._is_playing = False
        self._is_closed = False
        settings = session_settings(config, defaults)
        self.session = open_session(settings, self._on_event, transport.is_pushed)

    @property
    def is_responding(self) -> bool:
        """Whether a response is being made, or is still being heard."""
        return self._response is not None or self._is_playing

    def start(self) -> None:
        """Greets the client; nothing may be sent before."""
        self._transport.send(self._events.session("session.created", self.config, self._expires_at))

    def hear(self, samples: np.ndarray) -> None:
        """Takes in what the user says, float32 mono at 16 kHz; after the end, nothing."""
        if len(samples) and not self._is_closed:
            self.session.hear(samples)

    async def receive(self, message: str) -> None:
        """Carries out one message; whatever is wrong with it, the client is told."""
        if self._is_closed:
            return
        event = None
        try:
            event = parse_client_event(message)
            await self._carry_out(event)
        except ProtocolError as error:
            self.refuse(error, event.event_id if event else event_id_of(message))
        except SessionError as error:
            assert event is not None
            self.refuse(from_session(error, event.type), event.event_id)

    def refuse(self, error: ProtocolError, event_id: str | None = None) -> None:
        """Tells the client of an error."""
        self._transport.send(self._events.error(error, event_id))

    def close(self) -> None:
        """Ends the session; nothing is sent any more. Any number of times."""
        if not self._is_closed:
            self._is_closed = True
            self.session.close()

    # --- The client's wishes ----------------------------------------------------------------------

    async def _carry_out(self, event: ClientEvent) -> None:
        match event:
            case wanted.SessionUpdate(session=changes):
                self._update(changes)
            case wanted.InputAudioAppend(audio=audio):
                await self._append(audio)
            case wanted.InputAudioCommit():
                self.hear(self._decoder.flush())
                self.session.commit()
            case wanted.InputAudioClear():
                self._decoder.flush()
                self.session.clear()
            case wanted.OutputAudioClear():
                self._clear_output()
            case wanted.ItemCreate(item=fields, previous_item_id=previous):
                item = await parse_item(fields, self.config.audio.input.format)
                self.session.add_item(item, previous)
            case wanted.ItemRetrieve(item_id=item_id):
                item = self.session.item(item_id)
                self._transport.send(self._events.retrieved(item_json(item)))
            case wanted.ItemTruncate():
                self.session.truncate(event.item_id, event.audio_end_ms)
            case wanted.ItemDelete(item_id=item_id):
                self.session.delete_item(item_id)
            case wanted.ResponseCreate(response=fields):
                how = response_settings(parse_response_config(fields))
                self.session.create_response(how)
            case wanted.ResponseCancel(response_id=response_id):
                self._cancel(response_id)

    def _update(self, changes: Json) -> None:
        config = updated(self.config, changes)
        self.session.configure(session_settings(config, self._defaults))
        self.config = config
        if config.audio.input.format != self._decoder.format:
            self._decoder = WireDecoder(config.audio.input.format)
        self._transport.send(self._events.session("session.updated", config, self._expires_at))

    async def _append(self, audio: str) -> None:
        if not self._transport.is_pushed:
            raise ProtocolError(
                "unsupported_event",
                "in a call, sound comes by the audio track: input_audio_buffer.append is for "
                "WebSockets",
            )
        samples = self._decoder.decode(audio)
        if len(samples) > MAX_HEAR_S * _RATE_HZ:
            raise ProtocolError(
                "audio_too_long", f"send at most {MAX_HEAR_S} s of audio at once", "audio"
            )
        for start in range(0, len(samples), _SLICE):
            self.hear(samples[start : start + _SLICE])
            await asyncio.sleep(0)  # others have their turn between two slices

    def _clear_output(self) -> None:
        if self._transport.is_pushed:
            raise ProtocolError(
                "unsupported_event",
                "over a WebSocket the client plays: stop, and send conversation.item.truncate",
            )
        with suppress(SessionError):  # nothing to clear is as good as cleared
            self.session.cancel_response()

    def _cancel(self, response_id: str | None) -> None:
        if response_id is not None and response_id != self._response:
            raise ProtocolError(
                "response_cancel_not_active",
                f"Cancellation failed: {response_id!r} is not being made",
                "response_id",
            )
        self.session.cancel_response()

    # --- What the session tells -------------------------------------------------------------------

    def _on_event(self, event: SessionEvent) -> None:
        if self._is_closed:
            return
        self._note(event)
        for made in self._events.of(event, self.config):
            self._transport.send(made)
        if isinstance(event, told.SessionEnded):
            self._end(event.error)

    def _end(self, error: BaseException | None) -> None:
        self._is_closed = True
        if error is None:
            self._transport.ended("the session was closed")
            return
        log.error("session %s ended", self.session_id, exc_info=error)
        self.refuse(ProtocolError("session_failed", str(error), kind="server_error"))
        self._transport.ended("the session failed")

    def _note(self, event: SessionEvent) -> None:
        """Keeps in mind whether a response is under way."""
        match event:
            case told.ResponseCreated(response=response):
                self._response = response.id
            case told.ResponseDone():
                self._response = None
            case told.PlaybackBegan():
                self._is_playing = True
            case told.PlaybackEnded() | told.PlaybackCleared():
                self._is_playing = False
