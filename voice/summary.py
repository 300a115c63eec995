"""A summary of a conversation, written by the model itself, for when its context is full."""

from __future__ import annotations

from omni_core.cache import ContextFull
from voice.assistant import Assistant
from voice.decoding import Reply, ReplySettings
from voice.memory import Memory, Work
from voice.tool_calls import ToolCallParser

REQUEST = (
    "Summarise our conversation so far in a few sentences, for yourself, so that you can go on "
    "without it: who I am, what I asked, what you answered, what I told you to remember, and what "
    "is still open. Write the summary alone."
)
SUMMARY = "Summary of the conversation so far, of which the beginning is left out:\n{}"
"""How a summary stands in the history."""
MAX_SUMMARY_TOKENS = 384


def summary_of(assistant: Assistant, memory: Memory) -> Work[str]:
    """Asks for a summary of all that a memory holds, and uses that up.

    Returns:
        The summary; empty where there was no room to write it to its end.
    """
    limit = min(MAX_SUMMARY_TOKENS, memory.state.limit // 8)
    try:
        memory.tell(*map(str, assistant.prompt.user_turn(REQUEST)))
        reply = Reply(assistant, memory, ReplySettings(max_new_tokens=limit))
    except ContextFull:
        return ""
    yield
    for _ in reply.decode():
        yield
    if not reply.is_finished:
        return ""
    parser = ToolCallParser()  # calls are not to be made, nor to be remembered
    parts = [*parser.feed(reply.content), *parser.flush()]
    return "".join(part for part in parts if isinstance(part, str)).strip()
