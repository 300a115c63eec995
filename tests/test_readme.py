"""What README.md shows works: its Python, its commands, its links."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
import torch

import voice
from tests.voice.tiny import write_tiny
from voice import commands
from voice.assistant import Assistant
from voice.voicebench import commands as voicebench
from web.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
PARLEY = [line.partition("parley ")[2] for line in SHELL if "parley " in line]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return voice.load(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize("code", PYTHON)
def test_readme_python_runs(
    code: str,
    tiny: Assistant,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load(name: str) -> Assistant:
        assert name == "builtin"
        return tiny

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(voice, "load", load)
    torch.manual_seed(0)
    exec(code, {})
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", PARLEY)
def test_readme_command_line_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    understood: list[argparse.Namespace] = []
    for name in ("ask", "transcribe", "train"):
        monkeypatch.setattr(commands, name, understood.append)
    monkeypatch.setattr(voicebench, "run", understood.append)
    monkeypatch.setattr("web.serve.serve", understood.append)
    monkeypatch.setattr("voice.microphone.command.talk", understood.append)
    assert main(shlex.split(command, comments=True)) == 0
    assert len(understood) == 1


def test_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join([*SHELL, *re.findall("`.*?`", README)])))
    assert {"talk", "ask", "test", "check", "bench"} <= named <= targets


def test_readme_shows_python_and_commands() -> None:
    assert len(PYTHON) >= 2
    assert len(PARLEY) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_find_their_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
        assert anchor in anchors
