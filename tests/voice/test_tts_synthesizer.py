"""Engines by name, and settings that are checked."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from voice.tts import synthesizer as module
from voice.tts.synthesizer import (
    SpeechBlock,
    Synthesizer,
    VoiceSettings,
    open_synthesizer,
    register_synthesizer,
)


class Mute(Synthesizer):
    sample_rate = 16000

    def __init__(self, settings: VoiceSettings) -> None:
        self.settings = settings
        self.closed = False

    def speak(self, text: str, **options: Any) -> Iterator[SpeechBlock]:
        return iter(())

    def voices(self) -> list[str]:
        return ["none"]

    def close(self) -> None:
        self.closed = True


def test_open_synthesizer_by_registered_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ENGINES", dict(module._ENGINES))
    register_synthesizer("mute", Mute)
    with open_synthesizer("mute", VoiceSettings(speed=1.5)) as opened:
        assert isinstance(opened, Mute)
        assert opened.settings.speed == 1.5
        assert not opened.closed
    assert opened.closed
    with pytest.raises(ValueError, match="already"):
        register_synthesizer("mute", Mute)


def test_open_synthesizer_espeak_speaks() -> None:
    with open_synthesizer("espeak") as opened:
        assert list(opened.speak("hello"))


def test_open_synthesizer_of_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="no speech engine 'nope': use espeak"):
        open_synthesizer("nope")


@pytest.mark.parametrize(
    "settings",
    [
        {"speed": 0.0},
        {"speed": 5.0},
        {"speed": math.nan},
        {"pitch_semitones": 13.0},
        {"volume": -0.1},
        {"volume": 2.0},
    ],
)
def test_voice_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be from"):
        VoiceSettings(**settings)  # type: ignore[arg-type]
