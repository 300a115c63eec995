"""From written to spoken English: "$3.50" becomes "three dollars and fifty cents", markup goes.

One pass over the text with one table of rules; where none matches, the text stays as it is. Each
piece of the result knows the stretch of the original that it speaks, so that the timing of a spoken
word is the timing of a written one.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from voice.number_words import cardinal, digits, number, ordinal, plural, year
from voice.spoken_words import (
    ABBREVIATIONS,
    ADDRESS_SIGNS,
    CURRENCIES,
    FRACTIONS,
    MAGNITUDES,
    MARKS,
    MONTHS,
    SIGN_WORDS,
    UNITS,
    YEAR_CUES,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the spoken text and where it comes from.

    Attributes:
        start: its first character in the spoken text.
        text: what is said.
        source_start: first character of the original.
        source_end: one past the last character of the original.
    """

    start: int
    text: str
    source_start: int
    source_end: int


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A text as it is said, aligned to the text as it was written.

    Attributes:
        source: the original.
        text: the spoken form.
        pieces: in order; their texts joined are ``text``, their sources joined are ``source``.
    """

    source: str
    text: str
    pieces: tuple[Piece, ...]

    @classmethod
    def verbatim(cls, source: str) -> "SpokenText":
        """Speaks the text exactly as it is."""
        return cls(source, source, (Piece(0, source, 0, len(source)),))

    def source_position(self, position: int) -> int:
        """The character of the original that the spoken character at ``position`` belongs to."""
        index = bisect_right(self.pieces, position, key=lambda piece: piece.start) - 1
        piece = self.pieces[max(index, 0)]
        if piece.text == self.source[piece.source_start : piece.source_end]:
            return piece.source_start + min(position - piece.start, len(piece.text))
        # A rule may take the spaces around a sign with it: they belong to no word.
        written = self.source[piece.source_start : piece.source_end]
        return piece.source_start + len(written) - len(written.lstrip())


def spoken_form(source: str) -> SpokenText:
    """Brings English text, with or without Markdown, into the form in which people say it."""
    pieces: list[Piece] = []
    length = position = 0

    def add(text: str, start: int, end: int) -> None:
        nonlocal length
        pieces.append(Piece(length, text, start, end))
        length += len(text)

    for found in _ANY_RULE.finditer(source):
        if found.start() > position:
            add(source[position : found.start()], position, found.start())
        add(_speak(found), found.start(), found.end())
        position = found.end()
    if position < len(source) or not pieces:
        add(source[position:], position, len(source))
    return SpokenText(source, "".join(piece.text for piece in pieces), tuple(pieces))


def _speak(found: re.Match[str]) -> str:
    """Says what some rule matched: the first that matches here, as the alternation tried them."""
    for rule in _RULES:
        match = rule.pattern.match(found.string, found.start())
        if match and match.end() == found.end():
            return rule.say(match)
    raise AssertionError(f"no rule matches {found.group()!r}")


# --- Parts of patterns ----------------------------------------------------------------------------

_MONTH_NUMBERS = {name[:3].lower(): index for index, name in enumerate(MONTHS)}
_MONTH = r"(?P<month>" + "|".join(f"{m[:3]}(?:{m[3:]}|\\.)?" for m in MONTHS) + r"|Sept\.?)"
_SIGNS = "".join(sign for sign in CURRENCIES if len(sign) == 1)
_CODES = "|".join(code for code in CURRENCIES if len(code) > 1)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_SIGN = r"(?P<sign>(?<![\w.,)%°])[-−])?"
_EMOJI = (
    "[\u200d\u20e3\ufe0e\ufe0f\u2190-\u2191\u2193-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\U0001f000-\U0001faff\U000e0020-\U000e007f]+"
)


# --- How a match is said -------------------------------------------------------------------------


def _signed(match: re.Match[str], words: str) -> str:
    return f"minus {words}" if match["sign"] else words


def _say_number(match: re.Match[str]) -> str:
    words = number(match["number"])
    # "H100", "3D": the letters beside a number are words of their own.
    before = " " if match.string[: match.start()][-1:].isalpha() else ""
    after = " " if match.string[match.end() :][:1].isalpha() else ""
    return before + _signed(match, words) + after


def _say_four_digits(match: re.Match[str]) -> str:
    """A year after words like "in" or "since" and after a month, else a plain number."""
    last = re.search(r"(\w+)\W*$", match.string[: match.start()])
    cue = last[1].lower() if last else ""
    is_year = cue in YEAR_CUES or cue[:3] in _MONTH_NUMBERS
    return year(int(match[0])) if is_year else cardinal(int(match[0]))


def _say_unit(match: re.Match[str]) -> str:
    one, many = UNITS[match["unit"]]
    words = _signed(match, number(match["number"]))
    return f"{words} {one if match['number'] == '1' else many}"


def _say_money(match: re.Match[str]) -> str:
    """Says "$2.50", "$3.5 million", "$20k", "-£5", "7 €"."""
    groups = match.groupdict()
    amount, scale = match["number"], groups.get("scale")
    one, many, cent, cents = CURRENCIES[match["currency"]]
    if scale:
        scale = MAGNITUDES.get(scale.lower(), scale)
        return _signed(match, f"{number(amount)} {scale} {many}")
    whole, _, part = amount.partition(".")
    if len(part) != 2:
        return _signed(match, f"{number(amount)} {one if amount == '1' else many}")
    says = []
    if whole.strip("0,") or part == "00":
        says.append(f"{number(whole or '0')} {one if whole == '1' else many}")
    if part != "00":
        says.append(f"{cardinal(int(part))} {cent if part == '01' else cents}")
    return _signed(match, " and ".join(says))


def _say_time(match: re.Match[str]) -> str:
    """Says "7:05 pm", "12:00", "15:30", "9am"."""
    groups = match.groupdict()
    hour, minute, half = int(match["hour"]), groups.get("minute"), groups.get("half")
    words = cardinal(hour)
    if minute == "00" and not half:
        words += " o'clock" if 0 < hour <= 12 else " hundred"
    elif minute and minute != "00":
        words += f" {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    if groups.get("second"):
        words += f" and {cardinal(int(match['second']))} seconds"
    return words + (f" {half[0].upper()} M" if half else "")


def _say_date(match: re.Match[str]) -> str:
    """Says "March 5, 2024", "2024-03-05", "3/5/2024", "5 March"."""
    groups = match.groupdict()
    month = match["month"]
    if month.isdecimal():
        name = MONTHS[int(month) - 1]
    else:
        name = MONTHS[_MONTH_NUMBERS[month[:3].lower()]]
    day = ordinal(int(match["day"]))
    words = f"the {day} of {name}" if match.start("day") < match.start("month") else f"{name} {day}"
    return words + (f", {year(int(match['year']))}" if groups.get("year") else "")


def _say_decade(match: re.Match[str]) -> str:
    century = f"{cardinal(int(match['century']))} " if match["century"] else ""
    decade = int(match["decade"])
    return century + (plural(cardinal(decade)) if decade else "hundreds")


def _say_fraction(match: re.Match[str]) -> str:
    top, bottom = int(match["top"]), int(match["bottom"])
    if not 0 < top < bottom <= 20:
        return f"{cardinal(top)} over {cardinal(bottom)}"
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(bottom)
    return f"{cardinal(top)} {part}{'' if top == 1 else 's'}"


def _say_range(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    if all(len(part) == 4 and part[:2] in ("18", "19", "20") for part in (low, high)):
        return f"{year(int(low))} to {year(int(high))}"
    return f"{number(low)} to {number(high)}"


def _say_address(match: re.Match[str]) -> str:
    """A web or mail address, sign by sign; what follows "?" or "#" is for machines."""
    address = re.sub(r"^(?:https?://)?(?:www\.)?|[?#].*$", "", match[0]).rstrip("/")
    spelled = "".join(ADDRESS_SIGNS.get(c, c) for c in address)
    return re.sub(r"\d+", lambda n: f" {number(n[0])} ", spelled).strip()


def _say_abbreviation(match: re.Match[str]) -> str:
    return ABBREVIATIONS[match[0]] + _full_stop(match)


def _say_initials(match: re.Match[str]) -> str:
    return " ".join(match[0].replace(".", "")) + _full_stop(match)


def _say_saint_or_street(match: re.Match[str]) -> str:
    is_saint = re.match(r"\s+[A-Z]", match.string[match.end() :]) is not None
    return "Saint" if is_saint else "Street" + _full_stop(match)


def _full_stop(match: re.Match[str]) -> str:
    """The dot of an abbreviation at the very end of the text ends the sentence, too."""
    return "." if match[0].endswith(".") and not match.string[match.end() :].strip() else ""


def _say_power(match: re.Match[str]) -> str:
    exponent = match["exponent"]
    named = {"2": " squared", "3": " cubed"}.get(exponent)
    return named or f" to the power of {number(exponent)}"


# --- The table -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    say: Callable[[re.Match[str]], str]


def _rule(pattern: str, says: str | Callable[[re.Match[str]], str]) -> _Rule:
    if isinstance(says, str):
        words = says
        return _Rule(re.compile(pattern, re.MULTILINE), lambda match: words)
    return _Rule(re.compile(pattern, re.MULTILINE), says)


def _either(names: dict[str, str] | dict[str, tuple[str, str]]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_RULES = (
    # Markdown and HTML: marks go, the text between them stays.
    _rule(r"^[ \t]*```[^\n`]*$\n?", ""),
    _rule(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,}|\|[-:| ]+\|)[ \t]*$", ""),
    _rule(r"(?<=\w)[ \t]*\n(?=\s*\n|[ \t]*(?:[-*+•#>]|\d+\.)[ \t])", ".\n"),
    _rule(r"^[ \t]*#{1,6}[ \t]+", ""),
    _rule(r"^[ \t]*(?:>[ \t]?|[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?)", ""),
    _rule(r"!?\[(?=[^\]\n]+\]\([^)\s]+\))", ""),
    _rule(r"\]\([^)\s]+\)", ""),
    _rule(r"</?[A-Za-z][^<>\n]*>", ""),
    # Addresses.
    _rule(r"(?:https?://|www\.)[^\s<>()]*[^\s<>().,;:!?'\"*]", _say_address),
    _rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", _say_address),
    _rule(
        r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|ai|dev|edu|gov|uk|de)\b(?:/[\w./~-]*\w)?",
        _say_address,
    ),
    # Dates and times.
    _rule(
        r"\b(?P<year>[12]\d{3})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])\b", _say_date
    ),
    _rule(
        r"\b(?P<month>0?[1-9]|1[0-2])/(?P<day>0?[1-9]|[12]\d|3[01])/(?P<year>[12]\d{3})\b",
        _say_date,
    ),
    _rule(
        rf"\b{_MONTH} (?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?\b(?!:)"
        r"(?:,? (?P<year>[12]\d{3})\b)?",
        _say_date,
    ),
    _rule(
        rf"\b(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)? {_MONTH}\b"
        r"(?:,? (?P<year>[12]\d{3})\b)?",
        _say_date,
    ),
    _rule(
        r"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?!\d)"
        r"(?: ?(?P<half>[aApP])(?:\.m\.|\.M\.|[mM]\b))?",
        _say_time,
    ),
    _rule(r"\b(?P<hour>1[0-2]|0?[1-9]) ?(?P<half>[aApP])(?:\.m\.|\.M\.|[mM]\b)", _say_time),
    _rule(
        r"(?:\b(?P<century>1\d|20)|['’]|(?<=the |his |her ))(?P<decade>\d0)['’]?s\b", _say_decade
    ),
    # Money, measures, other numbers.
    _rule(
        rf"{_SIGN}(?P<currency>[{_SIGNS}]) ?(?P<number>{_NUMBER})"
        r"(?: ?(?P<scale>thousand|million|billion|trillion|bn|[kKmMbBtT])\b)?",
        _say_money,
    ),
    _rule(rf"{_SIGN}(?P<number>{_NUMBER}) ?(?P<currency>[{_SIGNS}]|(?:{_CODES})\b)", _say_money),
    _rule(r"(?<!\w)(?:\+?\d{1,3}[ -])?\(?\d{3}\)?[ -]\d{3}-\d{4}\b", lambda m: digits(m[0])),
    _rule(r"\b\d{3}-\d{4}\b", lambda m: digits(m[0])),
    _rule(rf"(?<!\S)(?:{_either(ABBREVIATIONS)})(?!\w)", _say_abbreviation),
    _rule(r"\b(?P<top>\d{1,3})/(?P<bottom>[1-9]\d{0,2})\b(?!/)", _say_fraction),
    _rule(rf"(?P<number>(?<=\d)[{''.join(FRACTIONS)}])", lambda m: f" and {FRACTIONS[m[0]]}"),
    _rule(f"[{''.join(FRACTIONS)}]", lambda m: FRACTIONS[m[0]]),
    _rule(
        rf"{_SIGN}(?<![A-Za-z\d.])(?P<number>{_NUMBER}) ?(?P<unit>{_either(UNITS)})(?!\w)",
        _say_unit,
    ),
    _rule(r"\b(?P<number>\d+)(?:st|nd|rd|th)\b", lambda m: ordinal(int(m["number"]))),
    _rule(r"\b\d+(?:\.\d+){2,}\b", lambda m: " dot ".join(map(number, m[0].split(".")))),
    _rule(
        r"(?<![\w.,-])(?P<low>\d+(?:\.\d+)?)(?: ?[–—] ?|-)(?P<high>\d+(?:\.\d+)?)\b(?![.,]?\d|-)",
        _say_range,
    ),
    _rule(r"(?<![\w.,])(?:1[1-9]|20)\d\d\b(?![.,]\d)", _say_four_digits),
    _rule(rf"{_SIGN}(?P<number>{_NUMBER})", _say_number),
    # Sums.
    _rule(r"\^(?P<exponent>\d+)", _say_power),
    _rule(r"(?<=[\d)]) ?\* ?(?=[\d(])|(?<=[\d)]) x (?=[\d(])", " times "),
    _rule(r"(?<=[\w)]) / (?=[\w(])|(?<=[\d)])/(?=[\d(])", " divided by "),
    _rule(r"(?<=[\w)]) [-−] (?=\d)", " minus "),
    _rule(r"−", " minus "),
    _rule(r"(?<=[\w)]) ?\+ ?(?=[\w(])", " plus "),
    _rule(r" < (?=\S)", " is less than "),
    _rule(r" > (?=\S)", " is greater than "),
    _rule(r"~(?=\d)", "about "),
    _rule(r"#(?=\d)|\bNo\. (?=\d)", "number "),
    # Abbreviations and signs.
    _rule(r"\bSt\.", _say_saint_or_street),
    _rule(r"\b(?:[A-Z]\.){2,}", _say_initials),
    _rule(_EMOJI, ""),
    _rule(f" ?[{re.escape(''.join(SIGN_WORDS))}] ?", lambda m: SIGN_WORDS[m[0].strip()]),
    _rule(f"[{''.join(MARKS)}]", lambda m: MARKS[m[0]]),
    _rule(r"(?<=[^\W\d])_(?=\w)", " "),
    _rule(r" - ", ", "),
    _rule(r"[*_`~#\\“”«»\[\]{}^™®©]+", ""),
)

_ANY_RULE = re.compile(
    "|".join(re.sub(r"\(\?P<\w+>", "(?:", rule.pattern.pattern) for rule in _RULES), re.MULTILINE
)
