"""One client: its events go to a session, and what the session tells goes to the client.

Nothing here knows what carries the events. A transport calls `start`, `receive` for every message
in order, and `close`; it sends what it is given.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from voice import session_events as told
from voice.session_events import Item, SessionError, SessionEvent
from web.media.interface import AudioSource
from web.realtime import client_events as wanted
from web.realtime.client_events import ClientEvent, event_id_of, parse_client_event
from web.realtime.config import (
    SessionConfig,
    parse_response_config,
    updated,
)
from web.realtime.errors import ProtocolError
from web.realtime.items import item_json, parse_item
from web.realtime.server_events import Json, ServerEvents
from web.realtime.wire_audio import WireDecoder

MAX_ITEMS = 4096
"""Items that can be retrieved; of longer conversations the oldest cannot."""

SESSION_LIFETIME_S = 24 * 3600

log = logging.getLogger(__name__)


class VoiceSession(Protocol):
    """What is asked of a session; `voice.session.Session` is one."""

    @property
    def playback(self) -> AudioSource:
        """Where the sound to play comes from."""

    def hear(self, samples: np.ndarray) -> None:
        """Takes sound in."""

    def configure(self, config: Any) -> None:
        """Changes settings."""

    def commit(self) -> None:
        """Ends the user's turn."""

    def clear(self) -> None:
        """Drops the user's turn."""

    def create_response(self, overrides: Any) -> None:
        """Answers."""

    def cancel_response(self) -> None:
        """Ends the response."""

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cuts an item to what was heard."""

    def add_item(self, item: Item, after: str | None = None) -> None:
        """Adds an item."""

    def delete_item(self, item_id: str) -> None:
        """Deletes an item."""

    def close(self) -> None:
        """Ends the session."""


OpenSession = Callable[[SessionConfig, Callable[[SessionEvent], None], bool], VoiceSession]
"""Opens a session: its configuration, where its events go, and whether its playback is pushed.

