"""Functions of MCP servers (Model Context Protocol), as tools that any session can offer.

The package `mcp` speaks the protocol. All servers share one event loop on a thread of its own: a
server that is slow or broken holds up neither the model nor a session. What goes wrong with a call
becomes its result, which the model is told. A connection that has ended is opened again, and a
command started again, by the next call.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
import threading
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from voice.errors import McpUnavailable
from voice.tools import TOOL_TIMEOUT_S, Tool, ToolError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client import Transport

T = TypeVar("T")

START_TIMEOUT_S = 60.0
"""Within which a server has to name its functions."""
STOP_TIMEOUT_S = 10.0

_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
"""What names of functions do not hold in OpenAI's protocol, nor between our tags."""


class McpServers:
    """Connections to MCP servers; `open` before use and `close` afterwards.

    Args:
        addresses: of each server its command line, or its URL (streamable HTTP). A command gets the
            few environment variables that the package `mcp` hands on (PATH, HOME, …); give more
            with `env NAME=VALUE COMMAND`.
        reserved: names that other tools have.
        timeout_s: of one call.

    Raises:
        McpUnavailable: the package `mcp` is missing.
        ValueError: an address that is neither.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        reserved: Collection[str] = (),
        timeout_s: float = TOOL_TIMEOUT_S,
    ) -> None:
        self._servers = [_Server(address, timeout_s) for address in addresses]
        self._reserved = reserved
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="parley-mcp", daemon=True
        )
        self._accepting = threading.Lock()
        self._is_closed = False

    def open(self) -> None:
        """Starts and asks all servers.

        Raises:
            McpUnavailable: one of them cannot be started or reached; none is left running.
        """
        self._thread.start()
        try:
            self._do(_all(server.connect() for server in self._servers))
        except BaseException:
            self.close()
            raise

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The functions that the servers have named last, for sessions to come.

        A name that is taken is told apart by its server's in front of it.
        """
        taken = set(self._reserved)
        tools = []
        for server in self._servers:
            for described in server.functions:
                name = _free_name(described.name, server.name, taken)
                taken.add(name)
                tools.append(
                    Tool(
                        name=name,
                        description=described.description or described.title or "",
                        run=self._runner(server, described.name),
                        parameters=described.input_schema,
                    )
                )
        return tuple(tools)

    def close(self) -> None:
        """Ends all connections, and the servers that were started; calls under way fail."""
        with self._accepting:
            if self._is_closed:
                return
            self._is_closed = True
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._wind_up(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    async def _wind_up(self) -> None:
        await _all(server.disconnect() for server in self._servers)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _runner(self, server: _Server, name: str) -> Any:
        def run(**arguments: Any) -> str:
            return self._do(server.call(name, arguments))

        return run

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Has something done on the servers' thread, and waits for it."""
        with self._accepting:
            if self._is_closed:
                work.close()
                raise ToolError("its server has been stopped")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()


class _Server:
    """One server; everything but what is read once is done on the servers' loop."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self.label = _label(address)
        self.name = ""
        self.functions: list[Any] = []
        self._target = _target(address)
        self._timeout_s = timeout_s
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._leave = asyncio.Event()
        self._holder: asyncio.Task[None] | None = None

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """The result of a call as text.

        Raises:
            ToolError: it failed, or the server did.
        """
        from mcp import MCPError

        client = None
        try:
            async with asyncio.timeout(self._timeout_s):
                client = await self.connect()
                result = await client.call_tool(name, arguments)
        except TimeoutError:
            raise ToolError(f"its server has not answered within {self._timeout_s:g} s") from None
        except McpUnavailable as error:
            raise ToolError(str(error)) from error
        except MCPError as error:
            if _is_loss(error):
                if client is self._client:
                    await self.disconnect()
                raise ToolError(
                    "the connection to its server has ended; the next call opens another"
                ) from error
            raise ToolError(error.message) from error
        text = _text(result)
        if result.is_error:
            raise ToolError(text or "its server gives no reason")
        return text

    async def connect(self) -> Client:
        """The open connection, a new one if need be.

        Raises:
            McpUnavailable: there is none to be had.
        """
        async with self._connecting:
            if self._client is None:
                await self.disconnect()
                self._leave = asyncio.Event()
                ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                # A connection is to be closed by the task that opened it.
                self._holder = asyncio.create_task(self._hold(ready, self._leave))
                try:
                    async with asyncio.timeout(START_TIMEOUT_S):
                        await ready
                except TimeoutError:
                    self._holder.cancel()
                    raise McpUnavailable(
                        f"the MCP server {self.label} has not named its functions within "
                        f"{START_TIMEOUT_S:g} s; check that it is one"
                    ) from None
            assert self._client is not None
            return self._client

    async def disconnect(self) -> None:
        """Ends the connection, and the server if it was started."""
        self._leave.set()
        holder, self._holder = self._holder, None
        if holder is not None:
            _, waiting = await asyncio.wait((holder,), timeout=STOP_TIMEOUT_S)
            for task in waiting:
                task.cancel()

    async def _hold(self, ready: asyncio.Future[None], leave: asyncio.Event) -> None:
        """Opens a connection, and closes it when it is to be left, or has ended by itself."""
        from mcp import Client

        target = self._target
        try:
            async with Client(target if isinstance(target, str) else _watched(target, leave)) as it:
                self.functions = await _functions(it)
                self.name = it.server_info.name if it.server_info else ""
                self._client = it
                if not ready.done():
                    ready.set_result(None)
                await leave.wait()
                self._client = None
        except Exception as error:
            self._client = None
            if not ready.done():
                ready.set_exception(self._unavailable(error))

    def _unavailable(self, error: BaseException) -> McpUnavailable:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        reason = str(error) or type(error).__name__
        return McpUnavailable(
            f"the MCP server {self.label} cannot be used: {reason}; check that it runs by itself"
        )


async def _all(works: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """All at once; the first error when all are done."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _functions(client: Client) -> list[Any]:
    """All pages of what a server offers."""
    page = await client.list_tools()
    functions = list(page.tools)
    while page.next_cursor:
        page = await client.list_tools(cursor=page.next_cursor)
        functions += page.tools
    return functions


def _target(address: str) -> Any:
    """What the client of the package `mcp` connects to."""
    try:
        from mcp import StdioServerParameters
    except ModuleNotFoundError as error:
        raise McpUnavailable(
            "functions of MCP servers need the package mcp: pip install 'parley-voice[mcp]'"
        ) from error
    if _is_url(address):
        return address
    try:
        command, *arguments = shlex.split(address)
    except ValueError:
        raise ValueError(
            f"{address!r} is no MCP server: give a command line, or a URL that begins with http"
        ) from None
    return StdioServerParameters(command=command, args=arguments)


def _is_url(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _label(address: str) -> str:
    """How messages name a server: without what a URL may hold that is secret."""
    if not _is_url(address):
        return repr(address)
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _free_name(name: str, server: str, taken: Collection[str]) -> str:
    name = _UNFIT.sub("_", name)
    if name in taken:
        name = f"{_UNFIT.sub('_', server) or 'mcp'}_{name}"
    number, wanted = 2, name
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _is_loss(error: Any) -> bool:
    """Whether an error says that there is no connection any more."""
    from mcp.types import CONNECTION_CLOSED

    return error.code == CONNECTION_CLOSED or error.message == "Session terminated"


def _text(result: Any) -> str:
    """What a result says; of what is no text, that it is there."""
    parts = []
    for block in result.content:
        text = getattr(getattr(block, "resource", block), "text", None)
        parts.append(f"[{block.type}]" if text is None else text)
    if not parts and result.structured_content is not None:
        return json.dumps(result.structured_content)
    return "\n".join(parts)


@asynccontextmanager
async def _watched(parameters: Any, ended: asyncio.Event) -> AsyncIterator[Any]:
    """A server's process and its streams; `ended` is set when it says nothing more."""
    from mcp import stdio_client

    # What the server has to say beside the protocol goes where our own messages go.
    transport: Transport = stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr)
    async with transport as (read, write):
        yield _Watched(read, ended), write


class _Watched:
    """A stream of messages that tells when it has ended."""

    def __init__(self, stream: Any, ended: asyncio.Event) -> None:
        self._stream, self._ended = stream, ended

    async def receive(self) -> Any:
        return await self._stream.receive()

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._ended.set()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Watched:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> Any:
        return await self._stream.__aexit__(*exception)
