"""The 25 checks of IFEval, as VoiceBench's copy of Google's checker decides them.

`check` tells for one response and one instruction whether it is followed. Quirks are kept: keywords
are regular expressions, a text whose language cannot be told counts as followed, and an argument
that is missing or falsy is drawn at random (upstream unseeded, here from the caller's generator).

Source: Instruction-Following Evaluation for Large Language Models (arXiv 2311.07911).
"""

from __future__ import annotations

import json
import math
import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voice.voicebench.language import capital_words, language_of, sentence_count

Arguments = Mapping[str, Any]
"""Of one instruction, without those that are falsy."""

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_RELATIONS = ("less than", "at least")
_KEYWORDS = ("river", "music", "window", "garden", "letter", "winter", "market", "silver")
"""Stand for upstream's word list where a row names no keyword; no published row does that."""


class Drawn:
    """Arguments of an instruction; what is missing is drawn as upstream's checker draws it."""

    def __init__(self, arguments: Arguments, rng: random.Random) -> None:
        self._arguments = arguments
        self._rng = rng

    def one_of(self, choices: Sequence[str]) -> str:
        """Any of the choices."""
        return self._rng.choice(choices)

    def number(self, name: str, low: int, high: int, most: float = math.inf) -> int:
        """A threshold; a missing one, or one beyond 0 to ``most``, is drawn from low to high."""
        value = self._arguments.get(name)
        if value is None or not 0 <= value <= most:
            return self._rng.randint(low, high)
        return int(value)

    def text(self, name: str, choices: Sequence[str]) -> str:
        """A phrase, stripped."""
        value = self._arguments.get(name)
        return str(value).strip() if value is not None else self.one_of(choices)

    def words(self, name: str) -> list[str]:
        """A list of words."""
        return list(self._arguments.get(name) or self._rng.sample(_KEYWORDS, 2))

    def compare(self, count: int, limit: int, relation: str = "relation") -> bool:
        """Whether ``count`` stands in the wanted relation to ``limit``."""
        wanted = self.text(relation, _RELATIONS)
        if wanted not in _RELATIONS:
            raise ValueError(f"{relation} is {wanted!r}; it has to be one of {_RELATIONS}")
        return count < limit if wanted == "less than" else count >= limit


def check(instruction: str, arguments: Arguments, response: str, rng: random.Random) -> bool:
    """Whether ``response`` follows one instruction.

    Args:
        instruction: its id, such as ``length_constraints:number_words``.
        arguments: the row's kwargs for it, without falsy values; strange ones are ignored.
        response: the text, not blank.
        rng: draws missing arguments.

    Raises:
        ValueError: an unknown id, or arguments that the check cannot use.
        MissingExtra: the check needs a package that is not installed.
    """
    if instruction not in CHECKS:
        raise ValueError(f"unknown instruction {instruction!r}; known are {', '.join(CHECKS)}")
    try:
        return CHECKS[instruction](response, Drawn(arguments, rng))
    except (re.error, TypeError, AttributeError) as error:
        raise ValueError(
            f"{instruction} cannot use its kwargs {dict(arguments)}: {error}"
        ) from error


def _keywords_exist(text: str, drawn: Drawn) -> bool:
    return all(re.search(word, text, re.IGNORECASE) for word in drawn.words("keywords"))


def _keyword_frequency(text: str, drawn: Drawn) -> bool:
    found = re.findall(drawn.text("keyword", _KEYWORDS), text, re.IGNORECASE)
    return drawn.compare(len(found), drawn.number("frequency", 1, 3))


def _no_forbidden_words(text: str, drawn: Drawn) -> bool:
    words = drawn.words("forbidden_words")
    return not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in words)


def _letter_frequency(text: str, drawn: Drawn) -> bool:
    letter = drawn.text("letter", string.ascii_lowercase).lower()
    if letter not in set(string.ascii_lowercase):
        letter = drawn.one_of(string.ascii_lowercase)
    limit = drawn.number("let_frequency", 1, 10)
    return drawn.compare(text.lower().count(letter), limit, "let_relation")


def _language(text: str, drawn: Drawn) -> bool:
    return language_of(text) in (None, drawn.text("language", ("en", "de", "fr", "hi")))


def _number_of_sentences(text: str, drawn: Drawn) -> bool:
    return drawn.compare(sentence_count(text), drawn.number("num_sentences", 1, 20))


def _number_of_paragraphs(text: str, drawn: Drawn) -> bool:
    paragraphs = re.split(r"\s?\*\*\*\s?", text)
    if not all(part.strip() for part in paragraphs[1:-1]):
        return False
    count = sum(bool(part.strip()) for part in paragraphs)
    return count == drawn.number("num_paragraphs", 1, 5)


