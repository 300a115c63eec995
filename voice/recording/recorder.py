"""The observer that writes a session down."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from PIL.Image import Image

from streaming.events import SpeechAudio
from streaming.vad import SAMPLING_RATE
from voice.playback import SAMPLE_RATE_HZ
from voice.recording.codec import Json, Media, plain
from voice.recording.files import EVENTS, FORMAT, HEARD, SESSION, SPOKEN, RecordingError, WavWriter
from voice.session_events import SessionEnded
from voice.session_observer import Beginning, Happening, Heard, Input, Played, Report, Wished

FLUSH_EVERY_SAMPLES = SAMPLING_RATE
"""Of the microphone: a second."""


class Recorder:
    """Writes one session into a folder of its own; see `voice.recording.files`.

    Everything is called on one thread, which is also to read the playback: else nobody knows what
    had been heard when something happened.

    Args:
        parent: where the folder is made.
        setup: what else the session was opened with; see `voice.recording.setup`.
    """

    def __init__(self, parent: Path, setup: Mapping[str, Any]) -> None:
        self.folder: Path | None = None
        self._parent, self._setup = parent, setup
        self._thread = threading.get_ident()
        self._attachments = self._flushed = 0
        self._events: TextIO | None = None

    def began(self, beginning: Beginning) -> None:
        """See `SessionObserver`."""
        now = datetime.now().astimezone()
        name = f"{now:%Y-%m-%dT%H-%M-%S}-{beginning.session_id}"
        self.folder = self._parent / name
        try:
            self.folder.mkdir(mode=0o700)
            self._heard = WavWriter(self.folder / HEARD, SAMPLING_RATE)
            self._spoken = WavWriter(self.folder / SPOKEN, SAMPLE_RATE_HZ)
            self._events = _open_text(self.folder / EVENTS)
            tools = [{**tool.function, "reminds": tool.reminds} for tool in beginning.tools]
            session = {
                "format": FORMAT,
                "began": now.isoformat(timespec="milliseconds"),
                **{
                    each: getattr(beginning, each)
                    for each in ("session_id", "seed", "is_pushed", "judge", "scorer")
                },
                "settings": plain(beginning.settings, self._keep),
                "tools": plain(tools),
                **self._setup,
            }
            with _open_text(self.folder / SESSION) as file:
                json.dump(session, file, ensure_ascii=False, indent=1)
        except OSError as error:
            raise self._broken(error) from error

    def entered(self, what: Input, *, is_nested: bool) -> None:
        """See `SessionObserver`."""
        self._require_thread()
        match what:
            case Heard(samples=samples):
                self._sound(self._heard, samples)
                self._line({"in": "silence" if is_nested else "sound", "samples": len(samples)})
                if self._heard.samples - self._flushed >= FLUSH_EVERY_SAMPLES:
                    self._flush()
            case Played(samples=samples):
                self._sound(self._spoken, samples)
                if not is_nested:
                    self._line({"in": "read", "samples": len(samples)})
            case Wished(name=name, arguments=arguments) if not is_nested:
                given = plain(arguments, self._keep)
                self._line({"in": "wish", "name": name, "arguments": given})
            case Report(source=source, facts=facts) if not is_nested:
                self._line({"in": "report", "source": source, "facts": plain(facts)})

    def happened(self, at: int, what: Happening) -> None:
        """See `SessionObserver`."""
        self._require_thread()
        if isinstance(what, SpeechAudio):
            return  # it is in `heard.wav`
        self._line({"at": at, **plain(what)})
        if isinstance(what, SessionEnded):
            self._close()

    def _keep(self, media: Media) -> Json:
        assert self.folder is not None
        self._attachments += 1
        stem = f"attachment-{self._attachments}"
        if isinstance(media, Image):
            name = f"{stem}.png"
            media.save(self.folder / name)
        else:
            name = f"{stem}.wav"
            writer = WavWriter(self.folder / name, SAMPLING_RATE)
            writer.write(media)
            writer.close()
        return {"file": name}

    def _sound(self, file: WavWriter, samples: np.ndarray) -> None:
        try:
            file.write(samples)
        except OSError as error:
            raise self._broken(error) from error

    def _line(self, line: Json) -> None:
        assert self._events is not None
        try:
            json.dump(line, self._events, ensure_ascii=False, separators=(",", ":"))
            self._events.write("\n")
        except OSError as error:
            raise self._broken(error) from error

    def _flush(self) -> None:
        assert self._events is not None
        self._flushed = self._heard.samples
        try:
            for sound in (self._heard, self._spoken):
                sound.flush()
            self._events.flush()
        except OSError as error:
            raise self._broken(error) from error

    def _close(self) -> None:
        assert self._events is not None
        try:
            for file in (self._heard, self._spoken, self._events):
                file.close()
        except OSError as error:
            raise self._broken(error) from error

    def _broken(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"the recording {self.folder} cannot be written ({error.strerror}): the session ends"
        )

    def _require_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise RecordingError(
                "a session that is recorded is fed and read on the event loop's thread alone"
            )


def _open_text(file: Path) -> TextIO:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8")
