"""English number words: cardinals, ordinals, years, digits and decimals, as Americans say them."""

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (1000, "thousand"),
    (100, "hundred"),
)
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
LARGEST = 10**15 - 1  # beyond it, people read digits


def cardinal(number: int) -> str:
    """A whole number from 0 to ``LARGEST`` in words: 1205 is "one thousand two hundred five"."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    scale, name = next(pair for pair in _SCALES if number >= pair[0])
    count, rest = divmod(number, scale)
    return f"{cardinal(count)} {name}" + (f" {cardinal(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """A place in a row: 21 is "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in _ORDINALS:
        return words[:cut] + _ORDINALS[last]
    return words[:cut] + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def plural(word: str) -> str:
    """The plural of a number word: "ninety" is "nineties", "twenty-six" is "twenty-sixes"."""
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("x") else f"{word}s"


def year(number: int) -> str:
    """A year from 1000 to 2999: 1905 is "nineteen oh five", 2007 "two thousand seven"."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10:
        return cardinal(number)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """Each digit by itself; other characters are pauses: "555-1234"."""
    groups = "".join(c if c.isdecimal() else " " for c in text).split()
    return ", ".join(" ".join(_ONES[int(digit)] for digit in group) for group in groups)


def number(text: str) -> str:
    """A number as it is written, with thousands separators and decimals, without a sign.

    "1,234.50" is "one thousand two hundred thirty-four point five zero"; a number that is too long,
    or begins with an idle zero, is read digit by digit.
    """
    whole, point, decimals = text.replace(",", "").partition(".")
    if (len(whole) > 1 and whole[0] == "0") or int(whole or 0) > LARGEST:
        words = digits(whole)
    else:
        words = cardinal(int(whole or 0))
    return f"{words} point {digits(decimals)}" if point else words
