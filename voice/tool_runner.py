"""Runs the functions that a session has itself, on threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from voice.session_core import SessionCore
from voice.tools import TOOL_TIMEOUT_S, Tool, failure


class ToolRunner:
    """See the module.

    Args:
        core: of the session.
        announce: says something as soon as nobody has the floor.
    """

    def __init__(self, core: SessionCore, announce: Callable[[str], None]) -> None:
        self._core, self._announce = core, announce

    def run(
        self, tool: Tool, arguments: Mapping[str, Any], on_result: Callable[[str], None]
    ) -> None:
        """Runs a tool.

        Args:
            tool: to run.
            arguments: for it, by name.
            on_result: called on the event loop with what it returns, or why it failed; perhaps
                twice, if it takes too long: what comes first counts.
        """
        source = self._core.name_work("tool")

        def done(future: Future[str]) -> None:
            if not future.cancelled():
                result = future.result()
                self._core.post(source, partial(on_result, result), result=result)

        running = self._core.engine.tools.submit(tool.call, arguments, self.remind)
        running.add_done_callback(done)
        late = failure(tool.name, f"it has not returned within {TOOL_TIMEOUT_S:g} s")
        self._core.later(TOOL_TIMEOUT_S, partial(on_result, late))

    def remind(self, delay_s: float, words: str) -> None:
        """Has something said later; any thread may call it."""
        call = partial(self._core.later, delay_s, partial(self._announce, words))
        self._core.post("remind", call, delay_s=delay_s, words=words)
