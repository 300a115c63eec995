"""An hour of conversation with a server: `python -m benchmarks.soak [--minutes 60] [--write]`.

A caller talks over a WebSocket with a server in a process of its own. Sessions count time in
samples, so the hour takes as long as the model needs for its part: questions are sent at once, and
silence for as long as the answers sound. Every seventh answer is cut off after 400 ms, and at every
tenth question somebody else comes, asks one, and goes. Nothing of that may be left behind: a line
for each sixth of the time says how much memory (resident), how many threads, tasks of the event
loop and open files the server has, how much computing a turn took, and how long the first token
after the end of a turn, by the wall clock and without drafts (`--speculation off`).
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import report
from benchmarks.measure import GateFailed, Goal, Row, Spread, Unavailable
from voice import cli
from voice.audio_file import SAMPLE_RATE_HZ
from voice.voicebench.live_speech import WIRE_RATE_HZ, wire_frames
from web.latency.command import QUESTIONS, read_questions, serving
from web.media.interface import MediaError

NAME = "soak"
COMMAND = "python -m benchmarks.soak --write"
WINDOWS = 6
CUT_EVERY, CUT_AT_MS = 7, 400
VISIT_EVERY = 10
MOST_SILENCE_S = 30.0
"""After a question; a turn that is not over then never ends."""
PATIENCE_S = 60.0
"""By the wall clock, for one answer."""
BREATH_S = 0.5
"""Of silence after each answer."""
MOST_MEMORY, MOST_WAIT = 1.05, 1.25
"""In the last window, over the second: the first fills the context and warms up."""

_GAUGES = {
    "memory": "process_resident_memory_bytes",
    "threads": "parley_threads",
    "tasks": "parley_event_loop_tasks",
    "files": "process_open_fds",
    "cpu": "process_cpu_seconds_total",
}


COUNTS = ("threads", "tasks", "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the conversation.

    Attributes:
        minutes: of conversation, from its beginning to the end of the window.
        turns: in the window.
        first_token_ms: of each, after the end of the turn, by the wall clock.
        gauges: of the server at the end, by `_GAUGES`.
    """

    minutes: float
    turns: int
    first_token_ms: tuple[float, ...]
    gauges: dict[str, float]


class Caller:
    """Talks in one session.

    Args:
        socket: to the session.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.said_s = 0.0
        self.first_token_ms: list[float] = []

    async def ask(self, samples: np.ndarray, cut: bool = False) -> None:
        """Asks something and listens to the answer, or to its beginning.

        Raises:
            GateFailed: there is no answer.
        """
        await self._say(samples)
        limit_s = self.said_s + MOST_SILENCE_S
        while await self._received("input_audio_buffer.speech_stopped", timeout_s=0.02) is None:
            if self.said_s > limit_s:
                raise GateFailed(f"a question at {self.said_s:.0f} s was not heard to end")
            await self._say(np.zeros(SAMPLE_RATE_HZ // 10, np.float32))
        ended = time.perf_counter()
        if await self._received("response.output_audio_transcript.delta") is None:
            raise GateFailed(f"a question at {self.said_s:.0f} s was not answered")
        self.first_token_ms.append(1000 * (time.perf_counter() - ended))
        heard_s = 0.0
        while (event := await self._received("response.output_audio.delta", "response.done")) and (
            event["type"] != "response.done"
        ):
            # Base64 of two bytes a sample.
            heard_s += len(event["delta"]) * 3 / 4 / 2 / WIRE_RATE_HZ
        if event is None or event["response"]["status"] != "completed":
            raise GateFailed(f"the answer at {self.said_s:.0f} s did not end well: {event}")
        if cut:
            (item,) = event["response"]["output"]
            fields = {"item_id": item["id"], "content_index": 0, "audio_end_ms": CUT_AT_MS}
            await self._socket.send_json({"type": "conversation.item.truncate", **fields})
            heard_s = CUT_AT_MS / 1000
        await self._say(np.zeros(round((heard_s + BREATH_S) * SAMPLE_RATE_HZ), np.float32))

    async def _say(self, samples: np.ndarray) -> None:
        for frame in wire_frames(samples, "fast"):
            await self._socket.send_json(
                {"type": "input_audio_buffer.append", "audio": frame.audio}
            )
        self.said_s += len(samples) / SAMPLE_RATE_HZ

    async def _received(self, *kinds: str, timeout_s: float = PATIENCE_S) -> dict[str, Any] | None:
        """The next event of these kinds, or None if none comes in time.

        Raises:
            GateFailed: the server reports an error, or ends the session.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                async for message in self._socket:
                    event: dict[str, Any] = message.json()
                    if event["type"] == "error":
                        raise GateFailed(f"the server reports an error: {event['error']}")
                    if event["type"] in kinds:
                        return event
                raise GateFailed("the server has ended the session")
        return None


