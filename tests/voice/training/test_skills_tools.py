"""Questions for functions, system texts, and turns that stop too early."""

import random

import pytest

from tests.voice.training.texts import trained_and_held_out
from voice.prompt import Prompt
from voice.tool_calls import ToolCall, ToolCallParser
from voice.tools import BUILTIN_TOOLS
from voice.training.sequences import Sequence, SequenceMaker, call_text
from voice.training.skills import (
    Conversation,
    cut_short,
    sample_digits,
    sample_instructions,
    sample_short,
    sample_tool_conversation,
    sample_unfinished,
    tools,
)
from voice.training.skills.digits import OPERATORS, SPANS
from voice.training.skills.numbers import numbers_in
from voice.training.skills.turns import Function, Turn
from voice.training.skills.unfinished import is_unfinished
from voice.training.template import builtin_template
from voice.training.tokenizer import build_tokenizer

PHRASINGS = [
    *(tools.TIME, tools.DATE, tools.TIMER, tools.CALCULATE, tools.LIGHT),
    *(tools.COFFEE, tools.WEATHER),
]


def function(name: str) -> Function:
    parameters = {tool.name: tuple(tool.parameters["properties"]) for tool in BUILTIN_TOOLS}
    others = {
        "set_light": ("room", "state"),
        "order_coffee": ("size", "roast", "milk", "shots"),
        "get_weather": ("city",),
    }
    return Function(name, {**parameters, **others}[name])


def described(offered: Function):
    properties = {name: {"type": "string"} for name in offered.parameters}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": offered.name, "parameters": schema}}


def test_functions_include_what_every_session_offers():
    assert {tool.name for tool in BUILTIN_TOOLS} <= set(tools.FUNCTIONS)


@pytest.mark.parametrize("name", tools.FUNCTIONS)
def test_call_in_a_sequence_is_read_as_the_same_call(name):
    rng = random.Random(name)
    for _ in range(50):
        turn = tools.sample_tool_turn(rng, "train", function(name))
        assert turn.call is not None
        assert turn.result
        assert turn.reply
        parser = ToolCallParser([described(function(name))])
        read = [*parser.feed(call_text(turn.call)), *parser.flush()]
        assert read == [ToolCall(name, turn.call.arguments)]


def test_calculate_gives_the_result_that_is_told():
    rng = random.Random(0)
    for _ in range(200):
        turn = tools.sample_tool_turn(rng, "heldout", function("calculate"))
        assert turn.call is not None
        if turn.reply != tools.FAILED:
            calculated = next(tool for tool in BUILTIN_TOOLS if tool.name == "calculate")
            value = calculated.call(turn.call.arguments, remind=lambda delay, text: None)
            assert turn.reply == f"The answer is {value}."


def test_timer_takes_what_its_function_takes():
    rng = random.Random(0)
    for _ in range(100):
        turn = tools.sample_tool_turn(rng, "train", function("set_timer"))
        assert turn.call is not None
        assert 0 < float(turn.call.arguments["seconds"]) <= 24 * 3600


@pytest.mark.parametrize("phrasings", PHRASINGS)
def test_heldout_phrasings_of_functions_are_never_trained(phrasings):
    assert not trained_and_held_out(phrasings)


def test_conversation_with_functions_calls_offered_ones_only():
    rng = random.Random(1)
    called = set()
    for _ in range(300):
        conversation = sample_tool_conversation(rng, "train")
        offered = {function.name for function in conversation.functions}
        for turn in conversation.turns:
            if turn.call is not None:
                assert turn.call.name in offered
                called.add(turn.call.name)
    assert called == set(tools.FUNCTIONS)


def test_sequence_with_functions_equals_the_rendered_template():
    rng = random.Random(2)
    texts = [
        text
        for _ in range(200)
        for turn in sample_tool_conversation(rng, "train").turns
        for text in (turn.user, turn.reply)
    ]
    tokenizer = build_tokenizer(texts, 600)
    tokenizer.chat_template = builtin_template()
    prompt, maker = Prompt(tokenizer), SequenceMaker(tokenizer)
    for number in range(40):
        asked = sample_tool_conversation(rng, "train")
        asked = Conversation(asked.turns, "Be brief." * (number % 2), asked.functions)
        sequence = Sequence()
        maker.add_conversation(sequence, asked, rng, typed_share=1.0)
        messages = [{"role": "system", "content": asked.system}] if asked.system else []
        for turn in asked.turns:
            messages.append({"role": "user", "content": turn.user})
            if turn.call is not None:
                call = {"name": turn.call.name, "arguments": dict(turn.call.arguments)}
                calls = [{"type": "function", "function": call}]
                messages.append({"role": "assistant", "content": "", "tool_calls": calls})
                messages.append({"role": "tool", "content": turn.result})
            messages.append({"role": "assistant", "content": turn.reply})
        rendered = prompt.render(messages, tools=[*map(described, asked.functions)], reply=False)
        text = "".join(tokenizer.decode(part) for part in sequence.parts if part)
        assert text == rendered


def test_builtin_template_without_functions_is_the_common_one():
    tokenizer = build_tokenizer(["hello there"], 400)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    common = Prompt(tokenizer).render(messages)
    tokenizer.chat_template = builtin_template()
    assert Prompt(tokenizer).render(messages) == common


def test_instructions_are_sentences():
    rng = random.Random(0)
    for _ in range(100):
        text = sample_instructions(rng)
        assert text[0].isupper()
        assert text[-1] == "."
        assert "|" not in text


@pytest.mark.parametrize("text", ["what is the capital of", "what is", "spell the word"])
def test_text_that_must_go_on_is_unfinished(text):
    assert is_unfinished(text)


@pytest.mark.parametrize(
    "text", ["hello", "yes", "what is the capital of france", "thank you", "what is my name"]
)
def test_text_that_may_be_over_is_not_unfinished(text):
    assert not is_unfinished(text)


@pytest.mark.parametrize("text", ["hello", "hi parley", "hey there", "good morning"])
def test_greeting_alone_is_over(text):
    assert not is_unfinished(text)


def test_short_turns_are_whole_ones():
    rng = random.Random(0)
    turns = [sample_short(rng) for _ in range(200)]
    assert all(turn.reply for turn in turns)
    assert any(turn.user == "hello" for turn in turns)
    assert sum(len(turn.user.split()) for turn in turns) < 4 * len(turns)


def test_turn_of_one_word_cannot_be_cut_short():
    assert cut_short(Turn("hello", "Hello!", "greeting"), random.Random(0)) is None


def test_unfinished_turn_is_answered_by_nothing():
    rng = random.Random(0)
    for _ in range(50):
        *before, last = sample_unfinished(rng, "train")
        assert last.skill == "unfinished"
        assert not last.reply
        assert all(turn.reply for turn in before)


def test_digits_are_what_was_said():
    rng = random.Random(5)
    for _ in range(300):
        said, written = sample_digits(rng)
        parts = said.split(" and ")
        lines = written.split("\n")
        assert len(parts) == len(lines)
        for part, line in zip(parts, lines, strict=True):
            operator = next((o for o in OPERATORS if o in part), None)
            if operator:
                a, b = map(numbers_in, part.split(operator))
                assert line == f"{a[0]} {OPERATORS[operator]} {b[0]}"
            elif "shot" in part:
                assert [int(line)] == numbers_in(part)
            else:
                assert int(line) == dict(SPANS)[part]
