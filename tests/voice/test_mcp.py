"""Functions of a real MCP server: a process that speaks the protocol on its standard streams."""

import asyncio
import os
import shlex
import signal
import sys

import pytest

from tests.voice.talk import (
    FAST,
    Call,
    CountingVoice,
    HeldExecutor,
    assistant_said,
    close,
    told_whole,
    user,
)
from voice import mcp
from voice import session_events as events
from voice.decoding import ReplySettings
from voice.engine import Engine
from voice.errors import McpUnavailable
from voice.mcp import McpServers
from voice.session_settings import SessionSettings

KITCHEN = """
import asyncio, os
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("kitchen")

@server.tool()
def weigh(grams: int, item: str = "salt") -> str:
    "Weighs something."
    return f"{grams} g of {item}"

@server.tool()
def fail() -> str:
    raise ToolError("the scales are broken")

@server.tool()
async def wait() -> str:
    await asyncio.Event().wait()

@server.tool()
def die() -> str:
    os._exit(1)

@server.tool()
def pid() -> int:
    return os.getpid()

server.run()
"""
SETTINGS = SessionSettings(reply=ReplySettings(max_new_tokens=80), stream=FAST)


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    file = tmp_path_factory.mktemp("mcp") / "kitchen.py"
    file.write_text(KITCHEN)
    return shlex.join((sys.executable, str(file)))


@pytest.fixture(scope="module")
def servers(command):
    servers = McpServers((command,), timeout_s=120)
    servers.open()
    yield servers
    servers.close()


def call(servers, name, **arguments):
    tools = {tool.name: tool for tool in servers.tools}
    return tools[name].call(arguments, lambda delay_s, words: None)


def has_ended(servers):
    """Waits until the connection has been seen to end."""
    (server,) = servers._servers
    servers._do(asyncio.wait({server._holder}))


def test_functions_are_described_as_the_server_does(servers):
    (weigh,) = (tool for tool in servers.tools if tool.name == "weigh")
    assert weigh.description == "Weighs something."
    assert weigh.parameters["properties"]["grams"]["type"] == "integer"
    assert weigh.parameters["required"] == ["grams"]


def test_function_is_called_with_its_arguments(servers):
    assert call(servers, "weigh", grams=3, item="flour") == "3 g of flour"


def test_failing_function_gives_its_reason(servers):
    assert "the scales are broken" in call(servers, "fail")
    assert call(servers, "weigh", grams=1) == "1 g of salt"


def test_wrong_arguments_are_refused_by_the_server(servers):
    assert call(servers, "weigh", grams="many").startswith("Error: weigh failed")


def test_server_that_dies_in_a_call_is_started_again(servers):
    assert "has ended" in call(servers, "die")
    assert call(servers, "weigh", grams=2) == "2 g of salt"


def test_server_that_has_died_between_calls_is_started_again(servers):
    first = int(call(servers, "pid"))
    os.kill(first, signal.SIGKILL)
    has_ended(servers)
    assert int(call(servers, "pid")) != first


def test_slow_server_is_given_up(servers, monkeypatch):
    assert call(servers, "weigh", grams=1)
    monkeypatch.setattr(servers._servers[0], "_timeout_s", 0.5)
    assert call(servers, "wait") == "Error: wait failed: its server has not answered within 0.5 s"
    assert call(servers, "weigh", grams=2) == "2 g of salt"


def test_same_names_are_told_apart(command):
    servers = McpServers((command, command), reserved={"weigh"})
    servers.open()
    names = [tool.name for tool in servers.tools]
    assert len(set(names)) == 10
    assert {"kitchen_weigh", "kitchen_weigh_2", "fail", "kitchen_fail"} <= set(names)
    assert call(servers, "kitchen_weigh_2", grams=5) == "5 g of salt"
    servers.close()


def test_closed_servers_are_gone_and_calls_fail(command):
    servers = McpServers((command,))
    servers.open()
    process = int(call(servers, "pid"))
    tools = servers.tools
    servers.close()
    servers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert tools[0].call({"grams": 1}, lambda *_: None).endswith("its server has been stopped")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("parley-has-no-such-command --now", "No such file"),
        ("true", "check that it runs by itself"),
        ("http://127.0.0.1:9/mcp?key=secret", r"server http://127.0.0.1:9/mcp cannot"),
    ],
)
def test_server_that_cannot_be_used_is_named(address, reason):
    servers = McpServers((address,))
    with pytest.raises(McpUnavailable, match=reason) as refused:
        servers.open()
    assert "secret" not in str(refused.value)
    assert not servers._thread.is_alive()


@pytest.mark.parametrize("address", ["", "'half"])
def test_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="give a command line"):
        McpServers((address,))


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(McpUnavailable, match=r"pip install 'parley-voice\[mcp\]'"):
        mcp.McpServers(("true",))


def spoken_call(name, arguments=""):
    return f"<tool_call>\n<function={name}>\n{arguments}</function>\n</tool_call>\n"


def test_session_is_told_what_servers_say_and_outlives_them(assistant, script, servers):
    held = HeldExecutor()
    engine = Engine(assistant, open_voice=CountingVoice, tool_executor=held)
    talk = Call(engine, settings=SETTINGS, tools=servers.tools)
    grams = "<parameter=grams>\n3\n</parameter>\n"
    calls = [("die", "", {}), ("weigh", grams, {"grams": 3})]
    results = [
        "Error: die failed: the connection to its server has ended; the next call opens another",
        "3 g of salt",
    ]
    messages = []
    for (name, arguments, values), result in zip(calls, results, strict=True):
        script.replies = [spoken_call(name, arguments), "Well."]
        talk.ask()
        held.release()
        talk.silence(1500)
        function = {"name": name, "arguments": values}
        messages += [
            user(),
            assistant_said("", [{"type": "function", "function": function}]),
            {"role": "tool", "content": result},
            assistant_said("Well."),
        ]
    assert not talk.of(events.ErrorOccurred, events.SessionEnded)
    functions = [tool.function for tool in servers.tools]
    close(talk.logits(), told_whole(assistant, messages, talk.turns(), tools=functions))
