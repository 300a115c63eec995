"""JSON that comes from clients."""

import pytest

from web.realtime.json_text import parse_json


def test_whole_characters_and_numbers_are_taken_as_they_are():
    text = '{"a": ["\\ud83d\\ude00", 1, -1.5e300, true, null], "b": ' + "9" * 4000 + "}"
    assert parse_json(text) == {"a": ["😀", 1, -1.5e300, True, None], "b": int("9" * 4000)}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\ud800"}',
        '{"a": "\ud800"}',
        '{"\\udc00": 1}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 400 + ".0}",
        '{"a": ' + "9" * 5000 + "}",
        "[" * 900 + "]" * 900,
        "[" * 100_000 + "]" * 100_000,
        "",
        "{'a': 1}",
    ],
)
def test_what_cannot_be_sent_on_is_no_json(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, each with its own words
        parse_json(text)
