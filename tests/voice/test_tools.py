"""The built-in tools, and what the model is told of one that fails."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.tools import BUILTIN_TOOLS, Tool, ToolError, calculate

TOOLS = {tool.name: tool for tool in BUILTIN_TOOLS}


def run(name, /, remind=lambda delay_s, words: None, **arguments):
    return TOOLS[name].call(arguments, remind)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) × 4", 20),
        ("7 / 2", 3.5),
        ("8 / 2", 4),
        ("-2 ^ 2", -4),
        ("17 % 5", 2),
        ("1e3 - 1", 999),
    ],
)
def test_expressions_have_their_value(expression, value):
    assert calculate(expression) == value


@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from("+-*"))
def test_sums_of_integers_are_exact(first, second, sign):
    expected = {"+": first + second, "-": first - second, "*": first * second}[sign]
    assert calculate(f"({first}) {sign} ({second})") == expected


@pytest.mark.parametrize(
    "expression",
    ["1/0", "2 +", "__import__('os')", "a", "9**9**9", "(-8) ** 0.5", "1 if 1 else 2", "True", ""],
)
def test_what_is_no_arithmetic_is_refused(expression):
    with pytest.raises(ToolError):
        calculate(expression)


def test_failure_is_told_and_not_raised():
    assert run("calculate", expression="1/0") == "Error: calculate failed: division by zero"
    assert run("calculate").startswith("Error: calculate failed: ")


def test_time_and_date_are_those_of_the_clock():
    assert str(datetime.now().year) in run("get_date")
    assert run("get_time").split(",")[0].endswith(("AM", "PM"))


def test_timer_reminds_after_its_time():
    told = []
    run("set_timer", remind=lambda delay_s, words: told.append(delay_s), seconds=90)
    assert told == [90]
    assert run("set_timer", seconds=-1).startswith("Error")


def test_result_that_is_no_text_is_json():
    tool = Tool(name="t", description="", run=lambda a: {"a": a})
    assert tool.call({"a": [1, None]}, lambda delay_s, words: None) == '{"a": [1, null]}'


def test_function_is_in_openai_s_form():
    function = TOOLS["calculate"].function["function"]
    assert function["parameters"]["required"] == ["expression"]
