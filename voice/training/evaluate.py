"""`parley train --evaluate`: questions in unseen phrasings and voices, through the live path.

Every question is spoken, fed in 20 ms frames like microphone audio, transcribed and answered; an
answer counts only if the skill's own check finds it right (`voice.training.skills.is_right`).
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from voice.assistant import Assistant
from voice.audio_file import read_audio
from voice.conversation import Conversation, ReplySettings
from voice.tool_calls import ToolCall, ToolCallParser
from voice.training import skills
from voice.training.augment import Augmenter
from voice.training.distance import edit_distance
from voice.training.speech import HELDOUT_ACCENT, SpeechMaker, sample_speaker

FRAME_SAMPLES = 320
MAX_REPLY_TOKENS = 64

Speak = Callable[[str], np.ndarray]
"""Words → float32 mono 16 kHz."""


@dataclass(frozen=True, slots=True)
class Result:
    """One question and what became of it."""

    skill: str
    voice: str
    asked: str
    heard: str
    expected: str
    reply: str
    right: bool

    @property
    def word_errors(self) -> int:
        """Insertions, deletions and substitutions between asked and heard words."""
        return edit_distance(self.asked.split(), self.heard.split())


@dataclass(slots=True)
class Report:
    """All results of an evaluation."""

    results: list[Result] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Part of the questions answered right."""
        return sum(result.right for result in self.results) / max(1, len(self.results))

    @property
    def word_error_rate(self) -> float:
        """Word errors over words asked."""
        words = sum(len(result.asked.split()) for result in self.results)
        return sum(result.word_errors for result in self.results) / max(1, words)

    def by(self, key: str) -> dict[str, Report]:
        """Reports of the results that share a skill or a voice."""
        groups: dict[str, Report] = defaultdict(Report)
        for result in self.results:
            groups[getattr(result, key)].results.append(result)
        return dict(sorted(groups.items()))

    def print(self, console: Console) -> None:
        """Prints the tables per skill and per voice, and the total."""
        for key in ("skill", "voice"):
            table = Table(title=f"Held-out phrasings and voices, per {key}", title_justify="left")
            table.add_column(key)
            for name in ("questions", "right", "word error rate"):
                table.add_column(name, justify="right")
            for name, report in [*self.by(key).items(), ("all", self)]:
                table.add_row(
                    name,
                    str(len(report.results)),
                    f"{report.accuracy:.1%}",
                    f"{report.word_error_rate:.1%}",
                )
            console.print(table)


def evaluate(assistant: Assistant, questions: int, seed: int = 0, voice: str = "espeak") -> Report:
    """Asks at least ``questions`` questions, conversation by conversation.

    Args:
        assistant: who is asked.
        questions: the number of turns after which no new conversation starts.
        seed: of questions and voices.
        voice: ``espeak`` for held-out variants and accent, or one of ``ENGINE_VOICES``.
    """
    rng = random.Random(f"evaluate-{seed}")
    speakers = _espeak_speakers(rng) if voice == "espeak" else _engine_speakers(voice)
    report = Report()
    progress = track(range(questions), description=f"asking ({voice})")
    for _ in progress:
        if len(report.results) >= questions:
            continue
        name, speak = next(speakers)
        report.results += _converse(assistant, name, speak, rng)
    return report


def evaluate_tools(assistant: Assistant, questions: int, seed: int = 0) -> Report:
    """Asks with functions at hand, of held-out phrasings, in held-out espeak voices.

    A question that needs a function is right when it is called with the right arguments and when
    the result is told; the skill of its `Result` is ``call`` and the function's name.
    """
    rng = random.Random(f"evaluate-tools-{seed}")
    speakers = _espeak_speakers(rng)
    report = Report()
    for _ in track(range(questions), description="asking with functions"):
        if len(report.results) < questions:
            name, speak = next(speakers)
            asked = skills.sample_tool_conversation(rng, "heldout")
            report.results += _converse(assistant, name, speak, rng, asked)
    return report


def _converse(
    assistant: Assistant,
    voice: str,
    speak: Speak,
    rng: random.Random,
    asked: skills.Conversation | None = None,
) -> list[Result]:
    asked = asked or skills.sample_conversation(rng, "heldout")
    tools = list(map(_described, asked.functions))
    settings = ReplySettings(max_new_tokens=MAX_REPLY_TOKENS + 64 * bool(tools))
    conversation = Conversation(assistant, system=asked.system, tools=tools, settings=settings)
    record = Augmenter(rng, strength=0.0)
    results = []
    for turn in asked.turns:
        samples, _ = record(speak(turn.user))
        for start in range(0, len(samples), FRAME_SAMPLES):
            conversation.listen(samples[start : start + FRAME_SAMPLES])
        conversation.end_speech()
        heard = conversation.transcribe()
        reply = "".join(part.content for part in conversation.reply()).strip()
        skill, expected = turn.skill, turn.reply
        if turn.call is not None:
            skill = f"call {turn.call.name}"
            expected = f"{turn.call} {expected}"
            right = _calls(reply, tools) == [turn.call]
            conversation.add_result(turn.result)
            told = "".join(part.content for part in conversation.reply()).strip()
            right = right and skills.is_right(turn, told)
            reply = f"{reply} {told}"
        else:
            right = skills.is_right(turn, reply)
        results.append(Result(skill, voice, turn.user, heard, expected, reply, right))
    return results


def _described(function: skills.Function) -> dict[str, Any]:
    """A function in OpenAI's form."""
    properties = {name: {"type": "string"} for name in function.parameters}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    described = {"name": function.name, "description": "", "parameters": schema}
    return {"type": "function", "function": described}


def _calls(reply: str, tools: Sequence[Mapping[str, Any]]) -> list[skills.ToolCall]:
    parser = ToolCallParser(tools)
    return [
        skills.ToolCall(part.name, part.arguments)
        for part in [*parser.feed(reply), *parser.flush()]
        if isinstance(part, ToolCall)
    ]


def _espeak_speakers(rng: random.Random) -> Iterator[tuple[str, Speak]]:
    """Speakers with variants, and now and then an accent, that were never trained on."""
    maker = SpeechMaker()
    while True:
        speaker = sample_speaker(rng, heldout=True)
        accent, _, variant = speaker.voice.partition("+")
        name = f"espeak {HELDOUT_ACCENT}" if accent == HELDOUT_ACCENT else f"espeak +{variant}"

        def speak(text: str, speaker=speaker) -> np.ndarray:  # type: ignore[no-untyped-def]
            return maker.speak(text, speaker).samples

        yield name, speak


ENGINE_VOICES = {
    "flite awb": ("flite", "-voice", "awb", "-t", "{text}", "-o", "{file}"),
    "festival slt hts": (
        "text2wave", "-eval", "(voice_cmu_us_slt_arctic_hts)", "-o", "{file}", "{text_file}",
    ),
}  # fmt: skip
"""Held-out engines, asked where installed (Debian: flite, festival, festvox-us-slt-hts)."""


def installed_engines() -> list[str]:
    """Those of ``ENGINE_VOICES`` whose program is on the path."""
    return [name for name, command in ENGINE_VOICES.items() if shutil.which(command[0])]


def _engine_speakers(voice: str) -> Iterator[tuple[str, Speak]]:
    def speak(text: str) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            file, text_file = Path(folder, "speech.wav"), Path(folder, "text")
            text_file.write_text(text)
            filled = [
                part.format(text=text, file=file, text_file=text_file)
                for part in ENGINE_VOICES[voice]
            ]
            subprocess.run(filled, check=True, capture_output=True)
            return read_audio(file).samples

    while True:
        yield voice, speak
