"""The command `parley serve`: its options, and the process that it is."""

import argparse
import signal
import urllib.request

import pytest

from tests.voice.tiny import write_tiny
from tests.web.served import server_process
from web.cli import main
from web.media.interface import IceServer
from web.serve import KEY_VARIABLE, parse_ice_server, samples, server_settings
from web.settings import ServerSettings


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """What `parley serve` is given; a test changes what it is about."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    taken: list[argparse.Namespace] = []
    monkeypatch.setattr("web.serve.serve", taken.append)
    assert main(["serve"]) == 0
    return taken[0]


def test_this_machine_alone_is_served_unless_asked(options):
    settings = server_settings(options)
    assert settings.host == "127.0.0.1"
    assert settings.api_key is None
    assert settings.media.ice_servers == ()


def test_everyone_is_served_with_a_key_only(options):
    options.host = "0.0.0.0"
    first, second = server_settings(options).api_key, server_settings(options).api_key
    assert first
    assert second
    assert first != second
    options.api_key = "mine"
    assert server_settings(options).api_key == "mine"


def test_key_comes_from_the_environment(options, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "from there")
    assert server_settings(options).api_key == "from there"


@pytest.mark.parametrize(("text", "count"), [("auto", None), ("0", 0), ("3", 3)])
def test_media_processes_are_counted_or_left_to_the_server(options, monkeypatch, text, count):
    taken: list[argparse.Namespace] = []
    monkeypatch.setattr("web.serve.serve", taken.append)
    assert options.media_processes is None
    assert main(["serve", "--media-processes", text]) == 0
    assert taken[0].media_processes == count


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("stun:stun.example:3478", IceServer(url="stun:stun.example:3478")),
        (
            "turn:turn.example:3478,me,pass,word",
            IceServer(url="turn:turn.example:3478", username="me", credential="pass,word"),
        ),
    ],
)
def test_ice_server_is_read(text, server):
    assert parse_ice_server(text) == server


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ice-server", "stun.example"],
        ["--ice-server", "turn:turn.example,me"],
        ["--certificate", "cert.pem"],
        ["--mcp", "parley-has-no-such-command --now"],
        ["--mcp", "'half of a command"],
        ["--certificate", "/nowhere/cert.pem", "--private-key", "/nowhere/key.pem"],
    ],
)
def test_options_that_cannot_be_are_refused_before_the_model_is_loaded(arguments, capsys):
    assert main(["serve", *arguments]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("parley: ")


def test_samples_are_there_and_say_what_they_are_called():
    assert all(sample.file.is_file() and sample.text for sample in samples())
    assert "What is the capital of France?" in [sample.text for sample in samples()]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_address_is_one_that_a_browser_takes(host, address):
    assert ServerSettings(host=host).address == address


def test_server_says_where_it_is_and_ends_on_ctrl_c(tmp_path):
    model = str(write_tiny(tmp_path))
    with server_process("--model", model) as (address, process):
        with urllib.request.urlopen(f"{address}/healthz") as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
