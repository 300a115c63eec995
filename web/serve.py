"""What `parley serve` does: loads the model, serves until Ctrl-C, and lets the last answer end.

torch and the model are imported when they are needed, so that help comes at once.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice.commands import DEMONSTRATION_NOTE, REAL_MODEL_HINT, UsageError, load_assistant
from web.app import Server
from web.media.aiortc_call import AiortcCall
from web.media.interface import IceServer, MediaError, MediaSettings
from web.media.processes import MediaProcesses
from web.realtime.voice_settings import VoiceDefaults
from web.settings import Sample, ServerInfo, ServerSettings

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
KEY_VARIABLE = "PARLEY_API_KEY"
SAMPLES = Path(__file__).parent.parent / "voice" / "samples"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = logging.getLogger(__name__)


def serve(options: argparse.Namespace) -> None:
    """`parley serve`."""
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("aioice").setLevel(logging.WARNING)
    settings = server_settings(options)
    if options.record is not None:
        options.record.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The speech engine first: it is quickly known whether it is there.
    voices = voices_of(options.tts)
    print("Loading the model …", file=sys.stderr)
    with mcp_servers(options.mcp) as mcp:
        assistant = load_assistant(options)
        warm_up(assistant)
        asyncio.run(_serve(options, settings, assistant, voices, mcp))


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


def server_settings(options: argparse.Namespace) -> ServerSettings:
    """The settings that the options ask for.

    Raises:
        UsageError: options that do not go together.
    """
    if (options.certificate is None) != (options.private_key is None):
        raise UsageError("--certificate and --private-key go together: give both")
    for file in (options.certificate, options.private_key):
        if file is not None and not file.is_file():
            raise UsageError(f"there is no file {file}: give a PEM file")
    key = options.api_key or os.environ.get(KEY_VARIABLE)
    if key is None and options.host not in _LOOPBACK:
        key = secrets.token_urlsafe(16)
    return ServerSettings(
        host=options.host,
        port=options.port,
        api_key=key,
        allowed_origins=tuple(options.allow_origin),
        max_sessions=options.max_sessions,
        certificate=options.certificate,
        private_key=options.private_key,
        media=MediaSettings(ice_servers=tuple(map(parse_ice_server, options.ice_server))),
    )


def parse_ice_server(text: str) -> IceServer:
    """`URL`, or for TURN `URL,USER,PASSWORD`.

    Raises:
        UsageError: it is neither.
    """
    url, *rest = text.split(",", 2)
    scheme = url.partition(":")[0]
    if scheme not in ("stun", "stuns", "turn", "turns") or len(rest) == 1:
        raise UsageError(
            f"--ice-server {text!r}: give stun:HOST:PORT, or turn:HOST:PORT,USER,PASSWORD"
        )
    return IceServer(url=url, username=rest[0], credential=rest[1]) if rest else IceServer(url=url)


def samples() -> tuple[Sample, ...]:
    """The recorded questions that ship with Parley."""
    lines = (SAMPLES / "questions.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return tuple(Sample(text=text, file=SAMPLES / name) for name, text, *_ in rows)


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


async def _serve(
    options: argparse.Namespace,
    settings: ServerSettings,
    assistant: Assistant,
    voices: tuple[str, ...],
    mcp: McpServers | None,
) -> None:
    from voice.decoding import ReplySettings
    from voice.engine import Engine
    from voice.session_settings import SessionSettings, TurnSettings
    from voice.tts.synthesizer import VoiceSettings, open_synthesizer

    is_builtin = options.model == "builtin"
    engine = Engine(
        assistant,
        open_voice=(lambda voice: open_synthesizer(options.tts, voice)) if voices else None,
    )
    defaults = VoiceDefaults(
        settings=SessionSettings(
            instructions=options.instructions,
            turns=TurnSettings(speculate=options.speculation == "on", filler_ms=options.filler_ms),
            reply=ReplySettings(
                thinking=options.thinking == "on", thinking_budget=options.thinking_budget
            ),
            voice=VoiceSettings(voice=options.voice),
            context=options.context or ("drop" if is_builtin else "summarise"),
            **_fillers(options.filler),
        ),
        voices=frozenset(voices),
    )
    info = ServerInfo(
        model=options.model,
        note=_note(options),
        hint=f"parley serve {REAL_MODEL_HINT}" if is_builtin else "",
        voices=voices,
        samples=samples(),
    )
    with_tools = options.tools == "on" if options.tools else not is_builtin
    wanted = options.media_processes
    processes = None if wanted == 0 else MediaProcesses(wanted)
    server = Server(
        open_session_of(
            engine,
            with_tools=with_tools,
            turn_end=options.turn_end,
            mcp=mcp,
            observe=_recorders(options, assistant),
        ),
        info,
        settings,
        defaults,
        processes.open_call if processes else AiortcCall,
    )
    engine.start()
    try:
        await _start(server, processes)
        _say_where(replace(settings, port=server.port))
        await _until_stopped()
        print("\nStopping; Ctrl-C again to stop at once.", file=sys.stderr)
        stopping = asyncio.ensure_future(server.stop())
        again = asyncio.ensure_future(_until_stopped())
        await asyncio.wait((stopping, again), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        again.cancel()
        with suppress(asyncio.CancelledError):
            await stopping
    finally:
        if processes is not None:
            await processes.close()
        engine.close()


def _fillers(given: Sequence[str] | None) -> dict[str, Any]:
    """The words for long waits, if others than the usual ones are wished."""
    return {} if given is None else {"fillers": tuple(text for text in given if text.strip())}


async def _start(server: Server, processes: MediaProcesses | None) -> None:
    try:
        if processes is not None:
            await processes.start()
        await server.start()
    except MediaError as error:
        raise UsageError(f"{error}; --media-processes 0 does without") from error
    except OSError as error:
        settings = server.settings
        raise UsageError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "choose another --port"
        ) from error


def _note(options: argparse.Namespace) -> str:
    """What those who talk here have to know."""
    notes = [DEMONSTRATION_NOTE] if options.model == "builtin" else []
    return " ".join([*notes, RECORDING_NOTE] if options.record else notes)


def _recorders(
    options: argparse.Namespace, assistant: Assistant
) -> Callable[[], SessionObserver] | None:
    """What makes a recorder for each session, if sessions are to be recorded."""
    if options.record is None:
        return None
    from voice.recording.recorder import Recorder
    from voice.recording.setup import setup

    made = setup(assistant, model=options.model, tts=options.tts, turn_end=options.turn_end)
    return lambda: Recorder(options.record, made)


async def _until_stopped() -> None:
    """Waits for Ctrl-C or SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals: list[Any] = [signal.SIGINT, signal.SIGTERM]
    for each in signals:
        with suppress(NotImplementedError):  # Windows has no such handlers: Ctrl-C raises there
            loop.add_signal_handler(each, stopped.set)
    await stopped.wait()


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


def _say_where(settings: ServerSettings) -> None:
    key = f"#key={settings.api_key}" if settings.host not in _LOOPBACK else ""
    print(f"\n  Parley is at {settings.address}/\n", flush=True)
    if key:
        print(f"  From elsewhere: the same with this machine's name, and /{key}", flush=True)
        if settings.certificate is None:
            print(
                "  Browsers give a page from elsewhere a microphone only over https:\n"
                "  add --certificate and --private-key.\n",
                flush=True,
            )
