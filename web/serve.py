"""What `parley serve` does: loads the model, serves until Ctrl-C, and lets the last answer end.

torch and the model are imported when they are needed, so that help comes at once.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voice.commands import REAL_MODEL_HINT, UsageError, load_assistant
from voice.opening import (
    mcp_servers,
    note_of,
    on_stop,
    open_engine,
    sessions_of,
    settings_of,
    voices_of,
    warm_up,
)
from web.app import Server
from web.media.aiortc_call import AiortcCall
from web.media.interface import IceServer, MediaError, MediaSettings
from web.media.processes import MediaProcesses
from web.realtime.voice_settings import VoiceDefaults
from web.settings import Sample, ServerInfo, ServerSettings

if TYPE_CHECKING:
    from voice.assistant import Assistant
    from voice.mcp import McpServers

KEY_VARIABLE = "PARLEY_API_KEY"
SAMPLES = Path(__file__).parent.parent / "voice" / "samples"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = logging.getLogger(__name__)


def serve(options: argparse.Namespace) -> None:
    """`parley serve`."""
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("aioice").setLevel(logging.WARNING)
    settings = server_settings(options)
    # The speech engine first: it is quickly known whether it is there.
    voices = voices_of(options.tts)
    print("Loading the model …", file=sys.stderr)
    with mcp_servers(options.mcp) as mcp:
        assistant = load_assistant(options)
        warm_up(assistant)
        asyncio.run(_serve(options, settings, assistant, voices, mcp))


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


async def _serve(
    options: argparse.Namespace,
    settings: ServerSettings,
    assistant: Assistant,
    voices: tuple[str, ...],
    mcp: McpServers | None,
) -> None:
    is_builtin = options.model == "builtin"
    engine = open_engine(options, assistant)
    defaults = VoiceDefaults(settings=settings_of(options), voices=frozenset(voices))
    info = ServerInfo(
        model=options.model,
        note=note_of(options),
        hint=f"parley serve {REAL_MODEL_HINT}" if is_builtin else "",
        voices=voices,
        samples=samples(),
    )
    wanted = options.media_processes
    processes = None if wanted == 0 else MediaProcesses(wanted)
    server = Server(
        sessions_of(options, engine, mcp),
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


async def _until_stopped() -> None:
    """Waits for Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    on_stop(stopped.set)
    await stopped.wait()


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
