"""What lines and headers of a recording may say: files come from anywhere, changed by anyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voice.playback import SAMPLE_RATE_HZ
from voice.recording.files import RecordingError

MAX_READ = 600 * SAMPLE_RATE_HZ
"""Samples that were played at once; a transport asks for some milliseconds."""

Json = dict[str, Any]


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Machine(_Checked):
    device: str | None = Field(default=None, pattern=r"^(cpu|cuda)(:\d{1,2})?$")
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    threads: int | None = Field(default=None, ge=1, le=1024)


class _Function(_Checked):
    name: str
    description: str
    parameters: Json


class _Tool(_Checked):
    function: _Function
    reminds: bool = False


class _Head(_Checked):
    model: str = Field(default="builtin", min_length=1)
    tts: str = "espeak"
    turn_end: Literal["auto", "silence", "reply"] = "auto"
    machine: _Machine = _Machine()
    is_pushed: bool
    seed: int
    settings: Json
    tools: list[_Tool]


class _Sound(_Checked):
    samples: int = Field(ge=0)


class _Read(_Checked):
    samples: int = Field(ge=0, le=MAX_READ)


class _Wish(_Checked):
    name: str
    arguments: Json


class _Facts(_Checked):
    after: int = Field(default=0, ge=0)


class _Report(_Checked):
    source: str
    facts: _Facts


class _Reminder(_Checked):
    delay_s: float = Field(ge=0.0, allow_inf_nan=False)
    words: str


_INPUTS: Mapping[str, type[_Checked]] = {
    "sound": _Sound,
    "silence": _Sound,
    "read": _Read,
    "wish": _Wish,
    "report": _Report,
}


def check_head(session: Json) -> None:
    """Raises `RecordingError` if `session.json` says nothing of use about its session."""
    _check(_Head, session, "session.json")


def check_line(line: Json, where: str) -> None:
    """Raises `RecordingError` if the line, which is `where`, is none that a session leaves."""
    kind = line.get("in")
    if "in" not in line:
        if not isinstance(line.get("at"), int):
            raise RecordingError(f"{where}: at is no sample")
        return
    model = _INPUTS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise RecordingError(f"{where}: the recording holds an unknown input {str(kind)[:80]!r}")
    _check(model, line, where)
    if line.get("source") == "remind":
        _check(_Reminder, line["facts"], where)


def _check(model: type[_Checked], value: Json, where: str) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise RecordingError(
            f"{where} says nothing of use about its session: {field}: {problem['msg']}"
        ) from error
