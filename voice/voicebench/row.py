"""One row of a data set, whatever form it is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voice.audio_file import read_audio


class BadRow(ValueError):
    """A row that cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        index: its place in the split, from 0.
        columns: all columns but the audio, as JSON knows them.
        sound: an encoded sound file, where it is, or None if the row has none.
    """

    index: int
    columns: dict[str, Any]
    sound: bytes | Path | None = field(repr=False)

    @property
    def prompt(self) -> str:
        """The transcript of the question; empty where there is none."""
        for name in ("prompt", "transcript"):
            if isinstance(self.columns.get(name), str):
                return str(self.columns[name])
        return ""

    def samples(self) -> np.ndarray:
        """The question as float32 mono at 16 kHz, [samples].

        Raises:
            BadRow: there is no audio, or it cannot be decoded.
        """
        if self.sound is None or self.sound == b"":
            raise BadRow("the row has no audio")
        try:
            return read_audio(self.sound).samples
        except ValueError as error:
            raise BadRow(str(error)) from error


class Source(Protocol):
    """Where the rows of one split are."""

    def identity(self) -> list[str]:
        """What changes when the data does."""

    def count(self) -> int:
        """How many rows there are."""

    def rows(self) -> Iterator[Row]:
        """All rows, in their order."""
