"""Finds function calls in the text of a reply while it is being written.

The model writes them in the form of Qwen3-Coder, which Nemotron 3 adopted:

```text
<tool_call>
<function=NAME>
<parameter=KEY>
VALUE
</parameter>
</function>
</tool_call>
```

Models slip: the guards for a call without its frame, a call as bare JSON and a leaked
`<|tool_call|>` are for slips that were seen with this model.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voice.reply import held_back

_FRAME = "<tool_call>"
_BARE = "<function="
_LEAK = "<|tool_call|>"
_ENDS = {_FRAME: "</tool_call>", _BARE: "</function>"}
_OPENING = re.compile("|".join(map(re.escape, (_FRAME, _BARE, _LEAK))))
_FUNCTION = re.compile(r"<function=(?P<name>[^>\n]*)>(?P<body>.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(?P<key>[^>\n]*)>(?P<value>.*?)</parameter>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model makes."""

    name: str
    arguments: Mapping[str, Any]
    """By parameter, of the types that the tool's JSON schema asks for."""


@dataclass(frozen=True, slots=True)
class MalformedCall:
    """A call that cannot be carried out."""

    reason: str
    """A sentence that says what is wrong; good to hand back to the model as the result."""
    text: str
    """What the model wrote."""


ReplyPart = str | ToolCall | MalformedCall
"""Text to say, or a call."""


class ToolCallParser:
    """Separates calls from text; any split of the reply gives the same parts as the whole.

    Blanks around calls and at the ends of the reply are dropped. Text comes out as soon as it
    cannot be part of a call.

    Args:
        tools: the functions the model was given, in OpenAI's form; without any, a reply that is
            JSON is text.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        functions = [tool.get("function", tool) for tool in tools]
        self._schemas = {f["name"]: f.get("parameters") or {} for f in functions}
        self._buffer = ""
        self._opening = ""
        """What opened the call that the buffer holds; empty in text."""
        self._said = False
        """Whether text came since the start of the reply or since the last call."""

    def feed(self, text: str) -> list[ReplyPart]:
        """The parts that `text` completes."""
        self._buffer += text
        return self._drain(final=False)

    def flush(self) -> list[ReplyPart]:
        """The rest, at the end of the reply; a call without its end is malformed."""
        parts = self._drain(final=True)
        if self._opening:
            reason = f"The call was cut short before {_ENDS[self._opening]}."
            parts.append(MalformedCall(reason, self._buffer))
        self._buffer = self._opening = ""
        return parts

    def _drain(self, final: bool) -> list[ReplyPart]:
        parts: list[ReplyPart] = []
        while True:
            if not self._said:
                self._buffer = self._buffer.lstrip()
            if self._opening:
                length = self._call_length()
                if length is None:
                    return parts
                parts += self._read_calls(self._cut(length))
                self._opening, self._said = "", False
            elif not self._said and self._schemas and self._buffer.startswith("{"):
                length = _json_length(self._buffer)
                if length is None and not final:
                    return parts
                if length is None or not _is_call(json.loads(self._buffer[:length])):
                    self._said = True  # JSON, or half of it, that is meant as text
                    continue
                parts += self._read_calls(self._cut(length))
            elif found := _OPENING.search(self._buffer):
                self._say(found.start(), parts)
                self._said = False
                if found[0] == _LEAK:
                    self._buffer = self._buffer.lstrip().removeprefix(_LEAK)
                else:
                    self._opening = found[0]
            else:
                tail = 0 if final else held_back(self._buffer, (_FRAME, _BARE, _LEAK))
                self._say(len(self._buffer) - tail, parts)
                return parts

    def _say(self, end: int, parts: list[ReplyPart]) -> None:
        """Takes text up to `end`; blanks before it wait for more text."""
        text = self._cut(len(self._buffer[:end].rstrip()))
        if text:
            self._said = True
            parts.append(text)

    def _cut(self, length: int) -> str:
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        return text

    def _call_length(self) -> int | None:
        """Length of the call at the start of the buffer; None while it is incomplete."""
        end = _ENDS[self._opening]
        at = self._buffer.find(end)
        return None if at < 0 else at + len(end)

    def _read_calls(self, text: str) -> list[ReplyPart]:
        inner = text.removeprefix(_FRAME).removesuffix(_ENDS[_FRAME]).strip()
        if inner.startswith("{"):
            return [self._read_json(inner, text)]
        calls = list(_FUNCTION.finditer(inner))
        if not calls:
            return [MalformedCall("The call names no function: <function=NAME> is missing.", text)]
        return [self._read_call(call["name"].strip(), call["body"], text) for call in calls]

    def _read_json(self, inner: str, text: str) -> ReplyPart:
        try:
            call = json.loads(inner)
        except ValueError as error:
            return MalformedCall(f"The call is no valid JSON: {error}.", text)
        if not _is_call(call):
            return MalformedCall('The call needs "name" and "arguments".', text)
        return self._check(call["name"], _json_arguments(call), text)

    def _read_call(self, name: str, body: str, text: str) -> ReplyPart:
        if body.count("<parameter=") != body.count("</parameter>"):
            return MalformedCall("A parameter is not closed by </parameter>.", text)
        # One newline on either side belongs to the form, all others to the value.
        arguments = {
            found["key"].strip(): found["value"].removeprefix("\n").removesuffix("\n")
            for found in _PARAMETER.finditer(body)
        }
        return self._check(name, arguments, text)

    def _check(self, name: str, arguments: Mapping[str, Any], text: str) -> ReplyPart:
        if name not in self._schemas:
            known = ", ".join(self._schemas) or "none"
            return MalformedCall(
                f"There is no function {name!r}; the functions are: {known}.", text
            )
        schema = self._schemas[name]
        missing = [key for key in schema.get("required", ()) if key not in arguments]
        if missing:
            return MalformedCall(f"{name} needs {', '.join(missing)}.", text)
        properties = schema.get("properties") or {}
        unknown = [key for key in arguments if key not in properties]
        if unknown and schema.get("additionalProperties") is False:
            return MalformedCall(f"{name} has no parameter {', '.join(unknown)}.", text)
        converted = {}
        for key, value in arguments.items():
            try:
                converted[key] = convert(value, properties.get(key) or {})
            except ValueError as error:
                return MalformedCall(f"{name}: {key} {error}.", text)
        return ToolCall(name, converted)


def convert(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value that a model wrote as text, in the type its JSON schema asks for.

    Values that are no text, as in a call written in JSON, stay as they are.

    Raises:
        ValueError: the text is of none of the types, or not among the allowed values.
    """
    types = _types(schema)
    if isinstance(value, str) and types:
        value = _parse(value, types)
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(map(json.dumps, schema["enum"]))
        raise ValueError(f"must be one of {allowed}, not {json.dumps(value)}")
    return value


