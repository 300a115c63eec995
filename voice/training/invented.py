"""Invented accents and speakers: espeak-ng voices that nobody wrote.

espeak's English comes in a handful of accents and a hundred variants; an encoder that hears only
those learns them by heart. An invented accent is one of espeak's with some of its sounds put in
another's place, as people do who learnt English elsewhere or grew up with another one, and with a
rhythm of its own; an invented variant has random formants, pitch, breath and voicing. Both are
files in espeak's own formats (docs/voices.md of espeak-ng), written beside its data. espeak reads
them whenever their voice is chosen, so every utterance can have an accent of its own.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

ACCENT = "en-x-invented"
VARIANT = "invented"

_BASES = ("en", "en-US", "en-US", "en-GB-x-rp", "en-GB-x-gbclan", "en-GB-x-gbcwmd", "en-029")
"""espeak's accents that invented ones start from; the one that is held out is not among them."""

# Sounds near enough to be one in some accent of English.
_VOWELS = {
    "eI": "e: e E aI", "aI": "aa OI a", "oU": "o: O: aU u", "aU": "u: oU A:", "OI": "aI O:",
    "a": "E aa A: V", "aa": "a A:", "A:": "a aa O:", "V": "a U @ 0", "0": "O: A: O a",
    "O:": "o: 0 A:", "I": "i E @ 1", "i:": "i I", "u:": "u U 1", "U": "u: V u",
    "E": "e I a e:", "3:": "E @ e:", "@": "a E V I", "3": "@ E V", "I2": "@ i", "a#": "a @ V",
    "e@": "E e: 3:", "i@": "i: I", "U@": "o@ O: u:", "o@": "O: oU", "A@": "A: aa a",
    "aI@": "aI A:",
}  # fmt: skip
_CONSONANTS = {
    "r": "w", "T": "t s f t[", "D": "d z v d[", "t": "t# ?", "w": "v B", "v": "w B f", "z": "s",
    "s": "T", "N": "n", "l": "w", "tS": "S", "dZ": "Z j", "Z": "S", "S": "s", "j": "dZ",
    "h": "NULL", "b": "p", "g": "k",
}  # fmt: skip
# Others that no other sound of English is mistaken for: r rolled or at the throat, t at the teeth.
_SHADES = {
    "r": "R R R2 * * Q", "l": "l^ L", "t": "t[", "d": "d[", "h": "x C", "s": "s.", "k": "q",
    "S": "s. S; C", "tS": "tS;", "dZ": "dZ;", "Z": "Z;", "j": "J", "b": "B", "g": "Q",
}  # fmt: skip
_CHANGES = (
    (_VOWELS, (0.05, 0.6)),
    (_SHADES, (0.0, 0.7)),
    (_CONSONANTS, (0.0, 0.25)),
)
"""Each with the share of its sounds that change: from hardly any accent to a strong one."""
_STRESS_LENGTHS = 160, 140, 190, 180, 180, 180, 255, 280
"""Of syllables from unstressed to the most stressed one of a sentence, as in espeak's English."""


class InventedVoices:
    """A folder of espeak-ng's data with an accent and a variant that can be invented anew."""

    def __init__(self, data: Path, folder: Path) -> None:
        """Fills ``folder`` with links to espeak-ng's ``data`` and with the first inventions."""
        self._languages, variants = folder / "lang" / "gmw", folder / "voices" / "!v"
        for path in data.iterdir():
            if path.name not in ("lang", "voices"):
                (folder / path.name).symlink_to(path)
        # espeak lists 350 voices at most.
        for path, to, which in (
            (data / "lang" / "gmw", self._languages, "en*"),
            (data / "voices" / "!v", variants, "*"),
        ):
            to.mkdir(parents=True)
            for file in path.glob(which):
                (to / file.name).symlink_to(file)
        self._variant = variants / VARIANT
        self.invent(0)

    def invent(self, seed: int) -> None:
        """Makes both anew; the same ``seed`` makes the same."""
        rng = random.Random(seed)
        (self._languages / ACCENT).write_text(_accent(self._languages / rng.choice(_BASES), rng))
        self._variant.write_text(_random_variant(rng))


@cache
def _kept(base: Path) -> list[str]:
    """What an accent takes over from another one."""
    named = ("name", "language", "maintainer", "status")
    return [line for line in base.read_text().splitlines() if not line.startswith(named)]


def _accent(base: Path, rng: random.Random) -> str:
    changed = []
    for sounds, shares in _CHANGES:
        share = rng.uniform(*shares)
        for sound, near in sounds.items():
            if rng.random() < share:
                changed.append(f"replace 00 {sound} {rng.choice(near.split())}")
    if rng.random() < 0.5:
        lengths = (round(length * rng.uniform(0.8, 1.2)) for length in _STRESS_LENGTHS)
        changed.append("stressLength " + " ".join(map(str, lengths)))
    # The last of several lines about one sound wins; ours come last.
    return "\n".join((f"name {ACCENT}", f"language {ACCENT}", *_kept(base), *changed, ""))


def _random_variant(rng: random.Random) -> str:
    low = rng.randint(60, 190)
    lines = [
        "language variant",
        f"name {VARIANT}",
        f"pitch {low} {round(low * rng.uniform(1.2, 1.8))}",
    ]
    tract = rng.gauss(100, 7)
    for formant in range(1, 9):
        frequency = round(tract * rng.gauss(1, 0.05))
        height, width = rng.randint(60, 115), rng.randint(80, 160)
        lines.append(f"formant {formant} {frequency} {height} {width}")
    if rng.random() < 0.35:
        lines.append(f"klatt {rng.randint(1, 5)}")
    if rng.random() < 0.35:
        lines.append("breath " + " ".join(str(rng.randint(0, 12)) for _ in range(8)))
    if rng.random() < 0.4:
        lines.append(f"echo {rng.randint(10, 140)} {rng.randint(5, 25)}")
    if rng.random() < 0.5:
        lines.append(f"tone 100 255 600 {rng.randint(60, 255)} 1500 {rng.randint(30, 200)} 3000 12")
    lines += [
        f"roughness {rng.choice((0, 0, 2, rng.randint(0, 7)))}",
        f"flutter {rng.choice((2, rng.randint(0, 20)))}",
        f"voicing {rng.randint(60, 170)}",
        f"consonants {rng.randint(60, 130)} {rng.randint(60, 130)}",
        f"intonation {rng.randint(1, 4)}",
    ]
    return "\n".join((*lines, ""))
