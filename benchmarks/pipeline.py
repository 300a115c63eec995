"""A whole spoken turn of the built-in model: sound in, sound out.

`parley ask` does this, and so does live audio, only at the speed of speech. Everything before the
end of speech happens while someone talks, so it has to fit into real time. What remains between the
last sample and the first token is what the listener waits for: encoding the clip once more, now
exactly, and taking it in with the opening of the reply.
"""

import io
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.measure import Cell, Goal, Row, Spread, Unavailable, require_same
from benchmarks.sizes import Sizes
from omni_core.weights import CheckpointError
from voice import load
from voice.ask import Answer, ask
from voice.assistant import Assistant
from voice.audio_file import SAMPLE_RATE_HZ, read_audio, write_wav
from voice.conversation import ReplySettings
from voice.reply import ReasoningSplitter, TokenText
from voice.tts.synthesizer import EngineUnavailable, Synthesizer, open_synthesizer

GOAL_REAL_TIME_FACTOR = 0.15
GOAL_FIRST_TOKEN_MS, GOAL_QUESTION_S = 60.0, 3.0

_STAGES = {
    "listening, ms": "listening",
    "exact encoding, ms": "exact_encoding",
    "to first token, ms": "end_of_speech_to_first_token",
    "to first audio, ms": "end_of_speech_to_first_audio",
    "to end of reply, ms": "reply",
}
"""Columns, by the timing of `Answer` they show; the last four count from the end of speech."""


def run(sizes: Sizes) -> Iterator[Row]:
    """Each question by itself, then all of them.

    Raises:
        Unavailable: the checkpoint or the synthesiser is missing.
    """
    try:
        assistant = load(sizes.model)
        synthesizer = open_synthesizer()
    except (CheckpointError, EngineUnavailable) as error:
        raise Unavailable(str(error)) from error
    with synthesizer:
        yield from _rows(sizes, assistant, synthesizer)


def _rows(sizes: Sizes, assistant: Assistant, synthesizer: Synthesizer) -> Iterator[Row]:
    settings = ReplySettings(max_new_tokens=sizes.max_reply_tokens)
    recordings = [_spoken(question, synthesizer) for question in sizes.questions]
    off_goal = [abs(_seconds(recording) - GOAL_QUESTION_S) for recording in recordings]
    nearest = off_goal.index(min(off_goal))
    answers: list[list[Answer]] = [[] for _ in recordings]
    for repeat in range(sizes.few_repeats + 1):
        for index, recording in enumerate(recordings):
            answer = ask(assistant, recording, settings=settings, synthesizer=synthesizer)
            if repeat == 0:  # also warms up
                whole = whole_clip_reply(assistant, recording, settings)
                require_same(f"reply to {sizes.questions[index]!r}", answer.reply, whole)
            else:
                answers[index].append(answer)
    for index, (question, given) in enumerate(zip(sizes.questions, answers, strict=True)):
        goal = None
        if index == nearest:
            wait = _spread(given, "end_of_speech_to_first_token").median
            text = f"first token ≤ {GOAL_FIRST_TOKEN_MS:g} ms"
            goal = Goal(text, wait <= GOAL_FIRST_TOKEN_MS)
        yield _row(f"{question} ({_seconds(recordings[index]):.1f} s)", given, goal)
    everything = [answer for given in answers for answer in given]
    factor = _real_time_factor(everything)
    yield _row(
        "all questions",
        everything,
        Goal(f"real-time factor ≤ {GOAL_REAL_TIME_FACTOR:g}", factor <= GOAL_REAL_TIME_FACTOR),
    )


def _row(what: str, answers: Sequence[Answer], goal: Goal | None) -> Row:
    cells: dict[str, Cell] = {"what": what, "real-time factor": _real_time_factor(answers)}
    for column, name in _STAGES.items():
        if (spread := _spread(answers, name)).values:  # an empty reply has no first token
            cells[column] = spread
    return Row(cells, gate="reply equal to that of the whole clip at once", goal=goal)


def _spread(answers: Sequence[Answer], name: str) -> Spread:
    times = (answer.timings_ms[name] for answer in answers)
    return Spread(tuple(ms for ms in times if ms is not None))


def _real_time_factor(answers: Sequence[Answer]) -> float:
    """Median over the answers of computing time, reply and its speech included, by the question's
    length."""
    return float(np.median([answer.real_time_factor for answer in answers]))


def _spoken(question: str, synthesizer: Synthesizer) -> np.ndarray:
    """The question as a recording, float32 mono 16 kHz [samples]."""
    sound = np.concatenate([block.samples for block in synthesizer.speak(question)])
    file = io.BytesIO()
    write_wav(file, sound, synthesizer.sample_rate)
    return read_audio(file.getvalue()).samples


def _seconds(recording: np.ndarray) -> float:
    return len(recording) / SAMPLE_RATE_HZ


def whole_clip_reply(assistant: Assistant, recording: np.ndarray, settings: ReplySettings) -> str:
    """The reply when nothing is streamed: the whole prompt with the whole clip, in one prefill."""
    message = {"role": "user", "content": [{"type": "audio"}]}
    pieces = assistant.prompt.pieces([message], thinking=settings.thinking)
    state = assistant.model.new_state()
    embeddings = assistant.embed_prompt(pieces, audios=[recording])
    assistant.model.prefill(state, embeddings=embeddings)
    text, splitter = TokenText(assistant.tokenizer), ReasoningSplitter(settings.thinking)
    parts = [
        splitter.feed(text.feed(token)).content
        for token in assistant.model.generate(
            state,
            max_new_tokens=settings.max_new_tokens,
            stop=assistant.stop_token_ids,
            forbidden=assistant.prompt.media_token_ids,
        )
    ]
    parts += [splitter.feed(text.flush()).content, splitter.flush().content]
    return "".join(parts).strip()
