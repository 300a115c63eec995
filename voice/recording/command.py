"""What `parley replay` does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice.commands import UsageError, load_assistant
from voice.errors import VoiceError

if TYPE_CHECKING:
    from voice.assistant import Assistant
    from voice.recording.files import Recording
    from voice.recording.outcome import Outcome
    from voice.session_settings import SessionSettings
    from voice.tts.synthesizer import Synthesizer, VoiceSettings


class ReplayDiffers(VoiceError):
    """A replay is not what was recorded."""


def replay(options: argparse.Namespace) -> None:
    """`parley replay`."""
    from voice.recording.files import Recording, find_recordings
    from voice.recording.lines import check_head
    from voice.recording.replay import Replay
    from voice.recording.setup import differences, setup

    recordings = [Recording(folder) for folder in find_recordings(options.recordings)]
    change = changing(options.set)
    loaded: dict[str, Assistant] = {}
    different = 0
    for recording in recordings:
        check_head(recording.session)
        model = options.model or str(recording.session.get("model", "builtin"))
        if model not in loaded:
            loaded.clear()
            _take_over(options, model, recording)
            loaded[model] = load_assistant(options)
        tts = str(recording.session.get("tts", "espeak"))
        outcome = Replay(recording, loaded[model], _voice(tts), change).run()
        here = setup(loaded[model], model=model, tts=tts)
        otherwise = differences(recording.session, here) if outcome.difference else []
        different += outcome.difference is not None
        if options.json:
            print(json.dumps(as_json(recording, outcome, otherwise)), flush=True)
        else:
            print(f"{recording.folder}: {told(outcome)}", flush=True)
            for each in otherwise:
                print(f"  it may be because {each}")
    if different:
        raise ReplayDiffers(f"{different} of {len(recordings)} replays differ from the recording")


def changing(assignments: Sequence[str]) -> Callable[[SessionSettings], SessionSettings]:
    """How settings are changed by assignments such as `turns.silence_ms=300`.

    Raises:
        UsageError: one that is none.
    """
    from voice.session_settings import SessionSettings

    wanted = []
    for each in assignments:
        name, equals, text = each.partition("=")
        if not equals:
            raise UsageError(f"--set {each}: give NAME=VALUE, such as turns.silence_ms=300")
        wanted.append((name.split("."), text))

    def change(settings: SessionSettings) -> SessionSettings:
        for path, text in wanted:
            settings = _changed(settings, path, text, ".".join(path))
        return settings

    change(SessionSettings())  # what is wrong is said before anything is loaded
    return change


def told(outcome: Outcome) -> str:
    """What came of a replay, for people."""
    counts = outcome.compared
    decisions = sum(counts.values()) - counts["reports"]
    what = (
        f"{decisions:,} decisions and events, {counts['reports']:,} reports of threads, "
        f"{outcome.tokens:,} tokens"
    )
    if outcome.difference is None:
        return f"equal: {outcome.seconds:.1f} s, {what}."
    return f"DIFFERS after {what}.\n  {outcome.difference}"


def as_json(recording: Recording, outcome: Outcome, otherwise: Sequence[str]) -> dict[str, Any]:
    """What came of a replay, for programs."""
    return {
        "recording": str(recording.folder),
        "equal": outcome.difference is None,
        "seconds": outcome.seconds,
        "tokens": outcome.tokens,
        "compared": dict(outcome.compared),
        "difference": asdict(outcome.difference) if outcome.difference else None,
        "otherwise": list(otherwise),
    }


def _changed(settings: Any, path: Sequence[str], text: str, whole: str) -> Any:
    name, *rest = path
    names = [each.name for each in fields(settings)]
    if name not in names:
        raise UsageError(f"--set {whole}: there is no {name!r}; there are {', '.join(names)}")
    old = getattr(settings, name)
    if is_dataclass(old):
        if not rest:
            inner = ", ".join(f"{name}.{each.name}" for each in fields(old))
            raise UsageError(f"--set {whole}: name one of {inner}")
        return replace(settings, **{name: _changed(old, rest, text, whole)})
    if rest:
        raise UsageError(f"--set {whole}: {name} has no parts")
    try:
        return replace(settings, **{name: _value(old, text)})
    except (TypeError, ValueError) as error:
        raise UsageError(f"--set {whole}={text}: {error}") from error


def _value(old: Any, text: str) -> Any:
    if isinstance(old, Enum):
        return type(old)(text)
    if isinstance(old, str):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("give a number, true, false or null") from None
    return float(value) if isinstance(old, float) and isinstance(value, int) else value


def _take_over(options: argparse.Namespace, model: str, recording: Recording) -> None:
    """Loads the model in the way in which it was loaded then, unless asked otherwise."""
    machine = recording.session.get("machine")
    machine = machine if isinstance(machine, dict) else {}
    options.model = model
    options.device = options.device or machine.get("device")
    options.dtype = options.dtype or machine.get("dtype")
    options.threads = options.threads or machine.get("threads")


def _voice(tts: str) -> Callable[[VoiceSettings], Synthesizer] | None:
    from voice.tts.synthesizer import open_synthesizer

    if tts == "none":
        return None
    return lambda settings: open_synthesizer(tts, settings)


def add_replay(
    subparsers: Any, add_model_options: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Adds `parley replay` to the command line."""
    parser = subparsers.add_parser(
        "replay",
        help="go through recorded sessions again, and compare every decision and token",
        description="Goes through sessions that --record has written, without a clock: what came "
        "in comes in again, and all decisions, tokens and sounds are computed anew. Prints the "
        "first that differs; the exit status is 1 then.",
    )
    parser.set_defaults(run=replay)
    parser.add_argument(
        "recordings", nargs="+", type=Path, metavar="DIR", help="a recording, or a folder of them"
    )
    add_model_options(parser)
    parser.set_defaults(model=None)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another setting than was recorded, such as turns.silence_ms=300; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON per recording")
