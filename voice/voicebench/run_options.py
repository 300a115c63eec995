"""The options of `parley voicebench run` as settings and engine."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from voice.voicebench.settings import PRESETS, SYSTEM_PROMPTS, RunSettings

if TYPE_CHECKING:
    from voice.voicebench.engine import Engine
    from voice.voicebench.live_engine import LiveEngine, LiveServer


class ServeLive(Protocol):
    """Starts the server of a package that this one does not know, for a live run."""

    def __call__(
        self, options: argparse.Namespace, settings: RunSettings, *, spoken: bool, sessions: int
    ) -> AbstractContextManager[LiveServer]:
        """Serves while the block lasts; the options are those that load a model."""


def run_settings(options: argparse.Namespace) -> RunSettings:
    """The settings that the options ask for.

    Raises:
        ValueError: options that do not go together, or a value that cannot be.
        EngineUnusable: a server that has to be asked for its model's name is not there.
    """
    if options.url and not options.served_name:
        raise ValueError("--url needs --served-name: what the server calls the model")
    _check_live(options)
    name = options.model_name or (options.served_name if options.url else options.model)
    if options.live and not options.model_name:
        from voice.voicebench.live_engine import named_server

        name = named_server(options.live, api_key(options)).identity["served_model"]
    values: dict[str, Any] = dict(PRESETS.get(options.preset or "", {}))
    given = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_new_tokens": options.max_new_tokens,
        "thinking": None if options.thinking is None else options.thinking == "on",
        "system": _system_prompt(options.system_prompt),
    }
    values |= {name: value for name, value in given.items() if value is not None}
    if options.modality == "ttft":
        values["max_new_tokens"] = 1
    return RunSettings(
        model=str(name),
        modality=options.modality,
        hearing=options.hearing or ("whole" if options.live is None else "live"),
        choice_hint=options.mcq_hint,
        seed=options.seed,
        **values,
    )


def _check_live(options: argparse.Namespace) -> None:
    """Options that do not go together.

    Raises:
        ValueError: there are some; the message names the remedy.
    """
    if options.live is None:
        given = [name for name in ("turns", "pace", "spoken") if getattr(options, name)]
        if given:
            raise ValueError(f"--{given[0]} is for live runs: add --live")
        return
    if options.url:
        raise ValueError("--live and --url ask two servers: give one of them")
    if options.hearing:
        raise ValueError("--hearing is for runs that are not live: leave it out, or --live")
    if not options.live and options.serve_live is None:
        raise ValueError(
            "python -m voice has no server of its own: run parley (python -m web), or name one "
            "with --live URL"
        )
    if options.live and (options.temperature, options.top_p) != (None, None):
        raise ValueError(
            "--temperature and --top-p are set where the server is started: leave them out"
        )


def _system_prompt(name: str | None) -> str | None:
    if name is None or name in SYSTEM_PROMPTS:
        return SYSTEM_PROMPTS[name] if name else None
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(
            f"--system-prompt {name} is none of {', '.join(SYSTEM_PROMPTS)} and no file that can "
            f"be read ({error.strerror})"
        ) from error


@contextmanager
def open_engine(options: argparse.Namespace, settings: RunSettings) -> Iterator[Engine]:
    """The one place that knows which engines there are."""
    if options.url:
        from voice.voicebench.url_engine import UrlEngine

        try:
            extra = json.loads(options.extra_body or "{}")
        except ValueError as error:
            raise ValueError(f"--extra-body is no JSON: {error}") from error
        key = api_key(options) or "none"
        yield UrlEngine(options.url, options.served_name, settings, api_key=key, extra_body=extra)
        return
    if options.live is not None:
        with _live_engine(options, settings) as live:
            yield live
        return
    from voice.commands import load_assistant, prepare_torch
    from voice.transcription import Recogniser, is_recogniser
    from voice.voicebench.local_engine import LocalEngine, directory_of
    from voice.voicebench.recogniser_engine import RecogniserEngine

    directory = directory_of(options.model)
    if is_recogniser(directory):
        recogniser = Recogniser(directory, *prepare_torch(options))
        yield RecogniserEngine(recogniser, settings, directory)
        return
    yield LocalEngine(load_assistant(options), settings, directory)


@contextmanager
def _live_engine(options: argparse.Namespace, settings: RunSettings) -> Iterator[LiveEngine]:
    from voice.voicebench.live_engine import LiveEngine, LiveSettings, named_server

    live = LiveSettings(
        turns=options.turns or "server",
        pace=options.pace or "fast",
        spoken=options.spoken != "off",
    )
    if options.live:
        yield LiveEngine(named_server(options.live, api_key(options)), settings, live)
        return
    with options.serve_live(
        options, settings, spoken=live.spoken, sessions=options.concurrency
    ) as server:
        yield LiveEngine(server, settings, live)


def api_key(options: argparse.Namespace) -> str | None:
    """The key that the options tell where to find, if it is there."""
    return os.environ.get(options.api_key_env)
