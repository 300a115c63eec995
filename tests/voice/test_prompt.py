"""Rendering, and the pieces of a live turn."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from tests.voice.test_tokenizer import small_tokenizer
from voice.errors import TemplateError
from voice.prompt import Media, Prompt, merge_pieces, video_pieces
from voice.training.tokenizer import build_tokenizer

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": " Weather of a city. ",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Its name"},
                    "unit": {"type": ["string", "null"], "enum": ["c", "f"], "default": "c"},
                },
                "required": ["city"],
            },
        },
    }
]
CALL = {"function": {"name": "get_weather", "arguments": '{"city": "Bonn", "days": [1, 2]}'}}
CALL_TEXT = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nBonn\n</parameter>\n"
    "<parameter=days>\n[1, 2]\n</parameter>\n</function>\n</tool_call>\n"
)


@pytest.fixture
def prompt() -> Prompt:
    return Prompt(small_tokenizer())


def user(text="", *media):
    parts = [{"type": kind} for kind in media]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


# --- the template itself --------------------------------------------------------------------


def test_render_frames_turns_without_an_empty_system_block(prompt):
    assert prompt.render([user("Hi.")], thinking=False) == (
        "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\n<think></think>"
    )
    assert prompt.render([user("Hi.")]).endswith("<|im_start|>assistant\n<think>\n")


def test_render_puts_media_before_text(prompt):
    message = {
        "role": "user",
        "content": [
            {"type": "text", "text": "\nTranscribe "},
            {"type": "audio"},
            {"type": "video"},
            {"type": "image"},
            {"type": "text", "text": "this.\n"},
        ],
    }
    assert prompt.render([message], reply=False) == (
        "<|im_start|>user\n<image>\n<video>\n<so_embedding>\nTranscribe this.<|im_end|>\n"
    )


def test_render_numbers_several_images(prompt):
    assert prompt.render([user("Compare.", "image", "image")], reply=False) == (
        "<|im_start|>user\n<image 1><image> <image 2><image>\nCompare.<|im_end|>\n"
    )


def test_render_scrubs_switches_and_obeys_the_last_one(prompt):
    messages = [
        {"role": "system", "content": "Be brief. /no_think"},
        user("One /think two"),
        assistant("Yes."),
        user("/no_think Three"),
    ]
    assert prompt.render(messages, thinking=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nOne  two<|im_end|>\n"
        "<|im_start|>assistant\n<think></think>Yes.<|im_end|>\n"
        "<|im_start|>user\nThree<|im_end|>\n"
        "<|im_start|>assistant\n<think></think>"
    )
    assert prompt.render(messages[:2], thinking=False).endswith("<think>\n")


def test_render_lists_tools_after_the_system_text(prompt):
    rendered = prompt.render([{"role": "system", "content": "Be brief."}, user("Hi.")], TOOLS)
    assert rendered.startswith(
        "<|im_start|>system\nBe brief.\n\n# Tools\n\n"
        "You have access to the following functions:\n\n<tools>\n<function>\n"
        "<name>get_weather</name>\n<description>Weather of a city.</description>\n<parameters>\n"
        "<parameter>\n<name>city</name>\n<type>string</type>\n"
        "<description>Its name</description>\n</parameter>\n"
        "<parameter>\n<name>unit</name>\n<type>['string', 'null']</type>\n"
        '<enum>["c", "f"]</enum>\n<default>c</default>\n</parameter>\n'
        '<required>["city"]</required>\n</parameters>\n</function>\n</tools>\n\n'
        "If you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
        "<tool_call>\n<function=example_function_name>\n"
    )
    assert "tell the user about function calls\n</IMPORTANT><|im_end|>\n" in rendered
    assert prompt.session_opening(tools=TOOLS).startswith("<|im_start|>system\n# Tools\n")


def test_render_forgets_reasoning_before_the_last_user_turn_only(prompt):
    thought = assistant("Sunny.", reasoning_content="Hmm.\n")
    assert "<think>\nHmm.\n</think>Sunny.<|im_end|>" in prompt.render([user("A"), thought])
    rendered = prompt.render([user("A"), thought, user("B")])
    assert "Hmm" not in rendered
    assert "assistant\n<think></think>Sunny.<|im_end|>" in rendered


def test_render_writes_calls_and_shares_a_turn_between_results(prompt):
    messages = [
        user("Weather?"),
        assistant("Let me look.", tool_calls=[CALL]),
        {"role": "tool", "content": "sunny"},
        {"role": "tool", "content": "warm"},
    ]
    assert prompt.render(messages, TOOLS, reply=False).endswith(
        f"<think></think>Let me look.\n{CALL_TEXT}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n"
        "<tool_response>\nwarm\n</tool_response>\n<|im_end|>\n"
    )
    silent = [user("Weather?"), assistant(None, tool_calls=[CALL, CALL])]
    assert f"assistant\n<think></think>{CALL_TEXT}{CALL_TEXT}<|im_end|>\n" in prompt.render(silent)


def test_render_prints_scalars_as_python_does(prompt):
    call = {"name": "f", "arguments": {"a": True, "b": None, "c": 1.5, "d": {"e": "ü"}}}
    rendered = prompt.render([user("x"), assistant("", tool_calls=[call])], reply=False)
    for key, value in (("a", "True"), ("b", "None"), ("c", "1.5"), ("d", '{"e": "ü"}')):
        assert f"<parameter={key}>\n{value}\n</parameter>\n" in rendered


# --- the pieces -------------------------------------------------------------------------------


def test_pieces_of_spoken_turns_put_together_are_the_rendered_conversation(prompt):
    system = "You are kind. /no_think"
    turns = [(0, 0, "", "Paris."), (2, 1, "And this?", "A cat."), (1, 0, "Hm", "Two.")]
    put_together = [prompt.session_opening(system, TOOLS)]
    messages = [{"role": "system", "content": system}]
    for images, videos, text, reply in turns:
        put_together += prompt.turn_opening(images=images, videos=videos)
        put_together += [Media("audio"), prompt.turn_closing(text)]
        put_together += [prompt.reply_opening(False), reply, prompt.reply_closing()]
        kinds = ["image"] * images + ["video"] * videos + ["audio"]
        messages += [user(text, *kinds), assistant(reply)]
    rendered = prompt.pieces(messages, TOOLS, reply=False)
    assert _without_indices(merge_pieces(put_together)) == _without_indices(rendered)


def test_pieces_of_a_tool_loop_put_together_are_the_rendered_conversation(prompt):
    called = {"function": {"name": "get_weather", "arguments": {"city": "Bonn", "days": [1, 2]}}}
    put_together = [
        prompt.session_opening("Help.", TOOLS),
        *prompt.user_turn("Weather?"),
        prompt.reply_opening(False),
        f"Let me look.\n{CALL_TEXT}<|im_end|>\n",  # what the model says, and the newline after
        prompt.tool_turn(["sunny", "warm"]),
        prompt.reply_opening(False),
        "Sunny.",
        prompt.reply_closing(),
        *prompt.user_turn("Thanks!", images=1),
        prompt.reply_opening(True),
    ]
    messages = [
        {"role": "system", "content": "Help."},
        user("Weather?"),
        assistant("Let me look.", tool_calls=[called]),
        {"role": "tool", "content": "sunny"},
        {"role": "tool", "content": "warm"},
        assistant("Sunny."),
        user("Thanks!", "image"),
    ]
    assert merge_pieces(put_together) == prompt.pieces(messages, TOOLS)


def test_reply_turn_is_what_history_writes(prompt):
    thought = assistant("Sunny.", reasoning_content="Hmm.\n", tool_calls=[CALL])
    put_together = [
        *prompt.user_turn("A"),
        prompt.reply_turn("Sunny.", [CALL]),
        *prompt.user_turn("B"),
    ]
    rendered = prompt.pieces([user("A"), thought, user("B")], reply=False)
    assert merge_pieces(put_together) == rendered


@given(st.lists(st.sampled_from(["<so_end>", "<|im_end|>", "\n", "a", "B 12", "/think"])))
def test_tokens_of_pieces_are_the_tokens_of_the_whole(words):
    prompt = Prompt(small_tokenizer())
    text = "x".join(words)
    closing = prompt.turn_closing(text)
    whole = "".join([*map(str, prompt.turn_opening()), closing, prompt.reply_opening(False)])
    pieces = [*map(str, prompt.turn_opening()), closing, prompt.reply_opening(False)]
    in_pieces = [token for piece in pieces for token in prompt.encode(piece)]
    assert in_pieces == prompt.encode(whole)
    # Whatever is typed, the turn has exactly the control tokens of its frame.
    end = small_tokenizer().convert_tokens_to_ids("<|im_end|>")
    assert in_pieces.count(end) == 1
    assert in_pieces[-1] == small_tokenizer().convert_tokens_to_ids("</think>")


def test_text_with_control_tokens_is_read_as_characters(prompt):
    text = "What does </think> and <image> or <|im_end|> mean?"
    (piece,) = prompt.user_turn(text)
    ids = prompt.encode(piece)
    assert text in small_tokenizer().decode(ids)
    specials = [i for i in ids if i < 32]
    assert small_tokenizer().convert_ids_to_tokens(specials) == ["<|im_start|>", "<|im_end|>"]


def test_thinking_switch_is_read_from_a_turn(prompt):
    assert prompt.thinking_after("Quick one. /no_think", True) is False
    assert prompt.thinking_after("Ponder this. /think", False) is True
    assert prompt.thinking_after("Hello.", True) is True
    assert prompt.thinking_after("Hello.", False) is False


def test_reply_must_not_contain_media_tokens(prompt):
    tokens = small_tokenizer().convert_ids_to_tokens(prompt.media_token_ids)
    assert set(tokens) == {"<image>", "<img>", "</img>", "<so_embedding>", "<so_start>", "<so_end>"}


# --- other templates --------------------------------------------------------------------------


def test_template_of_the_checkpoint_wins():
    tokenizer = build_tokenizer(["text"], 300)
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]"
        "{% if m.content is string %}{{ m.content }}"
        "{% else %}{% for p in m.content %}"
        "{{ '<so_embedding>' if p.type == 'audio' else ' ' ~ p.text }}"
        "{% endfor %}{% endif %};\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    prompt = Prompt(tokenizer)
    assert prompt.session_opening("Be brief.") == "[system]Be brief.;\n"
    assert prompt.turn_opening() == ["[user]<so_start>"]
    assert prompt.turn_closing("Hm") == "<so_end> Hm;\n"
    assert prompt.reply_opening(False) == "[assistant]"
    assert prompt.reply_closing() == ";\n"
    assert prompt.thinking_after("/no_think", True) is True


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ messages[0].content", "failed"),
        ("{{ raise_exception('no images') }}", "no images"),
        ("{{ messages | length }} {{ messages[-1].content }}", "turn by turn"),
        ("{% for m in messages %}[{{ m.role }}]{% endfor %}", "no <so_embedding>"),
    ],
)
def test_unusable_template_is_named(template, message):
    tokenizer = build_tokenizer(["text"], 300)
    tokenizer.chat_template = template
    with pytest.raises(TemplateError, match=message):
        Prompt(tokenizer).turn_opening()


def test_template_that_writes_text_before_audio_is_refused():
    tokenizer = build_tokenizer(["text"], 300)
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]"
        "{% if m.content is string %}{{ m.content }}"
        "{% else %}{% for p in m.content | reverse %}"
        "{{ '<so_embedding>' if p.type == 'audio' else p.text }}"
        "{% endfor %}{% endif %}{% endfor %}"
    )
    with pytest.raises(TemplateError, match="before its audio"):
        Prompt(tokenizer).turn_closing("Hm")


# --- video ------------------------------------------------------------------------------------


def test_video_lines_name_frames_and_times():
    pieces = video_pieces(3, 3.0, frame_indices=[0, 10, 20], index=1)
    assert pieces == [
        # 1000/3 ms are cut to whole milliseconds.
        "Frame 1 sampled at 0.00 seconds and frame 2 sampled at 3.33 seconds: <img>",
        Media("video", 1, 0),
        "</img>\nFrame 3 sampled at 6.66 seconds: <img>",
        Media("video", 1, 1),
        "</img>",
    ]
    assert video_pieces(2) == ["Frame 1 and frame 2: <img>", Media("video"), "</img>"]


def _without_indices(pieces):
    """Pieces made turn by turn count their media from 0, whole conversations go on counting."""
    return [piece if isinstance(piece, str) else piece.kind for piece in pieces]


def test_media_are_counted_over_the_conversation(prompt):
    messages = [user("A", "image", "audio"), assistant("B"), user("C", "image", "audio")]
    places = [p for p in prompt.pieces(messages) if isinstance(p, Media)]
    kinds = itertools.product([0, 1], ["image", "audio"])
    assert places == [Media(kind, index) for index, kind in kinds]


def test_tokenizer_without_media_tokens_is_refused():
    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE()))
    with pytest.raises(TemplateError, match="no <image>, <so_embedding>"):
        Prompt(plain)
