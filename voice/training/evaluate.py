"""`parley train --evaluate`: questions in unseen phrasings and voices, through the live path.

Every question is spoken, fed in 20 ms frames like microphone audio, transcribed and answered; an
answer counts only if the skill's own check finds it right (`voice.training.skills.is_right`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from streaming.turn_settings import TurnSettings
from voice.assistant import Assistant
from voice.conversation import Conversation, ReplySettings
from voice.tool_calls import ToolCall, ToolCallParser
from voice.training import skills
from voice.training.augment import Augmenter, in_noise
from voice.training.distance import edit_distance
from voice.training.drawings import draw
from voice.training.held_out import Speak, engine_speakers, espeak_speakers
from voice.turn_end import EmptyReply

FRAME_SAMPLES = 320
SNRS_DB = (20.0, 10.0, 5.0)
"""Levels of noise."""
MEMORY_TURNS = 10
MAX_REPLY_TOKENS = 64
PICTURE_SIZES = ((128, 128), (320, 240), (640, 480), (480, 640), (1280, 720), (500, 500))
"""Of the pictures that are asked about: width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Result:
    """One question and what became of it.

    Attributes:
        skill: or ``call`` and the function's name. voice, noise: how it was asked.
        asked, heard: the words. expected, reply: the answer.
        right: whether the reply is, by the skill's own check.
    """

    skill: str
    voice: str
    noise: str
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
        """Reports of the results that share a skill, a voice or the noise."""
        groups: dict[str, Report] = defaultdict(Report)
        for result in self.results:
            groups[getattr(result, key)].results.append(result)
        return dict(sorted(groups.items()))

    def print(self, console: Console) -> None:
        """Prints the tables per skill, voice and noise, where they differ, and the total."""
        for key in ("skill", "voice", "noise"):
            if key != "skill" and len(self.by(key)) < 2:
                continue
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


def evaluate(
    assistant: Assistant,
    questions: int,
    seed: int = 0,
    voice: str = "espeak",
    snr_db: float | None = None,
) -> Report:
    """Asks at least ``questions`` questions, conversation by conversation.

    Args:
        assistant: who is asked.
        questions: the number of turns after which no new conversation starts.
        seed: of questions and voices.
        voice: ``espeak`` for held-out variants and accent, or one of ``engines.HELDOUT_VOICES``.
        snr_db: signal-to-noise ratio of the recordings; None for no noise.
    """
    rng = random.Random(f"evaluate-{seed}")
    speakers = espeak_speakers(rng) if voice == "espeak" else engine_speakers(voice)
    sample, description = skills.sample_conversation, f"asking ({voice})"
    return _ask(assistant, questions, rng, speakers, sample, description, snr_db)


def evaluate_memory(
    assistant: Assistant, conversations: int, seed: int = 0, turns: int = MEMORY_TURNS
) -> Report:
    """Tells a name, talks about other things and asks for it in the last of ``turns`` turns.

    The results are those of the last turns alone.
    """
    rng = random.Random(f"evaluate-memory-{seed}")
    speakers = espeak_speakers(rng)
    report = Report()
    for _ in track(range(conversations), description="remembering"):
        name, speak = next(speakers)
        asked = skills.sample_memory(rng, "heldout", turns)
        report.results.append(_converse(assistant, name, speak, rng, asked)[-1])
    return report


def evaluate_further(assistant: Assistant, questions: int, seed: int = 0) -> Report:
    """Asks about `skills.FURTHER_SKILLS`, in held-out phrasings and espeak voices."""
    rng = random.Random(f"evaluate-further-{seed}")
    speakers, sample = espeak_speakers(rng), skills.sample_further
    return _ask(assistant, questions, rng, speakers, sample, "asking about more")


def evaluate_sight(assistant: Assistant, questions: int, seed: int = 0) -> Report:
    """Shows drawings of many sizes and asks about them, as `evaluate_further` does."""
    rng = random.Random(f"evaluate-sight-{seed}")
    speakers, sample = espeak_speakers(rng), skills.sample_sight
    return _ask(assistant, questions, rng, speakers, sample, "showing pictures")


