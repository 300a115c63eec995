"""Errors of the protocol, as the client is told of them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from voice.session_events import SessionError


class ProtocolError(Exception):
    """A client event that cannot be carried out; the connection goes on.

    Attributes:
        code: for programs; OpenAI's where there is one.
        message: the problem and the remedy.
        param: path of the field at fault, such as `session.audio.input.format`.
        kind: `invalid_request_error`, `server_error` or `rate_limit_error`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.kind = code, message, param, kind

    def as_json(self, event_id: str | None = None) -> dict[str, Any]:
        """The field `error` of the server event, about the client event of that id."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        }


_CODES_OF_EVENTS: Mapping[tuple[str, str], str] = {
    ("conversation.item.create", "item_exists"): "item_create_duplicate_item_id",
    ("conversation.item.retrieve", "item_not_found"): "item_retrieve_invalid_item_id",
    ("conversation.item.truncate", "item_not_found"): "item_truncate_invalid_item_id",
    ("conversation.item.delete", "item_not_found"): "item_delete_invalid_item_id",
}


def from_session(error: SessionError, event_type: str) -> ProtocolError:
    """What a session refused, under the code that clients know of an event of that type.

    livekit-agents takes a duplicate item for one that is there as wanted, and pipecat ends with
    every error whose code it does not know.
    """
    code = _CODES_OF_EVENTS.get((event_type, error.code), error.code)
    return ProtocolError(code, error.message, error.param)


def from_validation(error: ValidationError, prefix: str = "") -> ProtocolError:
    """The first problem that pydantic found, in the words of the protocol."""
    problem = error.errors(include_url=False, include_input=False)[0]
    param = ".".join([*filter(None, [prefix]), *map(str, _without_tags(problem["loc"]))])
    match problem["type"]:
        case "missing":
            return ProtocolError("missing_required_parameter", f"{param} is missing: add it", param)
        case "literal_error" | "enum":
            context: Mapping[str, Any] = problem.get("ctx", {})
            expected = context.get("expected", "another value")
            return ProtocolError("invalid_value", f"{param} must be {expected}", param)
        case kind if kind.endswith("_type") or kind.endswith("_parsing"):
            return ProtocolError("invalid_type", f"{param}: {problem['msg']}", param)
    return ProtocolError("invalid_value", f"{param}: {problem['msg']}", param)


def _without_tags(location: tuple[int | str, ...]) -> list[int | str]:
    """Without the names of the members of unions, which are not in the client's JSON."""
    return [each for each in location if isinstance(each, int) or each[:1].islower()]
