"""Functions that the model may call: Python functions with a JSON schema.

A tool runs on a thread of its own, neither the model's nor the event loop's, and only once the turn
that asks for it has ended for good. What it returns, or why it failed, is told to the model.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TOOL_TIMEOUT_S = 30.0
"""After so long the model is told that a tool has failed; what it returns later is ignored."""

Remind = Callable[[float, str], None]
"""Called with a delay in s and the words to say then."""


class ToolError(Exception):
    """A tool cannot do what it was asked for; the message is told to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function with what the model has to know of it.

    Attributes:
        name: by which the model calls it.
        description: what it does and returns.
        run: called with the arguments by name; what it returns is told as text or JSON.
        parameters: JSON schema of the arguments.
        reminds: whether `run` also takes `remind`, to have something said later.
    """

    name: str
    description: str
    run: Callable[..., Any]
    parameters: Mapping[str, Any] = field(default_factory=lambda: _schema({}))
    reminds: bool = False

    @property
    def function(self) -> dict[str, Any]:
        """In OpenAI's form."""
        described = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": described}

    def call(self, arguments: Mapping[str, Any], remind: Remind) -> str:
        """Runs it; what it returns, or why it failed, as text for the model."""
        try:
            result = self.run(**arguments, **({"remind": remind} if self.reminds else {}))
        except Exception as error:
            return failure(self.name, error)
        return result if isinstance(result, str) else json.dumps(result, default=str)


def failure(name: str, error: BaseException | str) -> str:
    """What the model is told of a tool that failed."""
    reason = str(error) or type(error).__name__
    return f"Error: {name} failed: {reason}"


def _schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# --- Built in -------------------------------------------------------------------------------------


def _time() -> str:
    return datetime.now().astimezone().strftime("%-I:%M %p, %Z")


def _date() -> str:
    return datetime.now().astimezone().strftime("%A, %B %-d, %Y")


def _timer(seconds: float, *, remind: Remind) -> str:
    if not 0 < seconds <= MAX_TIMER_S:
        raise ToolError(f"a timer takes more than 0 and at most {MAX_TIMER_S} seconds")
    remind(seconds, "Your timer is over.")
    return f"The timer is set: {seconds:g} seconds from now."


MAX_TIMER_S = 24 * 3600

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_MAX_EXPRESSION = 200
_MAX_POWER = 1000


def calculate(expression: str) -> int | float:
    """The value of an expression of numbers, + − * / // % ** and brackets.

    Raises:
        ToolError: it is none, or its value is out of reach.
    """
    text = expression.replace("×", "*").replace("÷", "/").replace("−", "-").replace("^", "**")
    if len(text) > _MAX_EXPRESSION:
        raise ToolError(f"the expression is longer than {_MAX_EXPRESSION} characters")
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        raise ToolError(f"{expression!r} is no expression of numbers") from None
    except ZeroDivisionError:
        raise ToolError("division by zero") from None
    except OverflowError:
        raise ToolError("the value is too large") from None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            first, second = _value(left), _value(right)
            if isinstance(op, ast.Pow) and (abs(second) > _MAX_POWER or abs(first) > 1e9):
                raise OverflowError
            value = _OPERATORS[type(op)](first, second)
            if isinstance(value, complex):
                raise ToolError("the value is no real number")
            return value
    raise ToolError("an expression holds numbers, + - * / // % ** and brackets only")


BUILTIN_TOOLS = (
    Tool(name="get_time", description="The present time of day.", run=_time),
    Tool(name="get_date", description="Today's date and weekday.", run=_date),
    Tool(
        name="set_timer",
        description="Says so when a number of seconds is over.",
        run=_timer,
        parameters=_schema({"seconds": {"type": "number", "description": "How long, in seconds."}}),
        reminds=True,
    ),
    Tool(
        name="calculate",
        description="The value of an arithmetic expression.",
        run=calculate,
        parameters=_schema(
            {"expression": {"type": "string", "description": "Such as (2 + 3) * 4."}}
        ),
    ),
)
"""What a session offers unless it is told otherwise."""
