"""Many sessions at once: `python -m benchmarks.sessions [--write]`.

Callers talk with one model at the speed of speech, two to eight of them at the same time, and each
asks its next question when the last answer has been heard. They begin with different questions, and
some tell their name, so that whoever got another's words or memory would be found out: what each
was heard to say and was answered must be, to the letter, what it is when the model has nobody else.
One model thread serves all of them, a token at a time in turns, so what grows with the number of
sessions is the wait. Milliseconds count from the last voiced sample of the question; a token or a
sound earlier than the end of the turn was made ahead and held.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import report
from benchmarks.measure import Cell, GateFailed, Row, Spread, Unavailable, require_same
from omni_core.weights import CheckpointError
from streaming.vad import WINDOW_SAMPLES
from voice import load
from voice import session_events as told
from voice.assistant import Assistant
from voice.audio_file import SAMPLE_RATE_HZ, read_audio
from voice.engine import Engine
from voice.session_events import SessionEvent
from voice.session_settings import SessionSettings
from voice.tts.synthesizer import EngineUnavailable, open_synthesizer
from web.media.pacing import Pacer
from web.serve import SAMPLES

NAME = "sessions"
COMMAND = "python -m benchmarks.sessions --write"

QUESTIONS = ("my_name_is_anna", "opposite_of_hot", "what_is_my_name", "two_plus_three")
"""Of `voice/samples`; each caller begins with another one."""

FRAME = SAMPLE_RATE_HZ // 50
BREATH_S = 1.0
"""Of silence before each question."""
GRID = math.lcm(FRAME, WINDOW_SAMPLES)
"""Questions begin on it, so that the windows of the voice detector cut all of them alike, however
long the answers before took."""
PATIENCE_S = 60.0
"""Without an answer for so long, a caller gives up."""

Exchange = tuple[str, str]
"""What a caller was heard to say, and the answer."""


class Caller:
    """Asks one question after the other in one session, on the clock of its samples."""

    def __init__(
        self, engine: Engine, questions: Sequence[np.ndarray], settings: SessionSettings
    ) -> None:
        self.latencies: list[told.LatencyMeasured] = []
        self._questions = list(questions)
        self._wanted = len(questions)
        self._speech = np.zeros(0, np.float32)
        self._samples = self._quiet = 0
        self._heard: dict[str, str] = {}
        self._answers: list[str] = []
        self._is_answered = True
        self._error: BaseException | None = None
        self.session = engine.open_session(self._on_event, settings=settings)

    @property
    def is_done(self) -> bool:
        """Whether everything is asked, answered, heard and written down."""
        return self._is_answered and not self._questions and len(self._heard) == self._wanted

    @property
    def exchanges(self) -> list[Exchange]:
        """In the order in which they were."""
        return list(zip(self._heard.values(), self._answers, strict=True))

    def frame(self) -> None:
        """Lets 20 ms pass: says them, and hears as much.

        Raises:
            GateFailed: no answer comes.
        """
        if self._error is not None:
            raise GateFailed(f"a session ended: {self._error}") from self._error
        self._quiet += FRAME
        if self._quiet > PATIENCE_S * SAMPLE_RATE_HZ:
            raise GateFailed(f"a question was not answered within {PATIENCE_S:g} s")
        is_ready = self._is_answered and self._quiet >= BREATH_S * SAMPLE_RATE_HZ
        if is_ready and self._questions and self._samples % GRID == 0:
            self._speech, self._is_answered = self._questions.pop(0), False
        self._samples += FRAME
        said, self._speech = self._speech[:FRAME], self._speech[FRAME:]
        if len(said):
            self._quiet = 0
        self.session.hear(np.pad(said, (0, FRAME - len(said))))
        playback = self.session.playback
        playback.read(FRAME * playback.sample_rate // SAMPLE_RATE_HZ)

    def _on_event(self, event: SessionEvent) -> None:
        match event:
            case told.InputTranscriptDone(item_id=item_id, transcript=transcript):
                self._heard[item_id] = transcript
            case told.OutputTextDone(text=text):
                self._answers.append(text)
            case told.LatencyMeasured():
                self.latencies.append(event)
            case told.PlaybackEnded():
                self._is_answered, self._quiet = True, 0
            case told.SessionEnded(error=error):
                self._error = error


def alone(
    assistant: Assistant, questions: Sequence[np.ndarray], settings: SessionSettings
) -> list[Exchange]:
    """What a caller says and is answered by a model that has nobody else, and takes no time."""
    engine = Engine(assistant)
    caller = Caller(engine, questions, settings)
    while not caller.is_done:
        caller.frame()
        engine.run()
    engine.close()
    return caller.exchanges


async def together(
    assistant: Assistant,
    orders: Sequence[Sequence[np.ndarray]],
    settings: SessionSettings,
    frame_s: float,
) -> tuple[list[Caller], float]:
    """Lets callers talk at the same time; returns them, and how late a frame was at worst, ms."""
    engine = Engine(assistant)
    engine.start()
    try:
        callers = [Caller(engine, questions, settings) for questions in orders]
        pacer, loop, worst_s = Pacer(frame_s), asyncio.get_running_loop(), 0.0
        start_s = loop.time()
        while not all(caller.is_done for caller in callers):
            due = pacer.next(loop.time())
            await asyncio.sleep(due.wait_s)
            due_s = start_s + (due.index - due.skipped) * frame_s
            worst_s = max(worst_s, loop.time() - due_s)
            for _ in range(1 + due.skipped):  # what was missed has been said all the same
                for caller in callers:
                    caller.frame()
    finally:
        engine.close()
    return callers, 1000 * worst_s


def rows(
    model: str,
    counts: Sequence[int],
    rounds: int,
    *,
    questions: Sequence[str] = QUESTIONS,
    settings: SessionSettings | None = None,
    frame_s: float = 0.02,
) -> Iterator[Row]:
    """A line for each number of sessions.

    Raises:
        Unavailable: the checkpoint or the synthesiser is missing.
        GateFailed: a session's transcript is not what it is alone.
    """
    try:
        assistant = load(model)
        open_synthesizer().close()
    except (CheckpointError, EngineUnavailable) as error:
        raise Unavailable(str(error)) from error
    sounds = [read_audio(SAMPLES / f"{name}.flac").samples for name in questions]
    orders = [sounds[start:] + sounds[:start] for start in range(len(sounds))]
    settings = settings or SessionSettings()
    expected = [alone(assistant, order, settings) for order in orders]
    for count in counts:
        latencies: list[told.LatencyMeasured] = []
        worst_ms = 0.0
        for _ in range(rounds):
            theirs = [orders[number % len(orders)] for number in range(count)]
            callers, late_ms = asyncio.run(together(assistant, theirs, settings, frame_s))
            worst_ms = max(worst_ms, late_ms)
            for number, caller in enumerate(callers):
                what = f"session {number + 1} of {count}"
                require_same(what, caller.exchanges, expected[number % len(orders)])
                latencies += caller.latencies
        yield _row(count, latencies, worst_ms)


def _row(count: int, latencies: Sequence[told.LatencyMeasured], worst_ms: float) -> Row:
    stages = {
        "end of turn, ms": [each.endpoint_ms for each in latencies],
        "first token, ms": [each.first_token_ms for each in latencies],
        "first audio, ms": [each.first_audio_ms for each in latencies],
        "first audio played, ms": [each.heard_ms for each in latencies],
    }
    cells: dict[str, Cell] = {"sessions at once": count, "turns": len(latencies)}
    for column, values in stages.items():
        cells[column] = Spread(tuple(ms for ms in values if ms is not None))
    cells["callers late by up to, ms"] = worst_ms
    return Row(cells, gate="each transcript equal to that of the session alone")


def main(arguments: Sequence[str] | None = None, results: Path = report.RESULTS) -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N")
    parser.add_argument("--rounds", type=int, default=2, help="calls of each caller (default 2)")
    parser.add_argument("--model", default="builtin", help="builtin by default")
    parser.add_argument("--threads", type=int, default=1, help="of torch, 1 by default")
    parser.add_argument("--write", action="store_true", help=f"keep it in {results.name}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    where = report.machine()
    print(report.machine_line(where), flush=True)
    try:
        found = list(rows(options.model, options.sessions, options.rounds))
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
