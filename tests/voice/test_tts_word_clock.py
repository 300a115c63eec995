"""Marks of spoken words become timings of written ones, whatever the engine leaves out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice.spoken import SpokenText, spoken_form
from voice.tts.synthesizer import SpeechBlock
from voice.tts.word_clock import WordClock

BLOCK = 10


def timings(blocks: list[SpeechBlock], text: str) -> list[tuple[str, int, int]]:
    return [
        (text[word.start : word.end], word.start_sample, word.end_sample)
        for block in blocks
        for word in block.words
    ]


def run(spoken: SpokenText, marks: list[tuple[int, int]], length: int) -> list[SpeechBlock]:
    clock = WordClock(spoken, BLOCK)
    for mark in marks:
        clock.mark(*mark)
    return clock.add(np.zeros(length, np.float32)) + clock.finish()


def test_word_clock_joins_words_that_the_engine_leaves_out() -> None:
    text = "** in the house **"
    blocks = run(SpokenText.verbatim(text), [(0, 3), (33, 10)], 70)
    assert timings(blocks, text) == [("** in the", 0, 33), ("house **", 33, 70)]


def test_word_clock_joins_marks_of_one_written_word() -> None:
    text = "costs 3.5 now"
    spoken = spoken_form(text)
    starts = [spoken.text.index(word) for word in ("costs", "three", "point", "five", "now")]
    blocks = run(spoken, list(zip((0, 20, 30, 40, 50), starts, strict=True)), 70)
    assert timings(blocks, text) == [("costs", 0, 20), ("3.5", 20, 50), ("now", 50, 70)]


def test_word_clock_ignores_marks_that_go_back() -> None:
    text = "one two three"
    blocks = run(SpokenText.verbatim(text), [(0, 0), (20, 4), (25, 0), (20, 8), (40, 8)], 60)
    assert timings(blocks, text) == [("one", 0, 20), ("two", 20, 40), ("three", 40, 60)]


def test_word_clock_holds_sound_until_its_words_have_ended() -> None:
    clock = WordClock(SpokenText.verbatim("one two"), BLOCK)
    clock.mark(0, 0)
    assert clock.add(np.zeros(35, np.float32)) == []
    clock.mark(33, 4)
    released = clock.add(np.zeros(5, np.float32))
    assert [block.start_sample for block in released] == [0, 10, 20]
    assert len(released[0].words) == 1
    assert sum(len(block.samples) for block in clock.finish()) == 10


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40)), max_size=12),
    st.integers(0, 200),
)
def test_word_clock_with_any_marks_covers_the_text_in_order(
    marks: list[tuple[int, int]], length: int
) -> None:
    text = "a bc def  gh, i jkl mno p (qrs) t u vwx!"
    marks = sorted((min(sample, max(length - 1, 0)), position) for sample, position in marks)
    blocks = run(SpokenText.verbatim(text), marks, length)
    assert sum(len(block.samples) for block in blocks) == length
    found = timings(blocks, text)
    assert [start for _, start, _ in found] == sorted({start for _, start, _ in found})
    if marks and length:
        assert "".join(word.replace(" ", "") for word, _, _ in found) == text.replace(" ", "")
        assert found[-1][2] == length
