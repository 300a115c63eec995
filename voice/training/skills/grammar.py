"""A tiny generative grammar: patterns with alternatives, named rules and slots.

A pattern is words with `(one|other|)` for a choice (empty parts allowed), `<name>` for a rule and
`{name}` for a slot that the caller fills. Each part of a choice is equally likely; write a part
twice to make it twice as likely.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TypeAlias

Node: TypeAlias = "str | _Choice | tuple[Node, ...]"
_VOWEL_SOUND = re.compile(r"(?!eu|uni(?!n)|use|usu|one\b|once\b)[aeiou]|hour|honest|heir|honor")
_TOKEN = re.compile(r"[()|]|<\w+>|[^()|<>]+")


class _Choice:
    """Equally likely parts."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        self.parts = parts


class Grammar:
    """Draws texts from patterns.

    Args:
        rules: name → a pattern, or a sequence of ready texts of which one is drawn.

    Raises:
        ValueError: for a pattern with unbalanced parentheses or an unknown rule.
    """

    def __init__(self, rules: Mapping[str, str | Sequence[str]]) -> None:
        self._sources = dict(rules)
        self._nodes: dict[str, Node] = {}

    def rule(self, name: str) -> Node:
        """The compiled rule."""
        if name not in self._nodes:
            if name not in self._sources:
                raise ValueError(f"unknown rule <{name}>: define it or correct the pattern")
            source = self._sources[name]
            self._nodes[name] = (
                self.compile(source) if isinstance(source, str) else _Choice(tuple(source))
            )
        return self._nodes[name]

    def compile(self, pattern: str) -> Node:
        """A pattern made ready for `sample` and `expand`."""
        tokens = _TOKEN.findall(pattern)
        node, end = self._choice(tokens, 0)
        if end != len(tokens):
            raise ValueError(f"unbalanced ')' in {pattern!r}")
        return node

    def _choice(self, tokens: Sequence[str], at: int) -> tuple[Node, int]:
        parts: list[Node] = []
        sequence: list[Node] = []
        while at < len(tokens) and tokens[at] != ")":
            token = tokens[at]
            at += 1
            if token == "|":
                parts.append(_flat(sequence))
                sequence = []
            elif token == "(":
                node, at = self._choice(tokens, at)
                if at >= len(tokens):
                    raise ValueError(f"unbalanced '(' in {''.join(tokens)!r}")
                at += 1
                sequence.append(node)
            elif token[0] == "<":
                sequence.append(self.rule(token[1:-1]))
            else:
                sequence.append(token)
        parts.append(_flat(sequence))
        return (parts[0] if len(parts) == 1 else _Choice(parts)), at


def _flat(sequence: list[Node]) -> Node:
    return sequence[0] if len(sequence) == 1 else tuple(sequence)


def sample(node: Node, rng: random.Random) -> str:
    """One text of a compiled pattern, single spaces between its words; slots stay as they are."""
    pieces: list[str] = []
    _collect(node, rng.random, pieces)
    return " ".join("".join(pieces).split())


def _collect(node: Node, uniform: Callable[[], float], pieces: list[str]) -> None:
    while isinstance(node, _Choice):
        node = node.parts[int(uniform() * len(node.parts))]
    if isinstance(node, str):
        pieces.append(node)
    else:
        for part in node:
            _collect(part, uniform, pieces)


def expand(node: Node) -> set[str]:
    """Every text that `sample` can draw."""
    return {" ".join(text.split()) for text in _expand(node)}


def _expand(node: Node) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, _Choice):
        return [text for part in node.parts for text in _expand(part)]
    return ["".join(texts) for texts in product(*map(_expand, node))]


def matcher(node: Node) -> re.Pattern[str]:
    """Matches every text that `sample` can draw, followed by a space, and nothing else.

    It costs nothing to make, where `expand` may have millions of texts to write down.
    """
    return re.compile(_expression(node))


def _expression(node: Node) -> str:
    if isinstance(node, str):
        return "".join(f"{re.escape(word)} " for word in node.split())
    if isinstance(node, _Choice):
        return f"(?:{'|'.join(map(_expression, node.parts))})"
    return "".join(map(_expression, node))


def with_articles(text: str) -> str:
    """ "a apple" → "an apple"."""
    if " a " not in f" {text}":
        return text
    words = text.split()
    for index in range(len(words) - 1):
        if words[index] == "a" and _VOWEL_SOUND.match(words[index + 1]):
            words[index] = "an"
    return " ".join(words)
