"""What the terminal shows: captions of both sides, and a line that lives.

Lines that are complete stay, in the order of the conversation: what the user said is known only
after the answer has begun. Where the output is no terminal there are these lines alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from voice import session_events as events
from voice.session_events import SessionEvent

METER = " ▁▂▃▄▅▆▇█"
LOUDEST_DB, QUIETEST_DB = -10, -60
FLOOR = {
    "drafting": "a pause",
    "thinking": "Parley is thinking",
    "speaking": "Parley speaks",
    "held": "somebody speaks",
}


@dataclass(slots=True)
class Line:
    """An item that is shown.

    Attributes:
        who: "You" or "Parley".
        text: so far.
        is_complete: whether it can be printed for good.
        response_id: of Parley's lines.
    """

    who: str
    text: str = ""
    is_complete: bool = False
    response_id: str = ""


class Captions:
    """What was said, from the events; pure.

    Args:
        sound_ms: on top of what the session measures: until sound leaves the loudspeaker, and that
            of the user came.
    """

    def __init__(self, sound_ms: int = 0) -> None:
        self.sound_ms = sound_ms
        self.lines: dict[str, Line] = {}
        """By item, those that are not printed yet, in the order of the conversation."""
        self.floor = "listening"
        self.heard_ms: float | None = None
        self._latency: dict[str, str] = {}
        self._cleared = ""

    def on(self, event: SessionEvent) -> list[str]:
        """Takes an event; returns the lines that are complete by it."""
        notes: list[str] = []
        if self._cleared and not isinstance(event, events.ItemTruncated):
            # What was cut off is told at once: the rest was heard to its end.
            self._complete(self._cleared)
            self._cleared = ""
        match event:
            case events.InputCommitted(item_id=item):
                self.lines[item] = Line("You")
            case events.InputTranscriptDelta(item_id=item, delta=delta) if item in self.lines:
                self.lines[item].text += delta
            case events.InputTranscriptDone(item_id=item, transcript=said) if item in self.lines:
                self.lines[item].text, self.lines[item].is_complete = said or "…", True
            case events.InputTranscriptFailed(item_id=item) if item in self.lines:
                self.lines[item].text, self.lines[item].is_complete = "…", True
            case events.ItemDeleted(item_id=item):
                self.lines.pop(item, None)
            case events.OutputItemAdded(item=item, response_id=response):
                if item.kind == "message":
                    self.lines[item.id] = Line("Parley", response_id=response)
            case events.OutputTextDelta(item_id=item, delta=delta) if item in self.lines:
                self.lines[item].text += delta
            case events.ItemTruncated(item_id=item, heard=heard) if item in self.lines:
                self.lines[item].text = f"{heard.rstrip()} –" if heard.strip() else ""
            case events.PlaybackEnded(response_id=response):
                self._complete(response)
            case events.PlaybackCleared(response_id=response):
                self._cleared = response
            case events.ResponseDone(response=response) if response.modality == "text":
                self._complete(response.id)
            case events.ToolCalled(name=name, arguments=arguments, result=None):
                notes.append(f"({name} {arguments})")
            case events.HistoryTrimmed(item_ids=items) if items:
                notes.append("(what was said first is no longer known to the model)")
            case events.ErrorOccurred(message=message):
                notes.append(f"({message})")
            case events.FloorChanged(user=user, assistant=assistant):
                self.floor = _floor(user, assistant)
            case events.LatencyMeasured(response_id=response, heard_ms=heard) if heard is not None:
                self.heard_ms = heard + self.sound_ms
                self._latency[response] = f"  ({self.heard_ms:.0f} ms)"
        return notes + self._take_complete()

    def _complete(self, response: str) -> None:
        for line in self.lines.values():
            if line.response_id == response:
                line.is_complete = True

    def _take_complete(self) -> list[str]:
        taken = []
        for item, line in list(self.lines.items()):
            if not line.is_complete:
                break
            del self.lines[item]
            if line.text.strip():
                taken.append(self.shown(line))
        return taken

    def shown(self, line: Line) -> str:
        """A line as it is printed."""
        latency = self._latency.get(line.response_id, "")
        return f"{line.who:7} {line.text.strip()}{latency}"


def _floor(user: str, assistant: str) -> str:
    if user in ("speaking", "resuming") or (assistant == "idle" and user == "paused"):
        return "you speak"
    return FLOOR.get(assistant, "listening")


def meter(level: float, width: int = 8) -> str:
    """A level (RMS of full scale) as a bar."""
    db = 20 * math.log10(max(level, 1e-9))
    share = min(1.0, max(0.0, (db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)))
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (METER[rest] if full < width else "")).ljust(width)


class Screen:
    """Shows captions and notes; a context, in which the live line is alive.

    Args:
        console: to print on.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.captions = Captions()
        self.level, self.is_muted, self.troubles = 0.0, False, ""
        self._live = (
            Live(
                console=console,
                get_renderable=self._render,
                refresh_per_second=10,
                transient=True,
            )
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
        for line in self.captions.lines.values():
            if line.text:
                self.note(self.captions.shown(line))

    def on(self, event: SessionEvent) -> None:
        """Takes an event of the session."""
        for line in self.captions.on(event):
            self.note(line)

    def note(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(Text(text), soft_wrap=True)

    def _render(self) -> Group:
        # On the thread of `Live`; what changes meanwhile is shown the next time.
        captions = self.captions
        growing = [Text(captions.shown(line)) for line in tuple(captions.lines.values())]
        latency = "" if captions.heard_ms is None else f" │ answered in {captions.heard_ms:.0f} ms"
        muted = " │ muted" if self.is_muted else ""
        status = f"{meter(self.level)} │ {captions.floor}{muted}{latency}{self.troubles}"
        return Group(*growing, Text(status, style="dim", no_wrap=True, overflow="ellipsis"))
