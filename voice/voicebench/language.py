"""What IFEval's checks ask of language: which one a text is in, its sentences, its capital words.

Upstream counts sentences with NLTK's English Punkt model, which is data to be downloaded
(`python -m nltk.downloader punkt_tab`). Where it is missing, the same algorithm runs with the
abbreviations below instead of the trained ones, and with a list of common words: one of them with a
capital after an abbreviation begins a sentence. `punkt_is_trained` tells which of the two counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files

from voice.voicebench.extras import require

_ABBREVIATIONS = """mr mrs ms messrs dr prof st ave sr jr gen col adm maj lt sen rep inc ltd co corp
    bros vs jan feb aug sep sept oct nov dec tues wed fri a.m p.m u.s u.k u.n u.s.a d.c ph.d n.y
    ft yr p""".split()
_COMMON_KINDS = ("nouns", "verbs", "adjectives", "adverbs", "function", "other")
_PROPER = ("adjectives_nation.txt", "nouns_language.txt")


@cache
def _detector_seeded() -> None:
    factory = require("langdetect.detector_factory", "telling the language of a response")
    factory.DetectorFactory.seed = 0  # upstream leaves it unseeded


def language_of(text: str) -> str | None:
    """The code of the language that langdetect finds, such as "en"; None if it finds none."""
    langdetect = require("langdetect", "telling the language of a response")
    _detector_seeded()
    try:
        return str(langdetect.detect(text))
    except langdetect.LangDetectException:
        return None


def sentence_count(text: str) -> int:
    """How many sentences an English text has, by Punkt."""
    return len(_punkt()[0](text))


def punkt_is_trained() -> bool:
    """Whether sentences are counted with the model that upstream uses."""
    return _punkt()[1]


@cache
def _punkt() -> tuple[Callable[[str], list[str]], bool]:
    punkt = require("nltk.tokenize.punkt", "counting sentences")
    try:
        return punkt.PunktTokenizer("english").tokenize, True
    except LookupError:
        parameters = punkt.PunktParameters()
        parameters.abbrev_types = set(_ABBREVIATIONS)
        for word in _common_words():
            parameters.ortho_context[word] = punkt._ORTHO_LC | punkt._ORTHO_BEG_UC
        return punkt.PunktSentenceTokenizer(parameters).tokenize, False


def _common_words() -> Iterator[str]:
    """The words that this project's word lists write in small letters."""
    for file in files("voice.training").joinpath("data").iterdir():
        kind = file.name.partition("_")[0]
        if kind in _COMMON_KINDS and file.name not in _PROPER:
            yield from file.read_text(encoding="ascii").split()


def capital_words(text: str) -> list[str]:
    """The words of a text that are in capitals; single letters and hyphened words are words.

    Upstream cuts the text into sentences first, which hardly changes more than where full stops go;
    without Punkt's model it is left out.
    """
    tokenize = require("nltk.tokenize", "counting capital words").word_tokenize
    words = tokenize(text, preserve_line=not punkt_is_trained())
    return [word for word in words if word.isupper()]
