"""The arrows between the packages, read from the code.

web → voice → {streaming, omni_core}; streaming and omni_core do not know each other; omni_core has
neither event loop nor threads; web never imports torch.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("omni_core", "streaming", "voice", "web")
ALLOWED = {
    "omni_core": {"omni_core"},
    "streaming": {"streaming"},
    "voice": {"voice", "streaming", "omni_core"},
    "web": {"web", "voice"},
}
FORBIDDEN = {
    "omni_core": {"asyncio", "threading"},
    "streaming": {"asyncio", "threading"},
    "voice": set(),
    "web": {"torch"},
}


def imported(file: Path) -> set[str]:
    """Top-level names of everything that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_follow_the_arrows(package):
    for file in (ROOT / package).rglob("*.py"):
        names = imported(file)
        assert names & set(PACKAGES) <= ALLOWED[package], file
        assert not names & FORBIDDEN[package], file
        assert "tests" not in names, file


def test_reading_imports_finds_them_anywhere(tmp_path):
    file = tmp_path / "example.py"
    file.write_text("import a.b\nfrom c.d import e\ndef f():\n    import g as h\n")
    assert imported(file) == {"a", "c", "g"}
