"""Cutting a stream of token texts into pieces worth speaking, as early as they are certain.

The first piece may be a clause, so that sound starts early; later ones are sentences or whole
lines. Any split of the input gives the same pieces, and the pieces joined are the input, character
for character: white space stays at the end of the piece that it follows.
"""

import re
from dataclasses import dataclass

_CLOSERS = "\"'”’»)]}*_`"
_OPENERS = "\"'“‘«([{*_`#>-•"

# The end of a sentence: marks, closing quotes and brackets, white space, and the first character
# behind it, which helps to decide whether it was one. The end of a line ends one, too.
_BREAK = re.compile(
    rf"(?P<mark>[.!?…。！？]+)(?P<close>[{re.escape(_CLOSERS)}]*)(?P<space>\s+)(?=\S)"
    r"|(?P<line>\s*\n\s*)(?=\S)"
)
_CLAUSE = re.compile(rf"(?P<mark>[,;:—–])(?P<close>[{re.escape(_CLOSERS)}]*)(?P<space>\s+)(?=\S)")

# The dot belongs to the word: a name follows.
_TITLES = frozenset(
    "dr mr mrs ms prof st mt rev gen col capt lt sgt gov sen rep pres hon messrs vs approx".split()
)
# The dot belongs to the word when a number follows.
_NUMBERED = frozenset("no nos fig figs vol ch p pp sec art".split())
# They may end a sentence; a lower-case word or a digit behind them says that they do not.
_SHORTENED = frozenset(
    "etc inc ltd co corp jr sr al est min max ave blvd rd bldg dept ext jan feb mar apr jun jul "
    "aug sep sept oct nov dec mon tue wed thu fri sat sun".split()
)
_NEVER_LAST = frozenset({"e.g", "i.e", "cf"})
_INNER_DOTS = re.compile(r"(?:[a-z]\.)+[a-z]")  # "u.s", "p.m", without the last dot
# Words that begin sentences: "in the U.S. The law", "at 5 p.m. We left", "vitamin C. It is".
_STARTERS = frozenset(
    "a an the this that these those he she it we you they i his her its our your their my there "
    "here what when where why how who in on at for if but and or so as no yes then now".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitterSettings:
    """When a piece is worth speaking by itself.

    Attributes:
        first_min_chars: least length of a first piece that ends with a clause.
        sentence_min_chars: a shorter sentence waits for the next one; the first does not wait.
        max_chars: a longer sentence is cut at its last clause, or else between words.
    """

    first_min_chars: int = 20
    sentence_min_chars: int = 12
    max_chars: int = 300

    def __post_init__(self) -> None:
        if self.first_min_chars < 1 or self.sentence_min_chars < 1:
            raise ValueError("first_min_chars and sentence_min_chars must be at least 1")
        if self.max_chars < 2 * max(self.first_min_chars, self.sentence_min_chars):
            raise ValueError("max_chars must be at least twice each of the least lengths")


class SentenceSplitter:
    """Cuts a stream of text into sentences; see the module for the rules.

    >>> splitter = SentenceSplitter()
    >>> splitter.feed("Dr. Smith paid 3.5 dollars. He")
    ['Dr. Smith paid 3.5 dollars. ']
    >>> splitter.flush()
    ['He']
    """

    def __init__(self, settings: SplitterSettings | None = None) -> None:
        self.settings = settings or SplitterSettings()
        self._text = ""
        self._is_first = True

    def feed(self, text: str) -> list[str]:
        """Takes the next text; returns the pieces that are certain now, often none."""
        pieces = []
        # Character by character, so that no cut can depend on how the text was split.
        for character in text:
            self._text += character
            while cut := self._find_cut():
                pieces.append(self._text[:cut])
                self._text = self._text[cut:]
                self._is_first = False
        return pieces

    def flush(self) -> list[str]:
        """Ends the stream; returns what is left, if anything, and starts afresh."""
        left = self._text
        self._text, self._is_first = "", True
        return [left] if left else []

    def _find_cut(self) -> int:
        """Where the next piece ends; 0 while that is open."""
        text = self._text
        if text[-1:].isspace():
            return 0  # every cut waits for the first character behind it
        cut = self._sentence_cut(text) or (self._is_first and self._clause_cut(text))
        limit = self.settings.max_chars
        return cut or (self._forced_cut(text[:limit]) if len(text) > limit else 0)

    def _sentence_cut(self, text: str) -> int:
        least = 1 if self._is_first else self.settings.sentence_min_chars
        for found in _BREAK.finditer(text):
            if len(text[: found.end()].strip()) < least:
                continue
            is_line_end = "\n" in (found["line"] or found["space"])
            if is_line_end or _ends_sentence(
                text[: found.start()], found["mark"], text[found.end() :]
            ):
                return found.end()
        return 0

    def _clause_cut(self, text: str) -> int:
        for found in _CLAUSE.finditer(text):
            if len(text[: found.end()].strip()) < self.settings.first_min_chars:
                continue
            is_open = text[: found.start()].count("(") > text[: found.start()].count(")")
            if not is_open and not text[found.end()].isdecimal():  # "March 5, 2024"
                return found.end()
        return 0

    def _forced_cut(self, text: str) -> int:
        """Where to cut a sentence that is too long: the last clause, else word, else anywhere."""
        clauses = [found.end() for found in _CLAUSE.finditer(text)]
        least = self.settings.first_min_chars
        spaces = [found.end() for found in re.finditer(r"\s+(?=\S)", text)]
        for cuts in (clauses, spaces):
            if cuts and cuts[-1] >= least:
                return cuts[-1]
        return len(text)


def _ends_sentence(before: str, mark: str, behind: str) -> bool:
    """Whether ``mark`` after ``before`` surely ends a sentence when ``behind`` comes next."""
    follower = behind.lstrip(_OPENERS)
    if not follower or follower[0].islower():  # 'Wait... what', '"Really?" she said'
        return False
    if mark != ".":
        return True
    word = re.split(rf"[\s/—–{re.escape(_OPENERS)}]", before)[-1]
    name = word.lower()
    if name in _TITLES or name in _NEVER_LAST:
        return False
    if name in _NUMBERED or name in _SHORTENED:
        return not follower[0].isdecimal()
    if _INNER_DOTS.fullmatch(name) or (len(name) == 1 and name.isalpha() and name != "i"):
        return _is_starter(follower)
    is_numbering = name.isdecimal() and before.rpartition("\n")[2].strip() == word
    return not is_numbering


def _is_starter(follower: str) -> bool:
    """Whether the word is complete and one that begins sentences: "The", not yet "The"odore."""
    word = re.match(r"\w+(?=[^\w])", follower)
    return word is not None and word[0].lower() in _STARTERS
