"""Sentences, languages and capital words are counted as IFEval's checks count them."""

import pytest

from voice.voicebench.language import capital_words, language_of, sentence_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It is cold and dark", 1),
        ("It is cold! Is it dark?", 2),
        ("Dr. Smith went home. He slept.", 2),
        ("It is 3.5 km. Good.", 2),
        ("Cold... dark", 1),
        ("Cold... Dark and wet.", 2),
        ("He lives in Washington D.C. He is old.", 2),
        ("We like pears, etc. They are good.", 2),
        ("1. One. 2. Two.", 4),
        ("Line one.\nLine two.\n\nLine three", 3),
    ],
)
def test_sentences_are_counted_as_by_the_trained_punkt(text: str, count: int) -> None:
    assert sentence_count(text) == count


def test_language_is_told_the_same_every_time() -> None:
    text = "Der Wind auf diesem fernen Mond ist sehr kalt."
    assert {language_of(text) for _ in range(5)} == {"de"}
    assert language_of("12345") is None


def test_capital_words_are_counted_with_their_hyphens() -> None:
    assert capital_words("I went to an ICE-COLD place. OK") == ["I", "ICE-COLD", "OK"]
