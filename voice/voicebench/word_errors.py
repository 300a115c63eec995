"""Word error rate as the Open ASR Leaderboard counts it: Whisper's normaliser, then jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from voice.voicebench.extras import require
from voice.voicebench.journal import Record

TRANSCRIPT_COLUMNS = (
    "text", "transcription", "transcript", "sentence", "normalized_text", "norm_text", "reference",
)  # fmt: skip


def word_error_rate(records: Sequence[Record]) -> dict[str, Any]:
    """``score`` in percent over all words, with its parts.

    Clips whose transcript is empty after normalisation are left out, as the leaderboard does.

    Args:
        records: with ``response`` and a transcript in one of `TRANSCRIPT_COLUMNS`.
    """
    normalise = _normaliser()
    pairs, unscored = [], []
    for record in records:
        reference = next((record[n] for n in TRANSCRIPT_COLUMNS if record.get(n)), None)
        wanted = normalise(str(reference)) if reference else ""
        if wanted:
            pairs.append((wanted, normalise(record["response"])))
        else:
            unscored.append((record["_idx"], "the clip has no transcript"))
    result: dict[str, Any] = {"score": None}
    if unscored:
        result["unscored"] = unscored
    if pairs:
        references, hypotheses = map(list, zip(*pairs, strict=True))
        counts = require("jiwer", "counting word errors").process_words(references, hypotheses)
        result |= {
            "score": 100 * counts.wer,
            "words": counts.hits + counts.substitutions + counts.deletions,
            "substitutions": counts.substitutions,
            "deletions": counts.deletions,
            "insertions": counts.insertions,
        }
    return result


@cache
def _normaliser() -> Any:
    return require("whisper_normalizer.english", "normalising transcripts").EnglishTextNormalizer()
