"""A server on a free port, with scripted sessions or real ones; or in a process of its own."""

import base64
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import numpy as np

from tests.speech import speak
from tests.web.scripted import ScriptedSession
from voice.assistant import Assistant
from voice.audio_file import read_audio
from voice.engine import Engine
from voice.opening import open_session_of
from voice.resampling import Resampler
from voice.tts.synthesizer import open_synthesizer
from web.app import Server
from web.media.aiortc_call import AiortcCall
from web.media.processes import MediaProcesses
from web.serve import SAMPLES, samples
from web.settings import ServerInfo, ServerSettings

INFO = ServerInfo(model="builtin", note="A demonstration.", voices=("en-us",))


@asynccontextmanager
async def serving(
    open_session=None, info=INFO, media_processes: int = 0, **settings: Any
) -> AsyncIterator[Server]:
    """Serves while the block lasts; responses under way are not waited for."""
    settings = {"port": 0, "drain_s": 0.0, **settings}
    processes = MediaProcesses(media_processes)
    open_call = processes.open_call if media_processes else AiortcCall
    server = Server(
        open_session or ScriptedSession, info, ServerSettings(**settings), open_call=open_call
    )
    await processes.start()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await processes.close()


@asynccontextmanager
async def client_of(server: Server, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client whose addresses begin at the server."""
    base = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession(base, **options) as session:
        yield session


@asynccontextmanager
async def serving_model(assistant: Assistant, **settings: Any) -> AsyncIterator[Server]:
    """Serves a loaded model, with espeak-ng as its voice."""
    engine = Engine(assistant)
    engine.start()
    try:
        open_session = open_session_of(engine, with_tools=False)
        info = ServerInfo(model="builtin", note="A demonstration.", samples=samples())
        async with serving(open_session, info, **settings) as server:
            yield server
    finally:
        engine.close()


@contextmanager
def server_process(
    *options: str, module: str = "web", prefix: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`parley serve` as users run it, behind a command that runs others if one is given.

    Yields its address, once it listens, and the process.
    """
    command = [*prefix, sys.executable, "-m", module, "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield found[0], process
                    break
            else:
                raise AssertionError("the server did not come up")
        finally:
            process.terminate()


def question(name: str, silence_s: float = 1.5) -> np.ndarray:
    """A recorded question and the silence after it, float32 mono 16 kHz."""
    asked = read_audio(SAMPLES / f"{name}.flac").samples
    return np.concatenate([asked, np.zeros(round(16_000 * silence_s), np.float32)])


def weather_question() -> np.ndarray:
    """Asks for the weather in Paris, between seconds of silence, float32 mono 16 kHz."""
    with open_synthesizer("espeak") as synthesizer:
        return speak("what is the weather in paris", synthesizer, voice="en-us+f5").samples


def base64_pieces(samples: np.ndarray) -> Iterator[str]:
    """16 kHz sound as WebSocket clients send it: base64 of 200 ms of PCM at 24 kHz."""
    resampler = Resampler(16_000, 24_000)
    wire = np.concatenate([resampler.feed(samples), resampler.flush()])
    data = (np.clip(wire, -1, 1) * 32767).astype("<i2").tobytes()
    for start in range(0, len(data), 9600):
        yield base64.b64encode(data[start : start + 9600]).decode()
