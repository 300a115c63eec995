"""Turn scenarios as text: what happens on the sample clock, and what must be decided when.

Times are in ms (16 samples each). A file holds scenarios, a scenario lines:

    ## A title that states the behaviour
    settings silence_ms=400               before the first sample
    turn_detection {"type": "server_vad"} the same, in the words of the Realtime API
    silence 500                           unvoiced sound
    voice 800                             voiced sound
    tell PlaybackStarted reply=1          an input of `streaming.events`
    reconfigure silence_ms=900            other settings from now on
    > 564 SpeechStarted turn=1 start=264  what the line above decides, at which ms, all of it
    = paused drafting                     the states of user and assistant
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from streaming import events
from streaming.events import TurnEvent, TurnInput
from streaming.turn_settings import SAMPLES_PER_MS, TurnMode, TurnSettings
from streaming.turns import TurnMachine

DIRECTORY = Path(__file__).with_name("turns")
_POSITIONS = ("at", "start", "end", "pause", "interjection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line, and the lines below it that say what it leads to."""

    line: str
    expected: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    title: str
    steps: list[Step]

    @property
    def settings(self) -> TurnSettings:
        settings = TurnSettings()
        for step in self.steps:
            verb, _, rest = step.line.partition(" ")
            if verb == "settings":
                settings = changed(settings, rest)
            elif verb == "turn_detection":
                settings = TurnSettings.from_turn_detection(json.loads(rest))
        return settings


def read(file: Path) -> list[Scenario]:
    scenarios: list[Scenario] = []
    for line in map(str.strip, file.read_text(encoding="utf-8").splitlines()):
        if line.startswith("## "):
            scenarios.append(Scenario(title=line[3:], steps=[]))
        elif line.startswith(">"):
            scenarios[-1].steps[-1].expected.append(line[1:].strip())
        elif line.startswith("="):
            scenarios[-1].steps[-1].states.append(line[1:].strip())
        elif line and not line.startswith("#"):
            scenarios[-1].steps.append(Step(line=line))
    return scenarios


def read_all() -> dict[str, Scenario]:
    return {
        f"{file.stem}: {scenario.title}": scenario
        for file in sorted(DIRECTORY.glob("*.txt"))
        for scenario in read(file)
    }


def take(machine: TurnMachine, line: str, pieces: Iterable[int] = ()) -> list[TurnEvent]:
    """Does what a line says; a stretch of sound in pieces of so many samples, the rest at once."""
    verb, _, rest = line.partition(" ")
    if verb in ("silence", "voice"):
        left, decisions = round(float(rest) * SAMPLES_PER_MS), []
        for piece in pieces:
            if not left:
                break
            decisions += machine.hear(min(piece, left), verb == "voice")
            left -= min(piece, left)
        return decisions + machine.hear(left, verb == "voice")
    if verb == "tell":
        return machine.handle(read_input(rest))
    if verb == "reconfigure":
        return machine.configure(changed(machine.settings, rest))
    assert verb in ("settings", "turn_detection"), line
    return []


def read_input(text: str) -> TurnInput:
    kind, *values = text.split()
    given = {name: json.loads(value) for name, value in (each.split("=") for each in values)}
    for name in _POSITIONS:
        if name in given:
            given[name] = round(given[name] * SAMPLES_PER_MS)
    told: TurnInput = getattr(events, kind)(**given)
    return told


def changed(settings: TurnSettings, text: str) -> TurnSettings:
    values: dict[str, Any] = {}
    for name, value in (each.split("=") for each in text.split()):
        values[name] = TurnMode(value) if name == "mode" else json.loads(value)
    return replace(settings, **values)


def write(decision: TurnEvent) -> str:
    """A decision as scenarios have it."""
    return " ".join(
        [f"{decision.at / SAMPLES_PER_MS:g}", type(decision).__name__, *_rest(decision)]
    )


def _rest(decision: TurnEvent) -> Iterator[str]:
    for each in fields(decision):
        value = getattr(decision, each.name)
        if each.name in _POSITIONS and each.name != "at":
            yield f"{each.name}={value / SAMPLES_PER_MS:g}"
        elif each.name != "at":
            yield f"{each.name}={value.value if isinstance(value, Enum) else value}"
