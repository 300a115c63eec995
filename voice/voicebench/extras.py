"""Packages that only evaluations need: imported when they are used, named when they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
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


def request_errors() -> tuple[type[Exception], ...]:
    """What a request of OpenAI's client can fail with, its answer's stream included.

    While a stream is read, errors of the HTTP library come as they are; which one it is depends on
    the client's version.
    """
    openai = require("openai", "asking a server")
    libraries = [name for name in ("httpx", "httpx2") if find_spec(name)]
    transport = [import_module(name).TransportError for name in libraries]
    return openai.APIError, *transport, OSError, ValueError
