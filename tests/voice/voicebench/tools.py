"""What the tests of VoiceBench share: small data sets, an engine and a server that are not real."""

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from voice.voicebench.dataset import DataSet, open_dataset
from voice.voicebench.engine import Failure, Outcome, Question, Reply
from voice.voicebench.manifest import Manifest, open_manifest
from voice.voicebench.runner import Portion, SplitResult, Task, run_split
from voice.voicebench.settings import RunSettings
from voice.voicebench.subsets import SUBSETS

SETTINGS = RunSettings(model="fake")


def flac(index: int, seconds: float = 0.1) -> bytes:
    """A short noise, another for each index."""
    noise = np.random.default_rng(index).normal(0, 0.1, round(16_000 * seconds))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 16_000, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def records(count: int, **columns: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Rows with audio, a prompt, and further columns by index."""
    made = []
    for index in range(count):
        sound = {"bytes": flac(index), "path": f"{index}.flac"}
        more = {name: make(index) for name, make in columns.items()}
        made.append({"audio": sound, "prompt": f"question {index}", **more})
    return made


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_split(
    root: Path, subset: str, rows: list[dict[str, Any]], split: str = "test"
) -> DataSet:
    """A tree with one split, opened."""
    write_parquet(root / subset / f"{split}-00000-of-00001.parquet", rows)
    return open_dataset(str(root))


class FakeEngine:
    """Answers at once, the same to the same question; out of order if it may take several.

    Args:
        stop_after: raises KeyboardInterrupt instead of giving that many outcomes and one more.
        failures: index → what comes instead of a reply.
    """

    def __init__(
        self, stop_after: int | None = None, failures: dict[int, Failure] | None = None
    ) -> None:
        self.asked: list[Question] = []
        self._stop_after = stop_after
        self._failures = failures or {}

    def identity(self) -> dict[str, Any]:
        return {"engine": "fake"}

    def answer(self, questions: Iterable[Question], concurrency: int) -> Iterator[Outcome]:
        waiting = iter(questions)
        while batch := [q for _ in range(concurrency) if (q := next(waiting, None)) is not None]:
            for question in reversed(batch):
                if self._stop_after is not None and len(self.asked) == self._stop_after:
                    raise KeyboardInterrupt
                self.asked.append(question)
                yield question, self._failures.get(question.index) or self.reply(question)

    @staticmethod
    def reply(question: Question) -> Reply:
        heard = 0.0 if question.samples is None else float(np.abs(question.samples).sum())
        return Reply(
            text=f"reply {question.index} {heard:.4f} {question.text} {question.seed}",
            first_token_s=0.125,
            ttft_s=0.25,
            latency_s=0.5 + question.index,
            prompt_tokens=7,
            output_tokens=3,
            finish="stop",
        )


def run_fake(
    out: Path,
    dataset: DataSet,
    engine: FakeEngine | None = None,
    *,
    subset: str = "commoneval",
    split: str = "test",
    settings: RunSettings = SETTINGS,
    portion: Portion = Portion(),
    concurrency: int = 1,
) -> SplitResult:
    """One split through the runner."""
    engine = engine or FakeEngine()
    manifest: Manifest = open_manifest(
        out, {**settings.as_dict(), **engine.identity()}, {"location": "here"}, fresh=False
    )
    task = Task(SUBSETS[subset], subset, split)
    return run_split(
        task, dataset, engine, settings, out, manifest, portion=portion, concurrency=concurrency
    )


def result_of(out: Path, subset: str = "commoneval", split: str = "test") -> bytes:
    return (out / f"fake-{subset}-{split}-audio.jsonl").read_bytes()


@dataclass
class Torn:
    """A stream of events that ends without the line that ends streams.

    Attributes:
        chunks: that are sent.
        missing_bytes: that are promised and do not come: the connection breaks.
    """

    chunks: list[dict[str, Any]]
    missing_bytes: int = 0


Answer = Callable[[dict[str, Any], int], tuple[int, Any]]
"""Request body, how many came before → status and body; a list is streamed as events."""


class FakeServer(ThreadingHTTPServer):
    """An OpenAI-compatible server that answers what it is told to."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append(body)
        status, content = self.server.answer(body, number)
        self.send_response(status)
        missing = 0
        if isinstance(content, list | Torn):
            is_torn = isinstance(content, Torn)
            chunks = content.chunks if isinstance(content, Torn) else content
            events = [*(json.dumps(each) for each in chunks), *([] if is_torn else ["[DONE]"])]
            payload = "".join(f"data: {event}\n\n" for event in events).encode()
            missing = content.missing_bytes if isinstance(content, Torn) else 0
            self.send_header("Content-Type", "text/event-stream")
        else:
            payload = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload) + missing))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(answer: Answer) -> Iterator[FakeServer]:
    """A fake server while the block runs."""
    server = FakeServer(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def choices(*texts: str, model: str = "judge-1") -> dict[str, Any]:
    """A chat completion with these choices."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": index,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
            for index, text in enumerate(texts)
        ],
    }
