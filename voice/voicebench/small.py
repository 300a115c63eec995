"""A small benchmark in VoiceBench's format, made here: questions, voices and all.

It lets the whole chain run on a bare machine in minutes. Open and reference questions are of the
kinds that the built-in model was taught, in phrasings and voices kept from its training; multiple
choice, reasoning and instructions are simple ones that it was not taught. No question is
VoiceBench's, and a score on it compares with nothing but other runs of it.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from voice.audio_file import SAMPLE_RATE_HZ
from voice.training.augment import Augmenter
from voice.training.skills import sample_turn
from voice.training.speech import SpeechMaker, sample_speaker
from voice.voicebench import small_items
from voice.voicebench.extras import require
from voice.voicebench.subsets import SUBSETS

Record = dict[str, Any]

_OPEN = {
    "alpacaeval_full": ("add", "subtract", "multiply", "opposite", "next_day", "capital"),
    "commoneval": ("greeting", "identity", "thanks", "goodbye", "not_understood", "add"),
    "wildvoice": ("capital", "multiply", "opposite", "next_day", "subtract", "identity"),
}
_NOISE = {"wildvoice": 0.5, "sd-qa": 0.2}
"""How badly a subset is recorded, of 1; the others are clean."""
_REGIONS = ("usa", "gbr")
_MOST_TRIES = 50


def make_small(directory: Path, items: int = 24, seed: int = 0) -> int:
    """Writes the benchmark as a tree of parquet files; returns how many questions it has.

    Args:
        directory: where; made where there is none.
        items: of each subset.
        seed: of questions and voices. The sound of some voices of espeak-ng is not repeatable, so
            the same seed asks the same questions, though not bit by bit.

    Raises:
        FileExistsError: the directory holds something.
        MissingExtra: pyarrow is not installed.
    """
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty: name another directory")
    count = 0
    speaker = _Speaker(seed)
    for subset, makers in _makers(items).items():
        for split, (number, make) in makers.items():
            records = _different(make, number, random.Random(f"{seed} {subset} {split}"))
            for record in records:
                record["audio"] = {
                    "bytes": speaker.say(record.pop("said"), _NOISE.get(subset, 0.0)),
                    "path": None,
                }
            _write(directory / subset / f"{split}-00000-of-00001.parquet", records)
            count += len(records)
    return count


Maker = Callable[[random.Random, int], Record]


def _makers(items: int) -> Mapping[str, Mapping[str, tuple[int, Maker]]]:
    """Subset → split → how many items, and what makes one."""
    each = max(1, items // 12)
    return {
        **{name: {"test": (items, _open(skills))} for name, skills in _OPEN.items()},
        "sd-qa": dict.fromkeys(_REGIONS, (items, small_items.capital)),
        "openbookqa": {"test": (items, small_items.capital_choice)},
        "mmsu": dict.fromkeys(SUBSETS["mmsu"].rows, (each, small_items.sum_choice)),
        "bbh": {"test": (items, small_items.reasoning)},
        "ifeval": {"test": (items, small_items.instruction)},
        "advbench": {"test": (items, small_items.misdeed)},
        "big_bench_audio": {"train": (items, small_items.big_bench)},
        "asr": {"test": (items, small_items.sentence)},
    }


def _open(skills: tuple[str, ...]) -> Maker:
    def make(rng: random.Random, index: int) -> Record:
        turn = sample_turn(rng, skills[index % len(skills)], "heldout")
        answer = {"skill": turn.skill, "reply": turn.reply, "accept": list(turn.accept)}
        return {"said": turn.user, "prompt": turn.user, "answer": answer}

    return make


class _Speaker:
    """Says sentences in voices that no training has used."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"{seed} voices")
        self._maker = SpeechMaker()

    def say(self, text: str, noise: float) -> bytes:
        """``text`` as a FLAC file."""
        samples = self._maker.speak(text, sample_speaker(self._rng, heldout=True)).samples
        recorded, _ = Augmenter(self._rng, strength=noise)(samples)
        buffer = io.BytesIO()
        sound = np.clip(recorded, -1, 1)
        soundfile.write(buffer, sound, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()


def _write(path: Path, records: list[Record]) -> None:
    arrow = require("pyarrow", "writing a data set")
    parquet = require("pyarrow.parquet", "writing a data set")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(records), path)


def _different(make: Maker, number: int, rng: random.Random) -> list[Record]:
    """That many records; one that asks what another has asked is made anew, as far as there are."""
    records: list[Record] = []
    said: set[str] = set()
    for index in range(number):
        record = make(rng, index)
        for _ in range(_MOST_TRIES):
            if record["said"] not in said:
                break
            record = make(rng, index)
        said.add(record["said"])
        records.append(record)
    return records