def _parse(text: str, types: Sequence[str]) -> Any:
    for kind in sorted(types, key=lambda kind: kind != "null"):
        try:
            match kind:
                case "null" if text.strip().lower() in ("null", "none"):
                    return None
                case "boolean" if text.strip().lower() in ("true", "false"):
                    return text.strip().lower() == "true"
                case "integer":
                    return int(text)
                case "number":
                    number = float(text)
                    return int(number) if text.strip().lstrip("+-").isdigit() else number
                case "object" | "array":
                    parsed = json.loads(text)
                    if isinstance(parsed, dict if kind == "object" else list):
                        return parsed
                case "string":
                    return text
        except ValueError:
            continue
    raise ValueError(f"must be of type {' or '.join(types)}, not {text!r}")


def _types(schema: Mapping[str, Any]) -> list[str]:
    """The types a JSON schema allows, alternatives included; empty means any."""
    kind = schema.get("type")
    types = [kind] if isinstance(kind, str) else list(kind or ())
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        types += _types(alternative)
    return types


def _json_length(text: str) -> int | None:
    """Length of the JSON value that `text` starts with; None if it is incomplete or broken."""
    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except ValueError:
        return None


def _is_call(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(_json_arguments(value), dict)
    )


def _json_arguments(call: Mapping[str, Any]) -> Any:
    return call.get("arguments", call.get("parameters"))
