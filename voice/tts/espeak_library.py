"""espeak-ng through ctypes: the library and data that the PyPI package ``espeakng-loader`` bundles.

espeak-ng is GPL-3.0-or-later, process-global and not re-entrant, so this module is imported only in
processes of their own: the synthesiser's helper process and the workers that make training speech.
It imports nothing heavy.

Source of the calls and structures: ``speak_lib.h`` of espeak-ng 1.52.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS = 1
POSITION_CHARACTER = 1
CHARS_UTF8 = 1
ESPEAK_SSML = 0x10


class EventKind(IntEnum):
    """espeak_EVENT_TYPE; only the kinds that carry a position are kept."""

    WORD = 1
    SENTENCE = 2
    END = 5
    PHONEME = 7


class Parameter(IntEnum):
    """espeak_PARAMETER."""

    RATE = 1  # words per minute, 80 to 450
    VOLUME = 2  # percent of full range, 0 to 200
    PITCH = 3  # 0 to 100, base pitch
    RANGE = 4  # 0 to 100, pitch range: 0 is monotone


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Where something is said.

    Attributes:
        kind: word, sentence, phoneme or end.
        sample: first sample, counted from the start of the synthesis, at the library's rate.
        text_start: first character, counted from 0 (words and sentences).
        text_length: characters (words).
        phoneme: espeak's mnemonic (phonemes), empty for a pause.
    """

    kind: EventKind
    sample: int
    text_start: int = 0
    text_length: int = 0
    phoneme: str = ""


OnAudio = Callable[[bytes, list[SpeechEvent]], bool]
"""Called with little-endian int16 PCM and its events; returns True to go on, False to stop."""


class EspeakError(RuntimeError):
    """espeak-ng is missing or refused a call; the message says what to do."""


class EspeakLibrary:
    """The one espeak-ng engine of this process.

    Args:
        buffer_ms: length of the PCM blocks handed to ``on_audio``.
        phonemes: also report every phoneme (the training data needs them).
        data_path: folder of espeak-ng's data; the bundled one by default.

    Raises:
        EspeakError: the package ``espeakng-loader`` is missing or the library does not start.
    """

    def __init__(
        self, buffer_ms: int = 20, phonemes: bool = False, data_path: str | None = None
    ) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise EspeakError(
                "the espeak-ng voice needs the package espeakng-loader: "
                "pip install 'parley-voice[espeak]'"
            ) from error
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        options = INITIALIZE_PHONEME_EVENTS if phonemes else 0
        data_path = data_path or str(espeakng_loader.get_data_path())
        self.sample_rate: int = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, buffer_ms, data_path.encode(), options
        )
        if self.sample_rate <= 0:
            raise EspeakError(
                f"espeak-ng did not start with its data in {data_path}: reinstall espeakng-loader"
            )
        self._on_audio: OnAudio | None = None
        # ctypes keeps no reference to the callback: this one must live as long as the library.
        self._callback = _SynthCallback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))

    def voices(self) -> list[tuple[str, str]]:
        """All (language, identifier) pairs that ``set_voice`` takes: ("en-us", "gmw/en-US")."""
        found = []
        listed = self._library.espeak_ListVoices(None)
        index = 0
        while listed[index]:
            voice = listed[index].contents
            # `languages` holds a priority byte before each name.
            found.append((voice.languages[1:].decode(), voice.identifier.decode()))
            index += 1
        return found

    def set_voice(self, name: str) -> None:
        """Selects a voice such as ``en-us`` or, with a variant, ``en-us+f3``.

        Raises:
            EspeakError: there is no such voice.
        """
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise EspeakError(f"espeak-ng has no voice named {name!r}")

    def set_parameter(self, parameter: Parameter, value: int) -> None:
        """Sets rate, volume, pitch or pitch range for the following syntheses."""
        if self._library.espeak_SetParameter(int(parameter), value, 0) != 0:
            raise EspeakError(f"espeak-ng refused {parameter.name.lower()} = {value}")

    def seed_noise(self, seed: int) -> None:
        """Makes the noise in the following synthesis repeatable; libraries before 1.52 cannot."""
        if (set_seed := getattr(self._library, "espeak_ng_SetRandSeed", None)) is not None:
            set_seed(ctypes.c_long(seed))

    def synthesize(self, text: str, on_audio: OnAudio) -> None:
        """Speaks ``text``; returns when all is said or ``on_audio`` returned False."""
        data = text.encode()
        self._on_audio = on_audio
        try:
            status = self._library.espeak_Synth(
                data, len(data) + 1, 0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None
            )
        finally:
            self._on_audio = None
        if status != 0:
            raise EspeakError(f"espeak-ng could not speak (status {status})")

    def _receive(self, pcm: "ctypes._Pointer[ctypes.c_short]", count: int, events) -> int:  # type: ignore[no-untyped-def]
        """The library's callback: 0 goes on, 1 stops."""
        if self._on_audio is None:
            return 1
        audio = ctypes.string_at(pcm, 2 * count) if pcm and count > 0 else b""
        return 0 if self._on_audio(audio, _read_events(events)) else 1


def _read_events(events) -> list[SpeechEvent]:  # type: ignore[no-untyped-def]
    found = []
    index = 0
    while events and events[index].type != 0:
        event = events[index]
        index += 1
        if event.type not in EventKind._value2member_map_:
            continue
        kind = EventKind(event.type)
        phoneme = event.id.string.decode("utf-8", "replace") if kind is EventKind.PHONEME else ""
        start = max(event.text_position - 1, 0)  # espeak counts characters from 1
        found.append(SpeechEvent(kind, event.sample, start, event.length, phoneme))
    return found
