"""Which of its instructions a response follows, strictly and loosely, by IFEval's rules."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from voice.voicebench.extraction import clean_for_ifeval
from voice.voicebench.instructions import check


def follow(item: Mapping[str, Any]) -> tuple[list[bool], list[bool]]:
    """Strict and loose verdicts, one per instruction of ``item["instruction_id_list"]``.

    Strict: the response is not blank and the check passes. Loose: it passes for the response or for
    any of seven variants, each instruction for itself.

    Raises:
        KeyError: the item lacks ``response``, ``instruction_id_list`` or ``kwargs``.
        ValueError: an unknown instruction, or kwargs that do not fit it.
    """
    instructions = list(item["instruction_id_list"])
    arguments = [_given(each) for each in item["kwargs"]]
    if len(arguments) < len(instructions):
        raise ValueError(f"{len(instructions)} instructions have {len(arguments)} kwargs")
    texts = [text for text in _variants(clean_for_ifeval(item["response"])) if text.strip()]
    original = texts[:1] if item["response"].strip() else []
    strict, loose = [], []
    for position, instruction in enumerate(instructions):
        # The same draws for every variant, as upstream builds an instruction once.
        passed = [
            check(instruction, arguments[position], text, random.Random(position)) for text in texts
        ]
        strict.append(bool(original) and passed[0])
        loose.append(any(passed))
    return strict, loose


def _given(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments that upstream passes on: those that are not null, 0, empty or false."""
    return {name: value for name, value in (arguments or {}).items() if value}


def _variants(response: str) -> Iterator[str]:
    """The response, then without its first line, its last and both; then these without ``*``."""
    lines = response.split("\n")
    cuts = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    yield from cuts
    yield from (cut.replace("*", "") for cut in cuts)
