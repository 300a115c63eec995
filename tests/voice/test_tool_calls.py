"""Function calls in replies."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voice.test_tokenizer import small_tokenizer
from voice.prompt import Prompt
from voice.tool_calls import MalformedCall, ToolCall, ToolCallParser, convert

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "set_timer",
            "parameters": {
                "type": "object",
                "properties": {
                    "minutes": {"type": "integer"},
                    "label": {"type": ["string", "null"]},
                    "sound": {"type": "string", "enum": ["bell", "horn"]},
                    "repeat": {"type": "boolean"},
                    "days": {"type": "array", "items": {"type": "string"}},
                    "volume": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                },
                "required": ["minutes"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "name": "get_time", "description": "Now."},
]
TIMER = (
    "<tool_call>\n<function=set_timer>\n"
    "<parameter=minutes>\n5\n</parameter>\n</function>\n</tool_call>"
)
TIME = "<tool_call>\n<function=get_time>\n</function>\n</tool_call>"
CALL = ToolCall("set_timer", {"minutes": 5})


def parse(texts, tools=TOOLS):
    """All parts, neighbouring texts as one."""
    parser = ToolCallParser(tools)
    parts = [part for text in texts for part in parser.feed(text)] + parser.flush()
    joined = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def call(**arguments):
    body = "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in arguments.items())
    return f"<tool_call>\n<function=set_timer>\n{body}</function>\n</tool_call>"


def test_parser_separates_text_and_calls():
    reply = f"One moment.\n{TIMER}\n{TIME}\n"
    assert parse([reply]) == ["One moment.", CALL, ToolCall("get_time", {})]


def test_parser_converts_values_by_schema():
    reply = call(
        minutes="7",
        label="two\n\nlines ",
        sound="bell",
        repeat="True",
        days='["Monday", "Friday"]',
        volume="0.5",
    )
    assert parse([reply]) == [
        ToolCall(
            "set_timer",
            {
                "minutes": 7,
                "label": "two\n\nlines ",
                "sound": "bell",
                "repeat": True,
                "days": ["Monday", "Friday"],
                "volume": 0.5,
            },
        )
    ]
    assert parse([call(minutes="7", label="None", volume="null")])[0].arguments == {
        "minutes": 7,
        "label": None,
        "volume": None,
    }


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (call(minutes="five"), "minutes must be of type integer, not 'five'"),
        (call(label="tea"), "needs minutes"),
        (call(minutes="5", colour="red"), "no parameter colour"),
        (call(minutes="5", sound="gong"), 'one of "bell", "horn", not "gong"'),
        (call(minutes="5", days="Monday"), "array"),
        (TIMER.replace("set_timer", "launch"), "no function 'launch'; .*: set_timer, get_time"),
        (TIMER.replace("</parameter>", ""), "not closed"),
        ("<tool_call>\nset_timer(5)\n</tool_call>", "names no function"),
        ("<tool_call>\n{broken}\n</tool_call>", "no valid JSON"),
        ('<tool_call>\n{"minutes": 5}\n</tool_call>', '"name" and "arguments"'),
        (TIMER.removesuffix("</tool_call>"), "cut short before </tool_call>"),
    ],
)
def test_malformed_call_says_what_is_wrong(reply, reason):
    before, malformed = parse(["Well. " + reply])
    assert before == "Well."
    assert isinstance(malformed, MalformedCall)
    assert re.search(reason, malformed.reason), malformed.reason
    assert malformed.text == reply


def test_reply_goes_on_after_a_malformed_call():
    parts = parse([call(minutes="x") + TIMER + " Done."])
    assert isinstance(parts[0], MalformedCall)
    assert parts[1:] == [CALL, "Done."]


@pytest.mark.parametrize(
    "reply",
    [
        '{"name": "set_timer", "arguments": {"minutes": 5}}',
        '<|tool_call|>{"name": "set_timer", "parameters": {"minutes": "5"}}',
        '<tool_call>{"name": "set_timer", "arguments": {"minutes": 5}}</tool_call>',
        TIMER.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"),
        f"<|tool_call|>{TIMER}",
    ],
)
def test_slips_of_the_model_are_read_as_the_call_they_mean(reply):
    assert parse([reply]) == [CALL]


@pytest.mark.parametrize("reply", ['{"a": 1} is JSON.', "{not json", '{"name": "x"', "{}"])
def test_json_that_is_no_call_is_text(reply):
    assert parse([reply]) == [reply]


def test_json_is_text_without_tools():
    reply = '{"name": "set_timer", "arguments": {}}'
    assert parse([reply], tools=[]) == [reply]


def test_text_comes_out_at_once():
    parser = ToolCallParser(TOOLS)
    assert parser.feed("Hello") == ["Hello"]
    assert parser.feed(" wor") == [" wor"]
    assert parser.feed("ld <tool") == ["ld"]
    assert parser.feed("s>") == [" <tools>"]


BAD = call(minutes="x")
WORDS = [TIMER, TIME, BAD, "Text. ", "\n", "<", "<tool_call>", "</tool_call>", "{", "}"]


@given(st.lists(st.sampled_from([*WORDS, "<|tool_call|>", '"a": 1']), max_size=6), st.data())
def test_parser_gives_the_same_for_any_split(words, data):
    text = "".join(words)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    places = sorted({*cuts, 0, len(text)})
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    assert parse(pieces) == parse([text])


def test_parser_reads_what_the_template_writes():
    arguments = {"minutes": 5, "label": "a <b>\nc", "days": ["Mo", "<tool>"], "repeat": False}
    tool_call = {"function": {"name": "set_timer", "arguments": arguments}}
    turn = Prompt(small_tokenizer()).reply_turn("Sure.", [tool_call])
    text = turn.partition("</think>")[2].partition("<|im_end|>")[0]
    assert parse([text]) == ["Sure.", ToolCall("set_timer", arguments)]


def test_convert_prefers_the_first_type_that_fits():
    assert convert("12", {"type": ["integer", "string"]}) == 12
    assert convert("12", {"type": "string"}) == "12"
    assert convert("x", {"type": ["integer", "string"]}) == "x"
    assert convert("12", {}) == "12"
    assert convert("12", {"type": "number"}) == 12
    assert convert('{"a": 1}', {"oneOf": [{"type": "object"}]}) == {"a": 1}
