"""Training speech: espeak-ng's accents and variants, with the phoneme that sounds at every moment.

Every utterance is drawn from a seeded generator: accent, variant, pitch, pitch range, rate, and a
formant shift made by resampling. The phoneme labels are what the encoder's first stage learns from;
they come from espeak's own events.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

import espeakng_loader
import numpy as np
from scipy.signal import resample_poly

from voice.training import invented
from voice.tts.espeak_library import EspeakLibrary, EventKind, Parameter, SpeechEvent

SAMPLE_RATE_HZ = 16_000
LABEL_HOP_SAMPLES = 320  # 20 ms: four labels an encoder step

ACCENTS = (
    "en-us",
    "en-us",
    "en-us",
    "en",
    "en",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
)
HELDOUT_ACCENT = "en-gb-scotland"
"""Never trained on; neither are `engines.HELDOUT_VOICES`."""

VARIANTS = tuple(
    """Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario
    Michael Mike Nguyen Reed RicishayMax RicishayMax2 Storm Tweaky UniRobot adam antonio
    aunty benjamin boris caleb croak ed edward2 f1 f2 f3 f4 grandma grandpa gustave ian iven
    iven2 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt6 m1 m2 m3 m4 m5 m6 m8
    marcelo michel miguel mike2 norbert paul pedro quincy rob robosoft robosoft3 robosoft5
    sandro shelby steph steph3 travis zac whisper""".split()
)
HELDOUT_VARIANTS = tuple(
    """f5 m7 klatt5 anika belinda david edward iven3 linda max pablo robert steph2 victor
    RicishayMax3 robosoft2""".split()
)

INVENTED_SHARE = 0.5
"""Of the accents, and of the variants, of the speakers that are trained on."""


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """One synthetic speaker.

    Attributes:
        voice: espeak voice and variant, such as ``en-us+f3``.
        rate: words per minute. pitch, pitch_range: espeak's 0 to 100.
        formant_shift: resampling factor; above 1 the vocal tract is shorter and the voice higher.
        invention: seed of an accent and a variant that are invented.
    """

    voice: str
    rate: int
    pitch: int
    pitch_range: int
    formant_shift: float
    invention: int = 0


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech and what sounds when.

    Attributes:
        text: the words, lower case.
        samples: float32 [samples], 16 kHz, mono.
        phonemes: int16 [bins], the phoneme class of every 20 ms; empty where it is not known.
        word_starts: int64 [words], the sample at which each word of ``text.split()`` begins; equal
            for words that are said as one ("of the"); guessed where the engine does not tell.
    """

    text: str
    samples: np.ndarray
    phonemes: np.ndarray
    word_starts: np.ndarray


def sample_speaker(rng: random.Random, heldout: bool = False) -> SpeakerSettings:
    """A random speaker; ``heldout`` draws variants, and at times an accent, never trained on."""
    if heldout:
        accent = HELDOUT_ACCENT if rng.random() < 0.25 else rng.choice(ACCENTS)
        voice = f"{accent}+{rng.choice(HELDOUT_VARIANTS)}"
    else:
        accent = invented.ACCENT if rng.random() < INVENTED_SHARE else rng.choice(ACCENTS)
        variant = invented.VARIANT if rng.random() < INVENTED_SHARE else rng.choice(VARIANTS)
        voice = accent if rng.random() < 0.12 else f"{accent}+{variant}"
    natural = rng.random() < 0.25  # espeak's own defaults are what most people will feed
    return SpeakerSettings(
        voice=voice,
        rate=175 if natural else rng.randint(125, 215),
        pitch=50 if natural else rng.randint(15, 85),
        pitch_range=50 if natural else rng.randint(15, 90),
        formant_shift=1.0 if natural else rng.uniform(0.86, 1.18),
        invention=0 if heldout else rng.getrandbits(32),
    )


