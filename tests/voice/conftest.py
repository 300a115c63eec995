"""What all tests of sessions use; see `tests.voice.talk`."""

from tests.voice.talk import assistant, call, engine, script

__all__ = ["assistant", "call", "engine", "script"]
