"""One conversation over the devices of this machine, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voice.errors import DeviceUnavailable
from voice.microphone.alarm import parrots
from voice.microphone.canceller import WebRtcCanceller
from voice.microphone.devices import NAMES, Device
from voice.microphone.echo import EchoMode, EchoPath
from voice.microphone.frames import FRAME_MS
from voice.microphone.pump import Pump, lead_frames
from voice.microphone.screen import Screen
from voice.microphone.streams import LATENCY_MS, LoudspeakerStream, MicrophoneStream
from voice.session_events import (
    InputSpeechStarted,
    InputTranscriptDone,
    OutputTextDelta,
    PlaybackBegan,
    PlaybackCleared,
    PlaybackEnded,
    ResponseCreated,
    SessionEnded,
    SessionEvent,
)

if TYPE_CHECKING:
    from voice.session import Session
    from voice.session_settings import SessionSettings

STALLED_S = 5.0
"""A device that is open and gives no sign for so long has gone."""
_LOOK_S = 0.5
RECENT_MS = 1500
"""After the end of a reply, within which a turn may still be its echo."""

ALARM_NOTE = (
    "The assistant hears itself: from now on the microphone is muted while it speaks. "
    "Headphones, or a lower volume, let you interrupt it."
)


@dataclass(frozen=True, slots=True)
class Devices:
    """To talk with."""

    microphone: Device
    loudspeaker: Device


class Parroting:
    """Whether the user's turns are but the assistant's words; from events, see `parrots`."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}  # by response, of the last and the one before it
        self._sounding = ""
        self._ended_ms: int | None = None  # None while it sounds
        self._suspects: dict[str, str] = {}  # by turn, what was said before or under it

    def on(self, event: SessionEvent, now_ms: int) -> bool:
        """Takes an event and the time of the microphone; true where the assistant heard itself."""
        match event:
            case ResponseCreated(response=response):
                self._said = {**dict(list(self._said.items())[-1:]), response.id: ""}
            case OutputTextDelta(response_id=response_id, delta=delta):
                self._said[response_id] = self._said.get(response_id, "") + delta
            case PlaybackBegan(response_id=response_id):
                self._sounding, self._ended_ms = response_id, None
            case PlaybackEnded() | PlaybackCleared():
                self._ended_ms = now_ms
            case InputSpeechStarted(item_id=item):
                is_recent = self._ended_ms is None or now_ms - self._ended_ms < RECENT_MS
                if self._sounding and is_recent:
                    self._suspects[item] = self._said.get(self._sounding, "")
            case InputTranscriptDone(item_id=item, transcript=heard):
                return parrots(heard, self._suspects.pop(item, ""))
        return False


class Talk:
    """See the module.

    Args:
        open_session: as `voice.opening.open_session_of` makes it.
        settings: of the session.
        devices: to talk with.
        mode: what is done against echo.
        screen: to show it on.
        latency_ms: asked of the devices.
    """

    def __init__(
        self,
        open_session: Callable[..., Session],
        settings: SessionSettings,
        devices: Devices,
        mode: EchoMode,
        screen: Screen,
        latency_ms: int = LATENCY_MS,
    ) -> None:
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._woken, self._stopped = asyncio.Event(), asyncio.Event()
        self._ended: SessionEnded | None = None
        self._parroting = Parroting()
        self._session = open_session(settings, self._on_event, False)
        self._microphone = MicrophoneStream(devices.microphone, self._wake, latency_ms)
        self._loudspeaker = LoudspeakerStream(devices.loudspeaker, self._wake, latency_ms)
        self._lead = lead_frames(latency_ms)
        self._mode = mode
        self._path: EchoPath | None = None
        self._pump: Pump | None = None

    async def run(self) -> None:
        """Talks until `stop`.

        Raises:
            DeviceUnavailable: a device cannot be opened, or has gone.
            BaseException: what the session, or a callback, has died of.
        """
        try:
            # The loudspeaker first: its silence is needed before the first frame is heard.
            self._loudspeaker.start()
            self._microphone.start()
            # That of the microphone is no more than a bound, until it is measured.
            delay_ms = self._loudspeaker.latency_ms
            canceller = WebRtcCanceller() if self._mode == "cancelled" else None
            self._path = EchoPath(self._mode, canceller, delay_ms=delay_ms)
            self._pump = Pump(
                self._session, self._path, self._microphone, self._loudspeaker, self._lead
            )
            await self._pumping()
        finally:
            self._microphone.close()
            self._loudspeaker.close()
            self._session.close()

    def stop(self) -> None:
        """Ends the conversation."""
        self._stopped.set()
        self._woken.set()

    @property
    def _gaps(self) -> int:
        """Of both devices, so far."""
        return self._microphone.gaps + self._loudspeaker.gaps

    async def _pumping(self) -> None:
        assert self._pump is not None
        assert self._path is not None
        frames, since_s = 0, self._loop.time()
        had_alarm, gaps = False, 0
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_S)
            self._woken.clear()
            for stream in (self._microphone, self._loudspeaker):
                if stream.failure is not None:
                    raise stream.failure
            if self._ended is not None:
                if self._ended.error is not None:
                    raise self._ended.error
                return
            if self._gaps > gaps:
                gaps = self._gaps
                self._path.start_anew()
            self._pump.step()
            if self._path.has_alarm and not had_alarm:
                had_alarm = True
                self._screen.note(ALARM_NOTE)
            self._show()
            now_s = self._loop.time()
            if self._pump.frames > frames:
                frames, since_s = self._pump.frames, now_s
            elif now_s - since_s > STALLED_S:
                device = self._microphone.device
                raise DeviceUnavailable(
                    f"the {NAMES[device.kind]} {device.name!r} has given no sound for "
                    f"{STALLED_S:.0f} s: connect it again, or choose another --input-device"
                )

    def _show(self) -> None:
        assert self._pump is not None
        assert self._path is not None
        delay_ms = self._loudspeaker.latency_ms + self._microphone.latency_ms
        self._path.set_delay(delay_ms)
        self._screen.captions.sound_ms = self._lead * FRAME_MS + delay_ms
        self._screen.level = self._pump.level
        self._screen.is_muted = self._path.is_muted
        counts = {
            "lost from the microphone": self._microphone.dropped_frames,
            "late for the loudspeaker": self._loudspeaker.missing_frames,
        }
        found = [f"{self._gaps} gaps"] if self._gaps else []
        found += [f"{FRAME_MS * count} ms {what}" for what, count in counts.items() if count]
        self._screen.troubles = f" │ {', '.join(found)}" if found else ""

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, SessionEnded):
            self._ended = event
            self._woken.set()
        self._screen.on(event)
        now_ms = self._pump.frames * FRAME_MS if self._pump is not None else 0
        if self._parroting.on(event, now_ms) and self._path is not None:
            self._path.raise_alarm()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody is left to be woken
            self._loop.call_soon_threadsafe(self._woken.set)
