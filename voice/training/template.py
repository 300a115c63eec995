"""The built-in model's chat template: Nemotron's, with a shorter account of the functions.

A function is told as its name and the names of its parameters, one to a line. Described in full, as
the large model reads them, four functions are a thousand of the small model's tokens.
"""

from __future__ import annotations

import re

from voice.prompt import fallback_template

_TOOL_BLOCK = """\
{%- macro tool_block(tools) -%}
{{- '# Tools\\n' -}}
{%- for tool in tools -%}
{%- set function = tool.function if tool.function is defined else tool -%}
{%- set parameters = function.parameters if function.parameters is mapping else {} -%}
{%- set properties = parameters.properties if parameters.properties is mapping else {} -%}
{{- function.name ~ '(' ~ properties.keys() | join(', ') ~ ')\\n' -}}
{%- endfor -%}
{%- endmacro -%}"""
_OTHER_TOOL_BLOCK = re.compile(
    r"\{%- macro tool_block\(tools\) -%\}.*?\{%- endmacro -%\}", re.DOTALL
)


def builtin_template() -> str:
    """The template in Jinja."""
    template, count = _OTHER_TOOL_BLOCK.subn(lambda _: _TOOL_BLOCK, fallback_template())
    assert count == 1
    return template
