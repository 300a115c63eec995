"""What is seen of a session, as JSON: every dataclass bears its name, so that it can be read back.

Sound and pictures stand beside the JSON: in what comes in as files of their own, in what comes of
it as a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import Annotated, Any, get_type_hints

import numpy as np
from PIL.Image import Image
from pydantic import ConfigDict, InstanceOf, TypeAdapter, ValidationError

from streaming.encoder import StreamSettings
from streaming.turn_settings import TurnMode, TurnSettings
from voice.decoding import ReplySettings
from voice.recording.files import RecordingError
from voice.session_events import Content, Item
from voice.session_settings import ResponseSettings, SessionSettings
from voice.tts.synthesizer import VoiceSettings

Json = dict[str, Any]
Media = np.ndarray | Image

_READ_BACK: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        SessionSettings,
        TurnSettings,
        TurnMode,
        ReplySettings,
        VoiceSettings,
        StreamSettings,
        ResponseSettings,
        Item,
        Content,
    )
}
_KIND, _VALUE, _FILE = "is", "value", "file"


def digest(samples: np.ndarray) -> str:
    """Tells sounds apart."""
    return sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()[:16]


def _as_digest(media: Media) -> Json:
    if isinstance(media, Image):
        return {"picture": list(media.size), "digest": digest(np.asarray(media))}
    return {"samples": len(media), "digest": digest(media)}


def plain(value: Any, keep: Callable[[Media], Json] = _as_digest) -> Any:
    """A value as JSON has it.

    Args:
        value: of a session: settings, items, decisions, events.
        keep: says in JSON where a sound or a picture is kept.
    """
    match value:
        case np.ndarray() | Image():
            return keep(value)
        case Enum():
            return {_KIND: type(value).__name__, _VALUE: value.value}
        case BaseException():
            return {_KIND: type(value).__name__, "message": str(value)}
        case np.generic():
            return value.item()
        case Mapping():
            return {str(key): plain(each, keep) for key, each in value.items()}
        case list() | tuple():
            return [plain(each, keep) for each in value]
        case None | bool() | int() | float() | str():
            return value
    if is_dataclass(value):
        named = {each.name: plain(getattr(value, each.name), keep) for each in fields(value)}
        return {_KIND: type(value).__name__, **named}
    return repr(value)


def restored(value: Any, load: Callable[[str], Media]) -> Any:
    """The value that `plain` made JSON of.

    Args:
        value: JSON.
        load: brings a sound or a picture that was kept.

    Raises:
        RecordingError: JSON that stands for no value of this version.
    """
    if isinstance(value, list):
        return [restored(each, load) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_FILE}:
        return load(str(value[_FILE]))
    inner = {key: restored(each, load) for key, each in value.items()}
    if _KIND not in inner:
        return inner
    name = inner.pop(_KIND)
    kind = _READ_BACK.get(name) if isinstance(name, str) else None
    if kind is None:
        raise RecordingError(f"the recording holds a {name!r}, which this version does not know")
    try:
        if issubclass(kind, Enum):
            return kind(inner[_VALUE])
        # JSON has no tuples, and the dataclasses hold no lists themselves.
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in inner.items()}
        check_types(kind, given)
        return kind(**given)
    except (TypeError, ValueError, KeyError) as error:
        raise RecordingError(f"the recording holds a {name} that cannot be: {error}") from error


def check_types(annotated: Any, given: Mapping[str, Any]) -> None:
    """Holds values against the annotations of a dataclass's fields or a function's parameters.

    Raises:
        ValueError: a value of another type.
    """
    wanted = _adapters(annotated)
    for name, value in given.items():
        if name in wanted:
            try:
                wanted[name].validate_python(value)
            except ValidationError as error:
                raise ValueError(f"{name}: {error.errors()[0]['msg']}") from error


@cache
def _adapters(annotated: Any) -> Mapping[str, TypeAdapter[Any]]:
    hints = get_type_hints(annotated)
    return {name: _adapter(hint) for name, hint in hints.items() if name != "return"}


def _adapter(hint: Any) -> TypeAdapter[Any]:
    if is_dataclass(hint):  # its own fields were looked at when it was made
        instance: Any = Annotated[hint, InstanceOf()]
        return TypeAdapter(instance)
    return TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
