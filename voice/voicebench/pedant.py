"""PEDANT, the answer matcher of SD-QA's `panda` score, as qa_metrics 0.2.17 computes it.

An answer is right if the normalised reference is part of it. Else a linear classifier decides on
TF-IDF of answer, reference and question and three word overlaps. Its weights are two pickles that
qa_metrics downloads from its GitHub repository; they are read here without scikit-learn, and
nothing in them can be run.

The version matters: the same outputs gave 47.74 with 0.2.17, which upstream pins, and 74.50 with
0.2.30, whose model is another one. Source: PEDANTS, arXiv 2402.11161.
"""

from __future__ import annotations

import importlib.util
import re
import string
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from voice.errors import VoiceError
from voice.voicebench.extras import require
from voice.voicebench.pickles import UnreadablePickle, read_joblib

VERSION = "0.2.17"
_CLASSIFIER = ("lr_classifier.pkl", "lr_classifier")
_VECTORIZER = ("tf-idf_vectorizer.pkl", "tf-idf_vectorizer")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_TOKEN = re.compile(r"(?u)\b\w\w+\b")


class PedantMissing(VoiceError):
    """The weights of PEDANT are not there, or are not those of version 0.2.17."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What PEDANT says of an answer.

    Attributes:
        correct: the verdict; None where the classifier would have to decide and is not there.
        shortcut: the reference is part of the answer, so that nothing else was looked at.
        margin: distance from the classifier's border, positive = correct; None with the shortcut.
    """

    correct: bool | None
    shortcut: bool
    margin: float | None = None


class Pedant:
    """The classifier.

    Args:
        vocabulary: column of each word.
        idf: float64 [words].
        weights: float64 [words + 3], positive = wrong, with F1, precision and recall at the end.
        bias: of the same sign.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], idf: np.ndarray, weights: np.ndarray, bias: float
    ) -> None:
        self._vocabulary, self._idf, self._weights, self._bias = vocabulary, idf, weights, bias

    @classmethod
    def load(cls, directory: Path | None = None) -> Pedant:
        """Reads the two pickles.

        Args:
            directory: where they are; by default where qa_metrics 0.2.17 puts them.

        Raises:
            PedantMissing: they are not there, or hold something else.
        """
        directory = directory or _installed()
        files = [_find(directory, names) for names in (_CLASSIFIER, _VECTORIZER)]
        try:
            classifier, vectorizer = map(read_joblib, files)
            tfidf = vectorizer["_tfidf"]
            idf = tfidf["idf_"] if "idf_" in tfidf else _diagonal(tfidf["_idf_diag"])
            weights, classes = np.asarray(classifier["coef_"]), list(classifier["classes_"])
            vocabulary = {str(word): int(i) for word, i in vectorizer["vocabulary_"].items()}
        except (UnreadablePickle, KeyError, TypeError, AttributeError) as error:
            raise PedantMissing(
                f"{directory} does not hold PEDANT as qa_metrics {VERSION} ships it ({error}); "
                "fetch lr_classifier and tf-idf_vectorizer of that version"
            ) from error
        if weights.shape != (1, len(idf) + 3) or classes != ["correct", "incorrect"]:
            raise PedantMissing(
                f"the classifier in {directory} has weights {list(weights.shape)} and classes "
                f"{classes}, not [1, {len(idf) + 3}] and correct, incorrect: another version"
            )
        bias = float(np.ravel(classifier["intercept_"])[0])
        return cls(vocabulary, np.asarray(idf, np.float64), weights[0], bias)

    def margin(self, reference: str, response: str, question: str) -> float:
        """Distance from the border for normalised texts, positive = correct."""
        fix = require("contractions", "PEDANT").fix
        text = f"[CLS] {response} [SEP] {reference} [SEP] {fix(question)} [SEP]"
        counts = Counter(
            self._vocabulary[word]
            for word in _TOKEN.findall(text.lower())
            if word in self._vocabulary
        )
        columns = np.fromiter(counts, np.int64, len(counts))
        values = np.fromiter(counts.values(), np.float64, len(counts)) * self._idf[columns]
        norm = float(np.sqrt(values @ values)) or 1.0
        answer, wanted = (set(normalise(fix(text)).split()) for text in (response, reference))
        overlap = len(answer & wanted)
        precision = overlap / len(answer) if answer else 0.0
        recall = overlap / len(wanted) if wanted else 0.0
        f1 = 2 * precision * recall / (precision + recall) if overlap else 0.0
        score = self._weights[columns] @ values / norm
        return -float(score + self._weights[-3:] @ [f1, precision, recall] + self._bias)


def judge(item: Mapping[str, Any], pedant: Pedant | None) -> Verdict:
    """The verdict on an item with ``reference``, ``response`` and ``prompt``."""
    reference, response, question = (
        normalise(str(item[key])) for key in ("reference", "response", "prompt")
    )
    if reference in response:
        return Verdict(correct=True, shortcut=True)
    if pedant is None:
        return Verdict(correct=None, shortcut=False)
    margin = pedant.margin(reference, response, question)
    return Verdict(correct=margin >= 0, shortcut=False, margin=margin)


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation and articles, blanks squeezed."""
    text = " ".join(text.lower().translate(_PUNCTUATION).split())
    return " ".join(_ARTICLES.sub(" ", text).split())


@cache
def installed_pedant() -> Pedant | None:
    """The classifier where qa_metrics has put it; None if it is not there."""
    try:
        return Pedant.load()
    except PedantMissing:
        return None


def _installed() -> Path:
    found = importlib.util.find_spec("qa_metrics")
    if found is None or not found.submodule_search_locations:
        raise PedantMissing(
            f"PEDANT's weights are not here: pip install qa-metrics=={VERSION} and let it download "
            "them once, or name the folder that holds lr_classifier and tf-idf_vectorizer with "
            "--pedant"
        )
    return Path(next(iter(found.submodule_search_locations))) / "classifier"


def _find(directory: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (directory / name).is_file():
            return directory / name
    raise PedantMissing(
        f"{directory} holds no {names[0]}: fetch it from the qa_metrics repository, or score "
        "without PEDANT"
    )


def _diagonal(matrix: Mapping[str, Any]) -> np.ndarray:
    """The values of a stored scipy diagonal matrix (dia: [1, n] of data; csr: n of data)."""
    return np.ravel(matrix["data"])