class SpeechMaker:
    """Speaks texts as random speakers; one per process, because espeak is process-global."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="parley-voices-")
        folder = Path(self._folder.name)
        data = Path(espeakng_loader.get_data_path())
        self._invented = invented.InventedVoices(data, folder)
        self._library = EspeakLibrary(buffer_ms=200, phonemes=True, data_path=str(folder))

    def speak(self, text: str, speaker: SpeakerSettings) -> Utterance:
        """Speaks ``text`` (plain words) at 16 kHz with labels."""
        pcm, events = self._synthesize(text, speaker)
        # Another factor than 16000/22050 shifts the formants; the rate was chosen at random
        # anyway, so that the change of speed needs no correction.
        up, down = 320, round(441 * speaker.formant_shift)
        count = -(-len(pcm) * up // down)
        samples = resample_poly(pcm, up, down)
        stretch = up / down
        return Utterance(
            text,
            samples.astype(np.float32),
            _label(events, count, stretch),
            _word_starts(text, events, stretch, count),
        )

    def _synthesize(
        self, text: str, speaker: SpeakerSettings
    ) -> tuple[np.ndarray, list[SpeechEvent]]:
        if invented.VARIANT in speaker.voice:  # in the accent's name, too
            self._invented.invent(speaker.invention)
        self._library.set_voice(speaker.voice)
        self._library.set_parameter(Parameter.RATE, speaker.rate)
        self._library.set_parameter(Parameter.PITCH, speaker.pitch)
        self._library.set_parameter(Parameter.RANGE, speaker.pitch_range)
        blocks: list[bytes] = []
        events: list[SpeechEvent] = []

        def collect(audio: bytes, new_events: list[SpeechEvent]) -> bool:
            blocks.append(audio)
            events.extend(new_events)
            return True

        self._library.synthesize(text, collect)
        pcm = np.frombuffer(b"".join(blocks), np.int16).astype(np.float32) / 32768
        return pcm, events


def _label(events: list[SpeechEvent], num_samples: int, stretch: float) -> np.ndarray:
    spoken = [event for event in events if event.kind is EventKind.PHONEME]
    starts = np.asarray([0.0] + [event.sample * stretch for event in spoken])
    classes = np.asarray([0] + [phoneme_class(event.phoneme) for event in spoken], np.int16)
    centres = (np.arange(num_samples // LABEL_HOP_SAMPLES) + 0.5) * LABEL_HOP_SAMPLES
    return classes[np.searchsorted(starts, centres, side="right") - 1]


def guess_word_starts(text: str, num_samples: int) -> np.ndarray:
    """Where the words of speech begin if every letter takes as long: int64 [words]."""
    letters = [0, *accumulate(len(word) for word in text.split())]
    return np.asarray(letters[:-1]) * num_samples // letters[-1]


def _word_starts(
    text: str, events: list[SpeechEvent], stretch: float, num_samples: int
) -> np.ndarray:
    words = [event for event in events if event.kind is EventKind.WORD]
    if not words:  # of one word, at times: spoken, but not reported
        return guess_word_starts(text, num_samples)
    first_characters = np.asarray([event.text_start for event in words])
    starts = []
    character = 0
    for word in text.split():
        index = max(int(np.searchsorted(first_characters, character, side="right")) - 1, 0)
        starts.append(words[index].sample * stretch)
        character += len(word) + 1
    return np.asarray(starts, np.int64)


# espeak's mnemonics without stress and length of neighbours; those an accent merges share a class.
PHONEMES = tuple(
    """_ 0 3 3: @ @L A: A@ D E I IR N O: O@ OI S T U U@ V Z a aI aI@ aU aa b d dZ e@ eI f g h i
    i: i@ i@3 j k l m n o@ oU p r s t t# tS u: v w x z""".split()
)
_MERGED = {
    "@2": "@", "I#": "I", "I2": "I", "O2": "0", "a#": "a", "aI3": "aI@", "w#": "w", "t2": "t",
    "t[": "t", "VR": "3:", "?": "t", "e:": "eI", "e": "E", "o:": "oU", "o": "O:", "O": "0",
    "u": "u:", "1": "I", "R": "r", "R2": "r", "Q": "r", "*": "r", "L": "l", "B": "v", "C": "h",
    "d[": "d", "q": "k", "J": "j", "s.": "s", "S;": "S", "tS;": "tS", "dZ;": "dZ",
    "Z;": "Z",
}  # fmt: skip
_CLASSES = {name: index for index, name in enumerate(PHONEMES)}


@cache
def phoneme_class(mnemonic: str) -> int:
    """Class of an espeak mnemonic; stress marks don't count, what is unknown is a pause."""
    bare = mnemonic.strip("',=%_|!~^-")
    return _CLASSES.get(_MERGED.get(bare, bare), 0)