def evaluate_tools(assistant: Assistant, questions: int, seed: int = 0) -> Report:
    """Asks with functions at hand, of held-out phrasings, in held-out espeak voices.

    A question that needs a function is right when it is called with the right arguments and when
    the result is told; the skill of its `Result` is ``call`` and the function's name.
    """
    rng = random.Random(f"evaluate-tools-{seed}")
    speakers, sample = espeak_speakers(rng), skills.sample_tool_conversation
    return _ask(assistant, questions, rng, speakers, sample, "asking with functions")


def _ask(
    assistant: Assistant,
    questions: int,
    rng: random.Random,
    speakers: Iterator[tuple[str, Speak]],
    sample: Callable[[random.Random, skills.Split], skills.Conversation],
    description: str,
    snr_db: float | None = None,
) -> Report:
    """Goes through held-out conversations until at least so many questions have been asked."""
    report = Report()
    for _ in track(range(questions), description=description):
        if len(report.results) < questions:
            name, speak = next(speakers)
            asked = sample(rng, "heldout")
            report.results += _converse(assistant, name, speak, rng, asked, snr_db)
    return report


@dataclass(slots=True)
class TurnEnds:
    """How probable it was found that turns are over: of whole ones, and of those cut short."""

    whole: list[float] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)

    @property
    def area(self) -> float:
        """Area under the curve: how often a whole turn is more probably over than a cut one."""
        pairs = [(w > c) + (w == c) / 2 for w in self.whole for c in self.cut]
        return sum(pairs) / max(1, len(pairs))

    def print(self, console: Console) -> None:
        """Prints the area, and what the thresholds of turn-taking make of the turns."""
        settings = TurnSettings()
        table = Table(title="Turns that are over, and turns cut short", title_justify="left")
        for name in ("turns", "number", "finished", "unfinished"):
            table.add_column(name, justify="left" if name == "turns" else "right")
        for name, found in (("over", self.whole), ("cut short", self.cut)):
            finished = sum(p >= settings.finished_probability for p in found)
            unfinished = sum(p < settings.unfinished_probability for p in found)
            shares = (f"{count / max(1, len(found)):.1%}" for count in (finished, unfinished))
            table.add_row(name, str(len(found)), *shares)
        console.print(table, f"area under the curve: {self.area:.3f}")


def evaluate_turn_ends(assistant: Assistant, turns: int, seed: int = 0) -> TurnEnds:
    """Judges held-out turns in held-out espeak voices, each whole and cut short where it can be."""
    rng = random.Random(f"evaluate-turn-ends-{seed}")
    speakers = espeak_speakers(rng)
    judge, report, record = EmptyReply(assistant), TurnEnds(), Augmenter(rng, strength=0.0)
    for _ in track(range(turns), description="judging turns"):
        _, speak = next(speakers)
        turn = rng.choice(skills.sample_conversation(rng, "heldout").turns)
        for judged, found in ((turn, report.whole), (skills.cut_short(turn, rng), report.cut)):
            if judged is not None:
                conversation = Conversation(assistant)
                samples, _ = record(speak(judged.user))
                conversation.listen(samples)
                conversation.pause()
                memory = conversation.fork_turn()
                assert memory is not None
                if (probability := judge.probability(memory)) is not None:
                    found.append(probability)
    return report


def _converse(
    assistant: Assistant,
    voice: str,
    speak: Speak,
    rng: random.Random,
    asked: skills.Conversation,
    snr_db: float | None = None,
) -> list[Result]:
    tools = list(map(_described, asked.functions))
    settings = ReplySettings(max_new_tokens=MAX_REPLY_TOKENS + 64 * bool(tools))
    conversation = Conversation(assistant, system=asked.system, tools=tools, settings=settings)
    record = Augmenter(rng, strength=0.0)
    results = []
    for turn in asked.turns:
        if turn.shown:
            drawing = draw(turn.shown, rng, *rng.choice(PICTURE_SIZES))
            conversation.begin_turn([Image.fromarray(drawing.pixels)])
        samples, _ = record(speak(turn.user))
        if snr_db is not None:
            samples = in_noise(samples, snr_db, seed=len(samples))
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
        noise = "none" if snr_db is None else f"{snr_db:g} dB"
        results.append(Result(skill, voice, noise, turn.user, heard, expected, reply, right))
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
