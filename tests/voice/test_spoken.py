"""Written English as people say it, and where each spoken word was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.number_words import cardinal, number, ordinal, year
from voice.spoken import SpokenText, spoken_form

SAYINGS = {
    # Numbers.
    "I have 3 cats.": "I have three cats.",
    "1,234.50": "one thousand two hundred thirty-four point five zero",
    "It was -5 or .5.": "It was minus five or zero point five.",
    "1000000": "one million",
    "007": "zero zero seven",
    "Version 1.2.3": "Version one dot two dot three",
    "the 1st, 22nd and 100th": "the first, twenty-second and one hundredth",
    "H100, 3D, GPT-4": "H one hundred, three D, GPT-four",
    "1/2, 3/4 and 2½ cups": "one half, three quarters and two and one half cups",
    "10-20 people": "ten to twenty people",
    "call 555-1234": "call five five five, one two three four",
    "~50 of them": "about fifty of them",
    "#1, No. 5": "number one, number five",
    # Sums.
    "3 × 4 = 12": "three times four equals twelve",
    "3*4=12": "three times four equals twelve",
    "5 + 3 = 8": "five plus three equals eight",
    "17 − 9 = 8": "seventeen minus nine equals eight",
    "3 - 4 = -1": "three minus four equals minus one",
    "6 / 2 = 3, 6 ÷ 2": "six divided by two equals three, six divided by two",
    "x^2 + y³ ≥ 2^10": "x squared plus y cubed is at least two to the power of ten",
    "2 < 3": "two is less than three",
    # Money, measures, percentages.
    "$1, $0.99, $3.50": "one dollar, ninety-nine cents, three dollars and fifty cents",
    "$3.5 million or $20k": "three point five million dollars or twenty thousand dollars",
    "€5, 7 €, -£1,000": "five euros, seven euros, minus one thousand pounds",
    "50% of 20 USD": "fifty percent of twenty dollars",
    "1 km, 5 km/h, 2.5 GB": "one kilometer, five kilometers per hour, two point five gigabytes",
    "-5 °C and 70°F": "minus five degrees Celsius and seventy degrees Fahrenheit",
    "10 in the box": "ten in the box",
    # Dates and times.
    "March 5, 2024": "March fifth, twenty twenty-four",
    "2024-03-05": "March fifth, twenty twenty-four",
    "12/25/1999": "December twenty-fifth, nineteen ninety-nine",
    "5 March 2024": "the fifth of March, twenty twenty-four",
    "Jan. 3rd": "January third",
    "you may go, and May 2nd": "you may go, and May second",
    "in 1984, since 2007": "in nineteen eighty-four, since two thousand seven",
    "1984 people": "one thousand nine hundred eighty-four people",
    "2010–2015": "twenty ten to twenty fifteen",
    "the 1990s and '80s": "the nineteen nineties and eighties",
    "7:05 pm": "seven oh five P M",
    "7:00, 15:30, 9am": "seven o'clock, fifteen thirty, nine A M",
    "at 10:30 a.m. today": "at ten thirty A M today",
    # Abbreviations.
    "Dr. Smith vs. Mrs. Jones": "Doctor Smith versus Missus Jones",
    "e.g. this, i.e. that, etc.": "for example this, that is that, et cetera.",
    "the U.S. and the U.S.A.": "the U S and the U S A.",
    "St. Paul on Main St.": "Saint Paul on Main Street.",
    "AT&T and/or R&D": "AT and T and or R and D",
    # Addresses.
    "See https://www.example.com/docs?x=1.": "See example dot com slash docs.",
    "Mail bob.b@x-y.org!": "Mail bob dot b at x dash y dot org!",
    # Markdown, signs, emoji.
    "**Bold**, *it*, `code`, snake_case": "Bold, it, code, snake case",
    "# Title\n\n- apples\n- pears": "Title.\n\napples.\npears",
    "[the docs](https://a.b/c)": "the docs",
    "```python\nx = 3\n```": "x equals three\n",
    "Great 🎉🎉 news 👍🏽": "Great  news ",
    "He said “hello” — and left…": "He said hello, and left...",
    "Don’t, it's well-known.": "Don't, it's well-known.",
}


@pytest.mark.parametrize("written", SAYINGS)
def test_spoken_form_is_what_people_say(written: str) -> None:
    assert spoken_form(written).text == SAYINGS[written]


@pytest.mark.parametrize("spoken", list(SAYINGS.values()))
def test_spoken_form_of_spoken_words_changes_no_word(spoken: str) -> None:
    assert spoken_form(spoken).text.split() == spoken.split()


def test_spoken_form_keeps_words_at_their_places() -> None:
    written = "Pay $3.50 for **two** at 7:05 pm, or 3 × 4 = 12."
    spoken = spoken_form(written)
    for said, where in {
        "Pay": "Pay",
        "three dollars": "$3.50",
        "fifty cents": "$3.50",
        "for": "for",
        "two": "two",
        "seven oh": "7:05",
        "times": "×",
        "equals": "=",
        "twelve": "12",
    }.items():
        assert spoken.source_position(spoken.text.index(said)) == written.index(where)


def test_spoken_text_verbatim_is_its_own_source() -> None:
    spoken = SpokenText.verbatim("3 € kosten")
    assert spoken.text == spoken.source
    assert [spoken.source_position(i) for i in range(10)] == list(range(10))


FRAGMENTS = st.lists(
    st.one_of(st.sampled_from([*SAYINGS, *" \n*_#-.$%/:@^~`[](){}<>|&=+"]), st.text(max_size=4)),
    max_size=8,
).map("".join)


@given(FRAGMENTS)
def test_spoken_form_of_anything_aligns_with_all_of_it(written: str) -> None:
    spoken = spoken_form(written)
    assert spoken.text == "".join(piece.text for piece in spoken.pieces)
    assert written == "".join(written[p.source_start : p.source_end] for p in spoken.pieces)
    positions = [spoken.source_position(i) for i in range(len(spoken.text))]
    assert all(0 <= position <= len(written) for position in positions)
    assert positions == sorted(positions)


@given(FRAGMENTS)
def test_spoken_form_leaves_no_ascii_digit(written: str) -> None:
    assert not set("0123456789") & set(spoken_form(written).text)


@given(st.integers(0, 10**15 - 1))
def test_cardinal_and_ordinal_read_back(value: int) -> None:
    assert _value(cardinal(value)) == value
    assert number(f"{value:,}") == cardinal(value)
    assert cardinal(value).split()[:-1] == ordinal(value).split()[:-1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1066, "ten sixty-six"),
        (1905, "nineteen oh five"),
        (1900, "nineteen hundred"),
        (2000, "two thousand"),
        (2026, "twenty twenty-six"),
    ],
)
def test_year_is_said_in_halves(value: int, words: str) -> None:
    assert year(value) == words


def _value(words: str) -> int:
    """Reads number words back, in another way than they are made."""
    names = {cardinal(n): n for n in [*range(20), *range(20, 100, 10)]}
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    total = group = 0
    for word in words.replace("-", " ").split():
        if word == "hundred":
            group *= 100
        elif word in scales:
            total, group = total + group * scales[word], 0
        else:
            group += names[word]
    return total + group
