"""Packages that only evaluations need: imported when they are used, named when they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from voice.errors import VoiceError

_DISTRIBUTIONS = {"whisper_normalizer": "whisper-normalizer"}


class MissingExtra(VoiceError):
    """A package of the extra `voicebench` is not installed."""


def require(module: str, purpose: str) -> ModuleType:
    """Imports a module of the extra.

    Raises:
        MissingExtra: it is not installed; the message says what for and how to get it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != top:
            raise
        name = _DISTRIBUTIONS.get(top, top)
        raise MissingExtra(
            f"{purpose} needs the package {name}: pip install 'parley-voice[voicebench]'"
        ) from error
