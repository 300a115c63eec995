"""What every way of talking shares: the options of its sessions, and how these are opened.

torch and the model are imported when they are needed, so that help comes at once.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice.commands import DEMONSTRATION_NOTE

if TYPE_CHECKING:
    from voice.assistant import Assistant
    from voice.engine import Engine
    from voice.mcp import McpServers
    from voice.session import Session
    from voice.session_events import SessionEvent
    from voice.session_observer import SessionObserver
    from voice.session_settings import SessionSettings
    from voice.turn_end import TurnEnd

RECORDING_NOTE = "What is said here is recorded."


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """How sessions think, speak and listen, as the functions below read it."""
    parser.add_argument(
        "--tts",
        default="espeak",
        metavar="ENGINE",
        help="speech engine, or none for written answers (default espeak)",
    )
    parser.add_argument("--voice", default="", metavar="NAME", help="that speaks unless asked")
    parser.add_argument(
        "--thinking", choices=("on", "off"), default="off", help="reason before answering"
    )
    parser.add_argument(
        "--thinking-budget",
        type=_positive,
        metavar="N",
        help="tokens of it, after which the model has to answer (default: no limit of its own)",
    )
    parser.add_argument(
        "--turn-end",
        choices=("auto", "silence", "reply"),
        default="auto",
        help="what tells that you have finished: silence alone, or also whether the model would "
        "reply with nothing (default auto: as the model was trained)",
    )
    parser.add_argument(
        "--speculation",
        choices=("on", "off"),
        default="on",
        help="decode and speak a reply ahead at the first pause, and hold it until the turn is "
        "over (default on)",
    )
    parser.add_argument(
        "--context",
        choices=("summarise", "drop"),
        help="what becomes of the oldest turns when the model's context is full: a summary that it "
        "writes itself, or nothing (default summarise, but drop for the built-in model, which has "
        "not learnt to)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="write each session into a folder there: sound both ways, all events and decisions; "
        "parley replay goes through it again",
    )
    parser.add_argument("--instructions", default="", metavar="TEXT", help="what the model is told")
    parser.add_argument(
        "--tools",
        choices=("on", "off"),
        help="offer the time, the date, a timer and a calculator to the model (default on, but off "
        "for the built-in model, which has not learnt to use them)",
    )
    parser.add_argument(
        "--filler",
        action="append",
        metavar="TEXT",
        help="what is said while a function takes long; repeatable, said in turn; '' for nothing",
    )
    parser.add_argument(
        "--filler-ms",
        type=_positive,
        default=1200,
        metavar="MS",
        help="how long a function may run in silence (default 1200)",
    )
    parser.add_argument(
        "--mcp",
        action="append",
        default=[],
        metavar="SERVER",
        help="an MCP server whose functions the model may call, too: a command line, or a URL; "
        "repeatable (extra: mcp)",
    )


def settings_of(options: argparse.Namespace) -> SessionSettings:
    """The settings that the options ask for."""
    from voice.decoding import ReplySettings
    from voice.session_settings import SessionSettings, TurnSettings
    from voice.tts.synthesizer import VoiceSettings

    return SessionSettings(
        instructions=options.instructions,
        turns=TurnSettings(speculate=options.speculation == "on", filler_ms=options.filler_ms),
        reply=ReplySettings(
            thinking=options.thinking == "on", thinking_budget=options.thinking_budget
        ),
        voice=VoiceSettings(voice=options.voice),
        context=options.context or ("drop" if options.model == "builtin" else "summarise"),
        **_fillers(options.filler),
    )


def open_engine(options: argparse.Namespace, assistant: Assistant) -> Engine:
    """The engine, with the speech engine that the options name."""
    from voice.engine import Engine
    from voice.tts.synthesizer import open_synthesizer

    if options.tts == "none":
        return Engine(assistant, open_voice=None)
    return Engine(assistant, open_voice=lambda voice: open_synthesizer(options.tts, voice))


def offers_tools(options: argparse.Namespace) -> bool:
    """Whether the model is offered Parley's own tools."""
    return options.tools == "on" if options.tools else options.model != "builtin"


