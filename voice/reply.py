"""From the tokens of a reply to text, and from text to what is thought and what is said.

Both walk along with the decoder, and any split of their input gives the same output as the whole.
"""

import re
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

END_OF_THOUGHT = "</think>"
_TAGS = ("<think>", END_OF_THOUGHT, "<tool_call>", "</tool_call>")
"""Special tokens that are part of a reply's text; all others are dropped."""
_THINK_TAG = re.compile("</?think>")
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_LONGEST_CHARACTER_BYTES = 4


class TokenText:
    """Decodes tokens one by one; characters that span several tokens come out when complete."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._dropped = {
            index
            for index, token in tokenizer.added_tokens_decoder.items()
            if token.special and token.content not in _TAGS
        }
        self._held: list[int] = []

    def feed(self, token: int) -> str:
        """The text that `token` completes, possibly none."""
        if token in self._dropped:
            return ""
        self._held.append(token)
        text = self._decode()
        if text.endswith(_UNFINISHED) and len(self._held) < _LONGEST_CHARACTER_BYTES:
            return ""
        self._held = []
        return text

    def flush(self) -> str:
        """What is left at the end of a reply: an incomplete character, as U+FFFD."""
        text = self._decode()
        self._held = []
        return text

    def _decode(self) -> str:
        text = self._tokenizer.decode(self._held, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text


class ReplyText(NamedTuple):
    """New text of a reply."""

    reasoning: str
    """What is thought; never spoken."""
    content: str
    """What is said, tool calls included."""


class ReasoningSplitter:
    """Splits a reply at its think tags; blanks at either end of a part are dropped.

    Args:
        thinking: whether the reply opens inside a think block, as the opening with thinking on
            has it. A block that is never closed is reasoning to its end.
    """

    def __init__(self, thinking: bool) -> None:
        self.reasons = thinking
        """Whether the text read last is reasoning."""
        self._buffer = ""
        self._started = False

    def feed(self, text: str) -> ReplyText:
        """Splits the next text; up to seven characters are held back, they may start a tag."""
        self._buffer += text
        return self._drain(len(self._buffer) - held_back(self._buffer, _TAGS[:2]))

    def flush(self) -> ReplyText:
        """The rest, at the end of the reply."""
        rest = self._drain(len(self._buffer))
        self._buffer = ""
        return rest

    def _drain(self, end: int) -> ReplyText:
        parts = {True: "", False: ""}
        start = 0
        for tag in _THINK_TAG.finditer(self._buffer, 0, end):
            parts[self.reasons] += self._take(self._buffer[start : tag.start()]).rstrip()
            self.reasons = tag[0] == "<think>"
            self._started = False
            start = tag.end()
        text = self._buffer[start:end]
        # Blanks at the end wait: they belong to the text only when more of it follows.
        kept = text.rstrip()
        parts[self.reasons] += self._take(kept)
        self._buffer = self._buffer[start + len(kept) :]
        return ReplyText(reasoning=parts[True], content=parts[False])

    def _take(self, text: str) -> str:
        taken = text if self._started else text.lstrip()
        self._started = self._started or bool(taken)
        return taken


def held_back(text: str, tags: tuple[str, ...]) -> int:
    """Length of the longest end of `text` that may be the start of one of `tags`."""
    longest = max(map(len, tags)) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(tag.startswith(text[-length:]) for tag in tags if len(tag) > length):
            return length
    return 0
