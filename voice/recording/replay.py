"""Goes through a recorded session again, without a clock and without threads, and compares.

What came in comes in again, in the same order, and everything between is computed anew: voice
activity, decisions, tokens, sound. Only what the outside world said is taken from the recording:
the results of tools, which have effects, and when a timer was over.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from PIL import Image as images

from streaming.events import SpeechAudio
from streaming.vad import SAMPLING_RATE
from voice.assistant import Assistant
from voice.recording.codec import Json, Media, check_types, plain, restored
from voice.recording.files import EVENTS, HEARD, SESSION, Recording, RecordingError
from voice.recording.lines import check_head, check_line
from voice.recording.outcome import Difference, Outcome
from voice.recording.replay_engine import ReplayEngine
from voice.session import Session
from voice.session_events import SessionError
from voice.session_observer import Beginning, Happening, Input
from voice.session_settings import SessionSettings
from voice.tools import Tool
from voice.tts.synthesizer import Synthesizer, VoiceSettings
from voice.turn_end import open_judge

Change = Callable[[SessionSettings], SessionSettings]
"""What is to be otherwise in the settings of a replay."""

STATES = "FloorChanged"
WISHES = frozenset(
    "configure commit clear create_response cancel_response truncate add_item delete_item "
    "close".split()
)


class _Onlooker:
    """Collects what comes of each thing that comes in."""

    def __init__(self) -> None:
        self.seen: list[Json] = []

    def began(self, beginning: Beginning) -> None: ...

    def entered(self, what: Input, *, is_nested: bool) -> None: ...

    def happened(self, at: int, what: Happening) -> None:
        if not isinstance(what, SpeechAudio):
            self.seen.append({"at": at, **plain(what)})


class Replay:
    """One recording, gone through again.

    Args:
        recording: to go through.
        assistant: the model that answered then.
        open_voice: the synthesiser that spoke then; None if none did.
        change: of the settings, at the beginning and wherever the client changed them.

    Raises:
        RecordingError: the recording cannot be read.
    """

    def __init__(
        self,
        recording: Recording,
        assistant: Assistant,
        open_voice: Callable[[VoiceSettings], Synthesizer] | None,
        change: Change = lambda settings: settings,
    ) -> None:
        self.outcome = Outcome()
        self._recording, self._change = recording, change
        check_head(recording.session)
        self._heard = recording.sound(HEARD, SAMPLING_RATE)
        self._position = 0
        self._states: Difference | None = None
        self._events = []
        for number, event in enumerate(recording.events(), start=1):
            check_line(event, f"{EVENTS}, line {number}")
            self._events.append(event)
        reports = [event for event in self._events if event.get("in") == "report"]
        self._engine = ReplayEngine(assistant, open_voice, reports)
        self._onlooker = _Onlooker()
        head = recording.session
        try:
            self._session = Session(
                self._engine,
                lambda event: None,
                settings=change(self._settings(head["settings"])),
                playback="pushed" if head["is_pushed"] else "pulled",
                tools=[_tool(each) for each in head["tools"]],
                judge=open_judge(assistant, head.get("turn_end", "auto")),
                observer=self._onlooker,
                seed=head["seed"],
            )
        except ValueError as error:
            raise RecordingError(
                f"{recording.folder} was opened as no session can be: {error}"
            ) from error

    def run(self) -> Outcome:
        """Goes through it, up to the first difference.

        Raises:
            RecordingError: the recording cannot be read.
        """
        try:
            for given, happened, filled in self._groups():
                self.outcome.difference = self._step(given, happened)
                self._position += filled
                if self.outcome.difference is not None:
                    break
            else:
                self.outcome.difference = self._states
        finally:
            self._session.close()
            self._engine.close()
        self.outcome.seconds = self._position / SAMPLING_RATE
        return self.outcome

    def _groups(self) -> Iterator[tuple[Json, list[Json], int]]:
        """Each thing that came in, all that came of it, and the samples that were filled in."""
        given: Json | None = None
        happened: list[Json] = []
        filled = 0
        for event in self._events:
            if event.get("in") == "silence":
                filled += int(event["samples"])
            elif "in" in event:
                if given is not None:
                    yield given, happened, filled
                given, happened, filled = event, [], 0
            elif given is not None:
                happened.append(event)
        if given is not None:
            yield given, happened, filled

    def _step(self, given: Json, happened: list[Json]) -> Difference | None:
        self._onlooker.seen = []
        self._engine.work_ahead()
        difference = self._take(given)
        if difference is None:
            difference = self._compare(happened)
        return difference

    # --- In ---------------------------------------------------------------------------------------

    def _take(self, given: Json) -> Difference | None:
        try:
            match given:
                case {"in": "sound", "samples": int(count)}:
                    self._session.hear(self._next_sound(count))
                case {"in": "read", "samples": int(count)}:
                    self._session.playback.read(count)
                case {"in": "wish", "name": str(name), "arguments": dict(arguments)}:
                    self._wish(name, arguments)
                case {"in": "report", "source": str(source), "facts": dict(facts)}:
                    return self._report(source, facts)
                case _:
                    raise RecordingError(f"the recording holds an unknown input: {given}")
        except SessionError:
            pass  # so it was then, or the comparison tells
        return None

    def _next_sound(self, count: int) -> np.ndarray:
        start, self._position = self._position, self._position + count
        if count < 0 or self._position > len(self._heard):
            raise RecordingError(f"{HEARD} is shorter than the session was")
        return self._heard[start : self._position]

    def _wish(self, name: str, arguments: Mapping[str, Any]) -> None:
        if name not in WISHES:
            raise RecordingError(f"the recording holds an unknown wish {name!r}")
        given = {key: self._restored(value) for key, value in arguments.items()}
        if name == "configure" and isinstance(given.get("settings"), SessionSettings):
            given["settings"] = self._change(given["settings"])
        method = getattr(self._session, name)
        try:
            inspect.signature(method).bind(**given)
            check_types(method, given)
        except (TypeError, ValueError) as error:
            raise RecordingError(f"the recording holds a wish that cannot be: {error}") from error
        method(**given)

    def _report(self, source: str, facts: Json) -> Difference | None:
        self._bring_in(source, facts)
        report = self._engine.take(source)
        if report is None:
            return self._difference(source, facts, None)
        replayed = plain(report.facts)
        if replayed != facts:
            return self._difference(source, facts, replayed)
        self.outcome.compared["reports"] += 1
        self.outcome.tokens += len(facts.get("tokens", ()))
        report()
        return None

    def _bring_in(self, source: str, facts: Mapping[str, Any]) -> None:
        """What the outside world said then, it says now."""
        kind, _, number = source.rpartition("-")
        if source == "remind":
            self._engine.outside.remind(float(facts["delay_s"]), str(facts["words"]))
        elif kind == "tool" and number.isdigit():
            futures = self._engine.outside.futures
            if 0 < int(number) <= len(futures) and not futures[int(number) - 1].done():
                futures[int(number) - 1].set_result(str(facts.get("result")))

    # --- Out --------------------------------------------------------------------------------------

    def _compare(self, recorded: Sequence[Json]) -> Difference | None:
        """The first difference; where the states alone differ, a decision will before long."""
        replayed = self._onlooker.seen
        found = self._first(recorded, replayed)
        if found is not None and found.name == STATES:
            self._states = self._states or found
            found = self._first(*(_without_states(side) for side in (recorded, replayed)))
        if found is None:
            self.outcome.compared.update(str(each.get("is")) for each in replayed)
        return found

    def _first(self, recorded: Sequence[Json], replayed: Sequence[Json]) -> Difference | None:
        for theirs, ours in zip_longest(recorded, replayed):
            if theirs != ours:
                return self._difference(str((ours or theirs).get("is")), theirs, ours)
        return None

    def _difference(self, name: str, recorded: Json | None, replayed: Json | None) -> Difference:
        at = (replayed or recorded or {}).get("at", self._position)
        return Difference(name=name, at=int(at), recorded=recorded, replayed=replayed)

    def _settings(self, value: Any) -> SessionSettings:
        settings = self._restored(value)
        if not isinstance(settings, SessionSettings):
            raise RecordingError(f"{SESSION} has no settings of a session")
        return settings

    def _restored(self, value: Any) -> Any:
        return restored(value, self._load)

    def _load(self, name: str) -> Media:
        path = self._recording.path(name)
        if path.suffix == ".png":
            try:
                with images.open(path) as picture:
                    return picture.convert("RGB")
            except (OSError, SyntaxError, ValueError, images.DecompressionBombError) as error:
                raise RecordingError(f"{path} is no picture: {error}") from error
        return self._recording.sound(name, SAMPLING_RATE)


def _without_states(happened: Sequence[Json]) -> list[Json]:
    return [each for each in happened if each.get("is") != STATES]


def _tool(described: Mapping[str, Any]) -> Tool:
    function = described["function"]
    return Tool(
        name=function["name"],
        description=function["description"],
        parameters=function["parameters"],
        run=lambda **arguments: None,
        reminds=bool(described.get("reminds")),
    )
