"""What is said while the assistant speaks tells whether it wants the floor."""

import pytest

from voice.turn_end import floor_probability


@pytest.mark.parametrize(
    ("words", "probability"),
    [
        ("Stop!", 1.0),
        ("hold on a second", 1.0),
        ("Mm-hm.", 0.0),
        ("yeah", 0.0),
        ("", None),
        ("what about rome", None),
        ("stopwatch", None),
    ],
)
def test_words_say_whether_they_want_the_floor(words, probability):
    assert floor_probability(words) == probability
