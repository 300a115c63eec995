"""Which microphones and loudspeakers there are, and what is wrong with them, in one line each.

sounddevice (PortAudio) is imported when it is needed: it is an extra, and looks for devices then.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from voice.errors import DeviceUnavailable

Kind = Literal["input", "output"]

NAMES: dict[Kind, str] = {"input": "microphone", "output": "loudspeaker"}
WISHED_RATES: dict[Kind, int] = {"input": 16_000, "output": 24_000}
OTHER_RATES = (48_000, 44_100, 32_000)

_INVALID_RATE = -9997
_UNAVAILABLE = -9985
_TIMED_OUT = -9987
_UNANTICIPATED = -9999
_SEE_ALL = "parley talk --list-devices shows what there is"


@dataclass(frozen=True, slots=True)
class Device:
    """One to open.

    Attributes:
        kind: what for.
        number: PortAudio's.
        name: for people.
        rate: at which it is to be opened, Hz.
        channels: with which; the microphone's first is heard.
    """

    kind: Kind
    number: int
    name: str
    rate: int
    channels: int = 1


def portaudio() -> Any:
    """The module sounddevice.

    Raises:
        DeviceUnavailable: it, or PortAudio itself, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceUnavailable(
            "talking here needs the package sounddevice: pip install 'parley-voice[mic]', or talk "
            "in the browser with parley serve"
        ) from error
    except OSError as error:
        raise DeviceUnavailable(
            "talking here needs PortAudio: install it (Debian: apt install libportaudio2; macOS: "
            "brew install portaudio), or talk in the browser with parley serve"
        ) from error
    _silence_alsa()
    return sounddevice


@cache
def _silence_alsa() -> None:
    """ALSA's library writes what it thinks of itself into the terminal; the gaps are counted."""
    try:
        library = ctypes.CDLL("libasound.so.2")
    except OSError:
        return
    text, number = ctypes.c_char_p, ctypes.c_int
    handler = ctypes.CFUNCTYPE(None, text, number, text, number, text)(lambda *told: None)
    library.snd_lib_error_set_handler(handler)
    _kept.append(handler)


_kept: list[Any] = []
"""Functions that C calls."""


def choose(kind: Kind, wanted: int | str | None) -> Device:
    """The device to open: the wanted one, by number or by a part of its name, or the default.

    Raises:
        DeviceUnavailable: there is none, it is in use, or it takes none of our rates.
    """
    sounddevice = portaudio()
    try:
        found = sounddevice.query_devices(wanted, kind)
    except ValueError as error:
        raise DeviceUnavailable(
            f"there is no {NAMES[kind]} {wanted!r}, or more than one: {_SEE_ALL}"
        ) from error
    except sounddevice.PortAudioError as error:
        raise DeviceUnavailable(_none_of(kind, wanted)) from error
    if not found[f"max_{kind}_channels"]:
        raise DeviceUnavailable(
            f"the device {found['name']!r} is no {NAMES[kind]}: choose another --{kind}-device; "
            f"{_SEE_ALL}"
        )
    return _fitting(kind, found["index"], found["name"], round(found["default_samplerate"]))


def _none_of(kind: Kind, wanted: int | str | None) -> str:
    if wanted is not None:
        return f"there is no {NAMES[kind]} {wanted!r}: {_SEE_ALL}"
    return (
        f"there is no {NAMES[kind]}: connect one (for PulseAudio or PipeWire, Debian: apt install "
        "libasound2-plugins), or talk in the browser with parley serve"
    )


def _fitting(kind: Kind, number: int, name: str, usual_rate: int) -> Device:
    """With the first rate and number of channels that it takes."""
    sounddevice = portaudio()
    check = getattr(sounddevice, f"check_{kind}_settings")
    problem: Exception | None = None
    rates = dict.fromkeys((WISHED_RATES[kind], usual_rate, *OTHER_RATES))
    for rate in rates:
        if rate % 100:
            continue
        for channels in (1, 2):
            try:
                check(device=number, channels=channels, dtype="float32", samplerate=rate)
            except sounddevice.PortAudioError as error:
                problem = problem or error
                continue
            return Device(kind, number, name, rate, channels)
    assert problem is not None
    raise explained(problem, kind, name) from problem


def explained(error: Exception, kind: Kind, name: str) -> DeviceUnavailable:
    """PortAudio's error, with the remedy."""
    code = error.args[1] if len(error.args) > 1 else 0
    what = f"the {NAMES[kind]} {name!r}"
    other = f"choose another --{kind}-device; {_SEE_ALL}"
    if code == _INVALID_RATE:
        return DeviceUnavailable(f"{what} takes none of the rates that Parley knows: {other}")
    if code in (_UNAVAILABLE, _TIMED_OUT, _UNANTICIPATED):
        return DeviceUnavailable(
            f"{what} is not to be had: another program may be using it; close that, or {other}"
        )
    return DeviceUnavailable(f"{what} cannot be opened ({error.args[0]}): {other}")


def table() -> str:
    """All devices, a line each, the defaults marked.

    Raises:
        DeviceUnavailable: there are none, or PortAudio is missing.
    """
    sounddevice = portaudio()
    devices = sounddevice.query_devices()
    if not len(devices):
        raise DeviceUnavailable(_none_of("input", None))
    default_input, default_output = sounddevice.default.device
    lines = []
    for device in devices:
        uses = [
            NAMES[kind] + (" (default)" if device["index"] == default else "")
            for kind, default in zip(NAMES, (default_input, default_output), strict=True)
            if device[f"max_{kind}_channels"]
        ]
        host = sounddevice.query_hostapis(device["hostapi"])["name"]
        lines.append(f"{device['index']:3}  {device['name']} [{host}]: {', '.join(uses)}")
    return "\n".join(lines)
