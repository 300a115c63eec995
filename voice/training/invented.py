"""Invented accents and speakers: espeak-ng voices that nobody wrote.

espeak's English comes in a handful of accents and a hundred variants; an encoder that hears only
those learns them by heart. An invented accent is one of espeak's with some of its sounds put in
another's place, as people do who learnt English elsewhere; an invented variant has random formants,
pitch, breath and voicing. Both are files in espeak's own formats (docs/voices.md of espeak-ng),
written beside its data before the library starts.
"""

from __future__ import annotations

import random
from pathlib import Path

NUM_ACCENTS = 72
NUM_VARIANTS = 144
ACCENTS = tuple(f"en-x-a{index}" for index in range(NUM_ACCENTS))
VARIANTS = tuple(f"invented{index}" for index in range(NUM_VARIANTS))

_BASES = ("en", "en-US", "en-US", "en-GB-x-rp", "en-GB-x-gbclan", "en-GB-x-gbcwmd", "en-029")
"""espeak's accents that invented ones start from; the one that is held out is not among them."""

# Sounds near enough to be one in some accent of English.
_VOWELS = {
    "eI": "e: e E aI", "aI": "aa OI a", "oU": "o: O: aU u", "aU": "u: oU A:", "OI": "aI O:",
    "a": "E aa A: V", "aa": "a A:", "A:": "a aa O:", "V": "a U @ 0", "0": "O: A: O a",
    "O:": "o: 0 A:", "I": "i E @ 1", "i:": "i I", "u:": "u U 1", "U": "u: V u",
    "E": "e I a e:", "3:": "E @ e:", "@": "a E V I",
}  # fmt: skip
_CONSONANTS = {
    "r": "R *", "T": "t s f t[", "D": "d z v", "t": "t[ t#", "w": "v", "v": "w B", "z": "s",
    "N": "n", "l": "l^", "dZ": "tS", "Z": "S",
}  # fmt: skip
_VOWEL_SHARE = 0.3
_CONSONANT_SHARE = 0.12


def write_voices(data: Path, folder: Path, seed: int = 0) -> None:
    """Fills ``folder`` with links to espeak-ng's ``data`` and with the invented voices."""
    rng = random.Random(seed)
    languages, variants = folder / "lang" / "gmw", folder / "voices" / "!v"
    for path in data.iterdir():
        if path.name not in ("lang", "voices"):
            (folder / path.name).symlink_to(path)
    # espeak lists 350 voices at most.
    for path, to, which in (
        (data / "lang" / "gmw", languages, "en*"),
        (data / "voices" / "!v", variants, "*"),
    ):
        to.mkdir(parents=True)
        for file in path.glob(which):
            (to / file.name).symlink_to(file)
    for name in ACCENTS:
        (languages / name).write_text(_accent(name, (languages / rng.choice(_BASES)), rng))
    for name in VARIANTS:
        (variants / name).write_text(_variant(name, rng))


def _accent(name: str, base: Path, rng: random.Random) -> str:
    kept = [
        line
        for line in base.read_text().splitlines()
        if not line.startswith(("name", "language", "maintainer", "status"))
    ]
    replaced = []
    for sounds, share in ((_VOWELS, _VOWEL_SHARE), (_CONSONANTS, _CONSONANT_SHARE)):
        for sound, near in sounds.items():
            if rng.random() < share:
                replaced.append(f"replace 00 {sound} {rng.choice(near.split())}")
    # The last of several lines about one sound wins; ours come last.
    return "\n".join((f"name {name}", f"language {name}", *kept, *replaced, ""))


def _variant(name: str, rng: random.Random) -> str:
    low = rng.randint(60, 190)
    lines = [
        "language variant",
        f"name {name}",
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