@contextmanager
def mcp_servers(addresses: Sequence[str]) -> Iterator[McpServers | None]:
    """The MCP servers, as long as they are needed; None where there are none."""
    if not addresses:
        yield None
        return
    from voice.mcp import McpServers
    from voice.tools import BUILTIN_TOOLS

    servers = McpServers(addresses, reserved={tool.name for tool in BUILTIN_TOOLS})
    print("Starting the MCP servers …", file=sys.stderr)
    servers.open()
    try:
        print("Functions:", ", ".join(tool.name for tool in servers.tools), file=sys.stderr)
        yield servers
    finally:
        servers.close()


def warm_up(assistant: Assistant) -> None:
    """Goes once through a turn of noise, so that the first caller waits for no compiler."""
    import numpy as np

    from voice.conversation import Conversation
    from voice.decoding import ReplySettings

    conversation = Conversation(assistant, settings=ReplySettings(max_new_tokens=4))
    noise = np.random.default_rng(0).normal(0.0, 0.01, 16_000).astype(np.float32)
    conversation.listen(noise)
    conversation.end_speech()
    conversation.transcribe()
    for _ in conversation.reply():
        pass


def open_session_of(
    engine: Engine,
    *,
    with_tools: bool,
    turn_end: TurnEnd = "auto",
    mcp: McpServers | None = None,
    observe: Callable[[], SessionObserver] | None = None,
) -> Callable[..., Session]:
    """How the server opens sessions of an engine, with Parley's tools and those of MCP servers;
    `observe` makes who looks on at each."""
    from voice.tools import BUILTIN_TOOLS
    from voice.turn_end import open_judge

    judge = open_judge(engine.assistant, turn_end)

    def open_session(
        settings: SessionSettings, emit: Callable[[SessionEvent], None], is_pushed: bool
    ) -> Session:
        return engine.open_session(
            emit,
            settings=settings,
            playback="pushed" if is_pushed else "pulled",
            tools=((*BUILTIN_TOOLS,) if with_tools else ()) + (mcp.tools if mcp else ()),
            judge=judge,
            observer=observe() if observe else None,
        )

    return open_session


def sessions_of(
    options: argparse.Namespace, engine: Engine, mcp: McpServers | None
) -> Callable[..., Session]:
    """How sessions are opened that the options describe, see `open_session_of`."""
    return open_session_of(
        engine,
        with_tools=offers_tools(options),
        turn_end=options.turn_end,
        mcp=mcp,
        observe=recorders_of(options, engine.assistant),
    )


def on_stop(stop: Callable[[], None]) -> None:
    """Has the running event loop call ``stop`` at Ctrl-C or SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has no such handlers: Ctrl-C raises there
            loop.add_signal_handler(number, stop)


def note_of(options: argparse.Namespace) -> str:
    """What those who talk here have to know."""
    notes = [DEMONSTRATION_NOTE] if options.model == "builtin" else []
    return " ".join([*notes, RECORDING_NOTE] if options.record else notes)


def recorders_of(
    options: argparse.Namespace, assistant: Assistant
) -> Callable[[], SessionObserver] | None:
    """What makes a recorder for each session, if sessions are to be recorded."""
    if options.record is None:
        return None
    options.record.mkdir(mode=0o700, parents=True, exist_ok=True)
    from voice.recording.recorder import Recorder
    from voice.recording.setup import setup

    made = setup(assistant, model=options.model, tts=options.tts, turn_end=options.turn_end)
    return lambda: Recorder(options.record, made)


def voices_of(engine: str) -> tuple[str, ...]:
    """What the speech engine calls its voices; none where nothing is to be spoken."""
    if engine == "none":
        return ()
    from voice.tts.synthesizer import open_synthesizer

    with open_synthesizer(engine) as synthesizer:
        names = synthesizer.voices()
    # Identifiers of files repeat the languages. The models answer in English first of all.
    languages = {name for name in names if "/" not in name}
    return tuple(sorted(languages, key=lambda name: (not name.startswith("en"), name)))


def _fillers(given: Sequence[str] | None) -> dict[str, Any]:
    """The words for long waits, if others than the usual ones are wished."""
    return {} if given is None else {"fillers": tuple(text for text in given if text.strip())}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