Raises:
    SessionError: there is no room for one.
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
        self, open_session: OpenSession, config: SessionConfig, transport: Transport
    ) -> None:
        self.session_id = f"sess_{secrets.token_hex(12)}"
        self.config = config
        self._transport = transport
        self._events = ServerEvents(self.session_id, is_pushed=transport.is_pushed)
        self._expires_at = int(time.time()) + SESSION_LIFETIME_S
        self._decoder = WireDecoder(config.audio.input.format)
        self._items: dict[str, Item] = {}
        self._response: str | None = None
        self._is_closed = False
        self.session = open_session(config, self._on_event, transport.is_pushed)

    def start(self) -> None:
        """Greets the client; nothing may be sent before."""
        self._transport.send(self._events.session("session.created", self.config, self._expires_at))

    async def receive(self, message: str) -> None:
        """Carries out one message; whatever is wrong with it, the client is told."""
        if self._is_closed:
            return
        event_id = None
        try:
            event = parse_client_event(message)
            event_id = event.event_id
            await self._carry_out(event)
        except ProtocolError as error:
            self.refuse(error, event_id or event_id_of(message))
        except SessionError as error:
            refused = ProtocolError(error.code, error.message, error.param)
            self.refuse(refused, event_id)

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
                self._append(audio)
            case wanted.InputAudioCommit():
                self._hear(self._decoder.flush())
                self.session.commit()
            case wanted.InputAudioClear():
                self._decoder.flush()
                self.session.clear()
            case wanted.OutputAudioClear():
                self._clear_output()
            case wanted.ItemCreate(item=fields, previous_item_id=previous):
                item = await parse_item(fields, self.config.audio.input.format)
                self._add(item, previous)
            case wanted.ItemRetrieve(item_id=item_id):
                item = self._known(item_id)
                self._transport.send(self._events.retrieved(item_json(item)))
            case wanted.ItemTruncate():
                self._truncate(event)
            case wanted.ItemDelete(item_id=item_id):
                self._known(item_id)
                self.session.delete_item(item_id)
            case wanted.ResponseCreate(response=fields):
                self.session.create_response(parse_response_config(fields))
            case wanted.ResponseCancel(response_id=response_id):
                self._cancel(response_id)

    def _update(self, changes: Json) -> None:
        config = updated(self.config, changes)
        self.session.configure(config)
        self.config = config
        if config.audio.input.format != self._decoder.format:
            self._decoder = WireDecoder(config.audio.input.format)
        self._transport.send(self._events.session("session.updated", config, self._expires_at))

    def _append(self, audio: str) -> None:
        if not self._transport.is_pushed:
            raise ProtocolError(
                "unsupported_event",
                "in a call, sound comes by the audio track: input_audio_buffer.append is for "
                "WebSockets",
            )
        self._hear(self._decoder.decode(audio))

    def _hear(self, samples: np.ndarray) -> None:
        if len(samples):
            self.session.hear(samples)

    def _clear_output(self) -> None:
        if self._transport.is_pushed:
            raise ProtocolError(
                "unsupported_event",
                "over a WebSocket the client plays: stop, and send conversation.item.truncate",
            )
        self.session.cancel_response()

    def _add(self, item: Item, previous: str | None) -> None:
        if item.id and item.id in self._items:
            raise ProtocolError(
                "item_exists", f"there is an item {item.id!r} already: use another id", "item.id"
            )
        if previous is not None and previous != "root":
            self._known(previous, "previous_item_id")
        self.session.add_item(item, previous)

    def _truncate(self, event: wanted.ItemTruncate) -> None:
        item = self._known(event.item_id)
        if item.role != "assistant" or event.content_index >= max(1, len(item.content)):
            raise ProtocolError(
                "invalid_value",
                "only the spoken part of an assistant's message can be truncated",
                "content_index" if item.role == "assistant" else "item_id",
            )
        self.session.truncate(event.item_id, event.audio_end_ms)

    def _cancel(self, response_id: str | None) -> None:
        if response_id is not None and response_id != self._response:
            raise ProtocolError(
                "response_cancel_not_active",
                f"{response_id!r} is not being made: there is nothing to cancel",
                "response_id",
            )
        self.session.cancel_response()

    def _known(self, item_id: str, param: str = "item_id") -> Item:
        item = self._items.get(item_id)
        if item is None:
            raise ProtocolError(
                "item_not_found", f"there is no item {item_id[:80]!r} in the conversation", param
            )
        return item

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
        """Keeps what the client may ask for later."""
        match event:
            case told.ItemAdded(item=item) | told.ItemDone(item=item):
                self._items[item.id] = _to_keep(item, self._items.get(item.id))
                while len(self._items) > MAX_ITEMS:
                    del self._items[next(iter(self._items))]
            case told.ItemDeleted(item_id=item_id):
                self._items.pop(item_id, None)
            case told.ItemTruncated(item_id=item_id, heard=text):
                self._set_transcript(item_id, event.content_index, text)
            case told.InputTranscriptDone(item_id=item_id, transcript=text):
                self._set_transcript(item_id, event.content_index, text)
            case told.ResponseCreated(response=response):
                self._response = response.id
            case told.ResponseDone():
                self._response = None

    def _set_transcript(self, item_id: str, index: int, text: str) -> None:
        item = self._items.get(item_id)
        if item is None or index >= len(item.content):
            return
        content = list(item.content)
        content[index] = replace(content[index], transcript=text)
        self._items[item_id] = replace(item, content=tuple(content))


def _to_keep(item: Item, before: Item | None) -> Item:
    """Without sound and pictures, which nobody asks for again; with transcripts known before."""
    known = [part.transcript for part in before.content] if before else []
    known += [None] * (len(item.content) - len(known))
    content = (
        replace(part, audio=None, image=None, transcript=part.transcript or transcript)
        for part, transcript in zip(item.content, known, strict=False)
    )
    return replace(item, content=tuple(content))
