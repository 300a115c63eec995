"""A server of our own for a live run of VoiceBench: on a free port, while the run lasts."""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from voice.commands import load_assistant
from voice.opening import open_session_of, voices_of, warm_up
from web.app import Server
from web.realtime.voice_settings import VoiceDefaults
from web.settings import ServerInfo, ServerSettings

if TYPE_CHECKING:
    from voice.assistant import Assistant
    from voice.session_settings import SessionSettings
    from voice.voicebench.live_engine import LiveServer
    from voice.voicebench.settings import RunSettings

_SPEECH_ENGINE = "espeak"


@contextmanager
def live_server(
    options: argparse.Namespace, settings: RunSettings, *, spoken: bool, sessions: int
) -> Iterator[LiveServer]:
    """Loads the model and serves it as `parley serve` does.

    Args:
        options: that load the model.
        settings: of the run; what a client cannot ask for is the server's default.
        spoken: whether answers are spoken.
        sessions: at a time.
    """
    from voice.voicebench.live_engine import LiveServer
    from voice.voicebench.local_engine import checkpoint_identity, directory_of

    voices = voices_of(_SPEECH_ENGINE) if spoken else ()
    assistant = load_assistant(options)
    warm_up(assistant)
    with_tools = options.model != "builtin"
    identity = {
        **checkpoint_identity(assistant.model, directory_of(options.model)),
        "speech": _SPEECH_ENGINE if spoken else "",
        "tools": with_tools,
    }
    serving = _serving(
        assistant,
        session_defaults(settings),
        ServerInfo(model=options.model, voices=voices),
        with_tools=with_tools,
        # A session that has just ended may still count when the next one begins.
        sessions=2 * sessions + 2,
    )
    with on_thread(serving) as server:
        yield LiveServer(f"http://127.0.0.1:{server.port}", identity)


def session_defaults(settings: RunSettings) -> SessionSettings:
    """A run's settings as those of the sessions; those that clients set are theirs.

    Raises:
        ValueError: the sessions have no such setting.
    """
    from voice.decoding import ReplySettings
    from voice.session_settings import SessionSettings

    if settings.top_k not in (0, 1):
        raise ValueError(f"sessions know no top_k={settings.top_k}: use --temperature and --top-p")
    return SessionSettings(
        reply=ReplySettings(
            thinking=settings.thinking,
            thinking_budget=settings.reasoning_budget or None,
            max_new_tokens=settings.max_new_tokens,
            temperature=0.0 if settings.top_k == 1 else settings.temperature,
            top_p=settings.top_p,
            seed=settings.seed,
        )
    )


@asynccontextmanager
async def _serving(
    assistant: Assistant,
    defaults: SessionSettings,
    info: ServerInfo,
    *,
    with_tools: bool,
    sessions: int,
) -> AsyncIterator[Server]:
    from voice.engine import Engine
    from voice.tts.synthesizer import open_synthesizer

    speaks = bool(info.voices)
    engine = Engine(
        assistant,
        open_voice=(lambda voice: open_synthesizer(_SPEECH_ENGINE, voice)) if speaks else None,
    )
    server = Server(
        open_session_of(engine, with_tools=with_tools),
        info,
        ServerSettings(port=0, max_sessions=sessions, drain_s=0.0),
        VoiceDefaults(settings=defaults, voices=frozenset(info.voices)),
    )
    engine.start()
    try:
        await server.start()
        yield server
        await server.stop()
    finally:
        engine.close()


@contextmanager
def on_thread(serving: AbstractAsyncContextManager[Server]) -> Iterator[Server]:
    """Enters what serves on the event loop of a thread of its own, while the block lasts."""
    entered: Future[tuple[Server, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stopped = asyncio.Event()
        async with serving as server:
            entered.set_result((server, asyncio.get_running_loop(), stopped))
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if entered.done():
                raise
            entered.set_exception(error)

    # A daemon, so that whatever ends the run ends the process.
    thread = threading.Thread(target=run, name="live server", daemon=True)
    thread.start()
    server, loop, stopped = entered.result()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