@asynccontextmanager
async def calling(http: aiohttp.ClientSession) -> AsyncIterator[Caller]:
    """Somebody with a session of their own."""
    async with http.ws_connect("/v1/realtime", max_msg_size=0) as socket:
        await socket.send_json(
            {"type": "session.update", "session": {"type": "realtime", "tools": []}}
        )
        yield Caller(socket)


async def soak(address: str, questions: Sequence[np.ndarray], minutes: float) -> list[Window]:
    """Talks for so many minutes of the session's time.

    Args:
        address: of the server.
        questions: float32 mono 16 kHz each; asked in turn.
        minutes: of conversation.

    Raises:
        GateFailed: a question was not answered.
    """
    windows: list[Window] = []
    async with aiohttp.ClientSession(address) as http, calling(http) as caller:
        turns = told = 0
        for number in range(1, WINDOWS + 1):
            while turns == told or caller.said_s < 60 * minutes * number / WINDOWS:
                question = questions[turns % len(questions)]
                turns += 1
                await caller.ask(question, cut=turns % CUT_EVERY == 0)
                if turns % VISIT_EVERY == 0:
                    async with calling(http) as visitor:
                        await visitor.ask(question)
            windows.append(
                Window(
                    minutes=caller.said_s / 60,
                    turns=turns - told,
                    first_token_ms=tuple(caller.first_token_ms[told:]),
                    gauges=await gauges(http),
                )
            )
            told = turns
    return windows


async def gauges(http: aiohttp.ClientSession) -> dict[str, float]:
    """What the server says of itself, by `_GAUGES`; without those that its system cannot tell."""
    async with http.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    values = {sample.name: sample.value for family in families for sample in family.samples}
    return {name: values[metric] for name, metric in _GAUGES.items() if metric in values}


def rows(windows: Sequence[Window]) -> Iterator[Row]:
    """A line for each window; the last one has the goal."""
    cpu_s = 0.0
    for window in windows:
        cells: dict[str, Any] = {"minutes": window.minutes, "turns": window.turns}
        if "memory" in window.gauges:
            cells["memory, MiB"] = window.gauges["memory"] / 2**20
        cells |= {name: int(window.gauges[name]) for name in COUNTS if name in window.gauges}
        if "cpu" in window.gauges:
            cells["computing, ms a turn"] = 1000 * (window.gauges["cpu"] - cpu_s) / window.turns
            cpu_s = window.gauges["cpu"]
        cells["first token, ms"] = Spread(window.first_token_ms)
        goal = _goal(windows) if window is windows[-1] else None
        yield Row(cells, gate="every question answered", goal=goal)


def _goal(windows: Sequence[Window]) -> Goal:
    base, last = windows[min(1, len(windows) - 1)], windows[-1]
    waits = [Spread(each.first_token_ms).median for each in (base, last)]
    counts = [name for name in COUNTS if name in last.gauges]
    met = (
        last.gauges.get("memory", 0) <= MOST_MEMORY * base.gauges.get("memory", 0)
        and waits[1] <= MOST_WAIT * waits[0]
        and all(last.gauges[name] <= base.gauges[name] for name in counts)
    )
    text = (
        f"as in the second line: memory ≤ {MOST_MEMORY:g}×, first token ≤ {MOST_WAIT:g}×, no more "
        f"{', '.join(counts)}"
    )
    return Goal(text, met)


def run(options: argparse.Namespace) -> list[Row]:
    """Starts a server and soaks it.

    Raises:
        GateFailed: a question was not answered.
        Unavailable: no server comes up.
    """
    questions = [each.samples for each in read_questions(QUESTIONS)]
    try:
        with serving(options, "off") as address:
            return list(rows(asyncio.run(soak(address, questions, options.minutes))))
    except MediaError as error:
        raise Unavailable(str(error)) from error


def main(arguments: Sequence[str] | None = None, results: Path = report.RESULTS) -> int:
    """Measures what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of conversation, not of yours (default 60)"
    )
    cli.add_model_options(parser)
    parser.add_argument("--write", action="store_true", help=f"keep it in {results.name}")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error("--minutes must be more than 0")
    where = report.machine()
    print(report.machine_line(where), flush=True)
    try:
        found = run(options)
    except (GateFailed, Unavailable) as failure:
        print(f"\nFAILED: {failure}")
        return 1
    text = report.table(found)
    print(f"\n{text}")
    explanation = (__doc__ or "").strip()
    if options.write:
        about = f"Written by `{COMMAND}`. Measured on: {report.machine_line(where)}."
        report.write_section(results, NAME, [explanation, about, text])
        print(f"\nwritten to {results}")
    print(report.json_line(where, {NAME: (explanation, found)}, {}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