def _number_of_words(text: str, drawn: Drawn) -> bool:
    return drawn.compare(len(re.findall(r"\w+", text)), drawn.number("num_words", 100, 500))


def _first_word_of_paragraph(text: str, drawn: Drawn) -> bool:
    wanted_count = drawn.number("num_paragraphs", 1, 5)
    nth = drawn.number("nth_paragraph", 1, wanted_count + 1, most=wanted_count)
    wanted = drawn.text("first_word", _KEYWORDS).lower()
    paragraphs = text.split("\n\n")
    count = sum(bool(paragraph.strip()) for paragraph in paragraphs)
    if nth > count or not paragraphs[nth - 1].strip():
        return False
    word = paragraphs[nth - 1].split()[0].lstrip("'").lstrip('"')
    return count == wanted_count and re.split(r"""[.,?!'"]""", word)[0].lower() == wanted


def _placeholders(text: str, drawn: Drawn) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= drawn.number("num_placeholders", 1, 4)


def _postscript(text: str, drawn: Drawn) -> bool:
    marker = drawn.text("postscript_marker", ("P.S.", "P.P.S"))
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(patterns.get(marker, marker.lower()), text.lower()) is not None


def _bullets(text: str, drawn: Drawn) -> bool:
    # Blank lines before a bullet belong to its match, so that `*` alone takes the next line along.
    stars = re.findall(r"^\s*\*[^*].*$", text, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", text, re.MULTILINE)
    return len(stars) + len(dashes) == drawn.number("num_bullets", 1, 5)


def _constrained_response(text: str, drawn: Drawn) -> bool:
    return any(option in text for option in OPTIONS)


def _highlights(text: str, drawn: Drawn) -> bool:
    spans = re.findall(r"\*[^\n*]*\*", text) + re.findall(r"\*\*[^\n*]*\*\*", text)
    count = sum(bool(span.strip("*").strip()) for span in spans)
    return count >= drawn.number("num_highlights", 1, 4)


def _sections(text: str, drawn: Drawn) -> bool:
    splitter = drawn.text("section_spliter", ("Section", "SECTION"))
    count = len(re.split(rf"\s?{splitter}\s?\d+\s?", text)) - 1
    return count >= drawn.number("num_sections", 1, 5)


def _json(text: str, drawn: Drawn) -> bool:
    text = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):  # upstream's run ends at brackets that are too deep
        return False
    return True


def _title(text: str, drawn: Drawn) -> bool:
    titles = re.findall(r"<<[^\n]+>>", text)
    return any(title.lstrip("<").rstrip(">").strip() for title in titles)


def _two_responses(text: str, drawn: Drawn) -> bool:
    parts = text.split("******")
    said = [part.strip() for part in parts if part.strip()]
    return all(part.strip() for part in parts[1:-1]) and len(said) == 2 and said[0] != said[1]


def _repeats_prompt(text: str, drawn: Drawn) -> bool:
    prompt = drawn.text("prompt_to_repeat", ("",))
    if not prompt:
        raise ValueError("combination:repeat_prompt needs prompt_to_repeat in its kwargs")
    return text.strip().lower().startswith(prompt.lower())


def _ends_with(text: str, drawn: Drawn) -> bool:
    endings = ("Any other questions?", "Is there anything else I can help with?")
    return text.strip().strip('"').lower().endswith(drawn.text("end_phrase", endings).lower())


def _quotation(text: str, drawn: Drawn) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def _capital_words(text: str, drawn: Drawn) -> bool:
    limit = drawn.number("capital_frequency", 1, 20)
    return drawn.compare(len(capital_words(text)), limit, "capital_relation")


def _capitals(text: str, drawn: Drawn) -> bool:
    return text.isupper() and language_of(text) in (None, "en")


def _lowercase(text: str, drawn: Drawn) -> bool:
    return text.islower() and language_of(text) in (None, "en")


def _no_comma(text: str, drawn: Drawn) -> bool:
    return "," not in text


CHECKS: dict[str, Callable[[str, Drawn], bool]] = {
    "keywords:existence": _keywords_exist,
    "keywords:frequency": _keyword_frequency,
    "keywords:forbidden_words": _no_forbidden_words,
    "keywords:letter_frequency": _letter_frequency,
    "language:response_language": _language,
    "length_constraints:number_sentences": _number_of_sentences,
    "length_constraints:number_paragraphs": _number_of_paragraphs,
    "length_constraints:number_words": _number_of_words,
    "length_constraints:nth_paragraph_first_word": _first_word_of_paragraph,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": _constrained_response,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": _repeats_prompt,
    "startend:end_checker": _ends_with,
    "startend:quotation": _quotation,
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": _capitals,
    "change_case:english_lowercase": _lowercase,
    "punctuation:no_comma": _no_comma,
}
"""Every registered instruction."""
