"""What the client programs share. They run in an environment without Parley (requirements.txt).

Each is called with the server's address and WAV files, 24 kHz mono 16 bit. It talks as an
application made with its library would: it asks the questions one after the other, gives the model
one function, and prints what it got as one line of JSON.
"""

import asyncio
import json
import sys
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field

RATE_HZ = 24_000
FRAME_BYTES = 2 * RATE_HZ // 25
"""40 ms."""
SPEED = 4
"""How much faster than real time the microphone runs; sessions count samples, not seconds."""
ANSWER_TIMEOUT_S = 120

INSTRUCTIONS = "Be brief."
WEATHER = "The weather of a city."
RESULT = "21 degrees, sunny"


@dataclass
class Report:
    """What a client got.

    Attributes:
        replies: the words of each answer; that which was interrupted is not among them.
        sound_s: how much was heard of each.
        calls: of the function, its arguments.
        heard: what the server says the questions were.
        interruptions: of answers, that the library noticed.
        errors: that the library reported.
    """

    replies: list[str] = field(default_factory=list)
    sound_s: list[float] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    interruptions: int = 0
    errors: list[str] = field(default_factory=list)

    def note(self, answer: "Answer") -> None:
        self.replies.append(answer.text.strip())
        self.sound_s.append(answer.sound_bytes / 2 / RATE_HZ)


class Microphone:
    """Somebody who asks a question now and then, and is silent in between."""

    def __init__(self) -> None:
        self._waiting = b""

    def say(self, question: bytes) -> None:
        self._waiting += question + bytes(-len(question) % FRAME_BYTES)

    async def frames(self) -> AsyncIterator[bytes]:
        """Frames of 40 ms, without end."""
        while True:
            frame, self._waiting = self._waiting[:FRAME_BYTES], self._waiting[FRAME_BYTES:]
            yield frame or bytes(FRAME_BYTES)
            await asyncio.sleep(FRAME_BYTES / 2 / RATE_HZ / SPEED)


class Answer:
    """What has come of the answer to one question."""

    def __init__(self) -> None:
        self.text = ""
        self.sound_bytes = 0
        self._has_begun = asyncio.Event()
        self._is_over = asyncio.Event()

    def hear(self, count: int) -> None:
        """So many bytes of sound have come."""
        self.sound_bytes += count
        self._has_begun.set()

    def response_is_over(self) -> None:
        """A response has ended; one that called a function, and said nothing, is not the answer."""
        if self.sound_bytes:
            self._is_over.set()

    async def begin(self) -> None:
        """Waits for the first sound."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._has_begun.wait()

    async def end(self) -> None:
        """Waits for the end of the response."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._is_over.wait()


def read_questions() -> list[bytes]:
    questions = []
    for name in sys.argv[2:]:
        with wave.open(name) as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE_HZ, 1)
            questions.append(file.readframes(file.getnframes()))
    return questions


async def talk(report: Report, microphone: Microphone, ask: Callable[[Answer], None]) -> None:
    """Asks every question when the one before is answered, then the first once more, and the last
    into its answer; `ask` says where the next answer goes."""
    questions = read_questions()
    for question in questions:
        answer = Answer()
        ask(answer)
        microphone.say(question)
        await answer.end()
        report.note(answer)
        await asyncio.sleep((answer.sound_bytes / 2 / RATE_HZ + 0.5) / SPEED)  # it is listened to
    interrupted, answer = Answer(), Answer()
    ask(interrupted)
    microphone.say(questions[0])
    await interrupted.begin()
    microphone.say(questions[-1])
    await interrupted.end()
    ask(answer)
    await answer.end()
    report.note(answer)


def print_report(report: Report) -> None:
    print(json.dumps(asdict(report)), flush=True)
