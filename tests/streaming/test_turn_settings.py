"""Thresholds: what is allowed, how long a pause lasts, and what the Realtime API says."""

from dataclasses import replace
from typing import Any

import pytest

from streaming.turn_settings import TurnMode, TurnSettings

DEFAULT = TurnSettings()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.5}, "threshold=1.5 must be a probability"),
        ({"threshold": 0.0}, "threshold=0"),
        ({"finished_probability": float("nan")}, "finished_probability=nan"),
        ({"floor_probability": "high"}, "floor_probability='high'"),
        ({"silence_ms": 0}, "silence_ms=0 must be a whole number of ms from 1 to"),
        ({"hold_ms": 1.5}, r"hold_ms=1.5 must be a whole number"),
        ({"prefix_padding_ms": -1}, "prefix_padding_ms=-1 must be .* from 0 to 5000"),
        ({"prefix_padding_ms": 10**9}, "prefix_padding_ms=1000000000 must be .* to 5000"),
        ({"max_turn_ms": 10**9}, "max_turn_ms=1000000000 must be .* to 3600000"),
        ({"max_turn_ms": True}, "max_turn_ms=True"),
        ({"unfinished_probability": 0.9}, "must not exceed finished_probability=0.5"),
        ({"first_pause_ms": 300}, "finished_silence_ms=192 must be at least first_pause_ms=300"),
        ({"barge_in_ms": 100}, "barge_in_ms=100 must be at least hold_ms=192"),
    ],
)
def test_setting_that_makes_no_sense_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEFAULT, **changes)


@pytest.mark.parametrize(
    ("probability", "voice_ms", "silence_ms"),
    [
        (None, 2000, DEFAULT.silence_ms),
        (0.5, 2000, DEFAULT.finished_silence_ms),
        (0.49, 2000, DEFAULT.silence_ms),
        (0.2, 2000, DEFAULT.silence_ms),
        (0.19, 2000, DEFAULT.unfinished_silence_ms),
        (0.19, 799, DEFAULT.short_silence_ms),
        (0.9, 100, DEFAULT.finished_silence_ms),
        (None, 100, DEFAULT.silence_ms),
    ],
)
def test_silence_that_ends_a_turn(
    probability: float | None, voice_ms: float, silence_ms: int
) -> None:
    assert DEFAULT.endpoint_silence_ms(probability, voice_ms) == silence_ms


def test_server_vad_takes_silence_alone() -> None:
    settings = TurnSettings.from_turn_detection(
        {
            "type": "server_vad",
            "threshold": 0.7,
            "prefix_padding_ms": 250,
            "silence_duration_ms": 650,
            "idle_timeout_ms": 6000,
            "create_response": False,
            "interrupt_response": False,
        }
    )
    assert settings == TurnSettings(
        mode=TurnMode.SILENCE,
        threshold=0.7,
        prefix_padding_ms=250,
        silence_ms=650,
        idle_timeout_ms=6000,
        create_response=False,
        interrupt_response=False,
    )
    assert {settings.endpoint_silence_ms(p, 100) for p in (None, 0.0, 1.0)} == {650}


@pytest.mark.parametrize("null", [{}, {"threshold": None, "idle_timeout_ms": None}])
def test_server_vad_defaults_are_those_of_the_api(null: dict[str, None]) -> None:
    settings = TurnSettings.from_turn_detection({"type": "server_vad", **null})
    assert (settings.threshold, settings.prefix_padding_ms, settings.silence_ms) == (0.5, 300, 500)
    assert settings.create_response
    assert settings.interrupt_response
    assert settings.idle_timeout_ms is None


@pytest.mark.parametrize("silence_ms", [0, 1, 50, 200])
def test_server_vad_with_little_silence_pauses_as_soon(silence_ms: int) -> None:
    given = {"type": "server_vad", "silence_duration_ms": silence_ms}
    settings = TurnSettings.from_turn_detection(given)
    assert settings.silence_ms == max(1, silence_ms)
    assert settings.first_pause_ms == min(DEFAULT.first_pause_ms, settings.silence_ms)


@pytest.mark.parametrize(
    ("eagerness", "longest_ms", "finished"),
    [("low", 8000, 0.7), ("medium", 4000, 0.5), ("high", 2000, 0.3), ("auto", 4000, 0.5)],
)
def test_semantic_vad_waits_by_its_eagerness(
    eagerness: str, longest_ms: int, finished: float
) -> None:
    settings = TurnSettings.from_turn_detection({"type": "semantic_vad", "eagerness": eagerness})
    assert settings.mode is TurnMode.SEMANTIC
    assert settings.endpoint_silence_ms(0.0, 5000) == longest_ms
    assert settings.endpoint_silence_ms(finished, 5000) == DEFAULT.finished_silence_ms


def test_semantic_vad_without_eagerness_is_auto() -> None:
    assert TurnSettings.from_turn_detection({"type": "semantic_vad"}) == DEFAULT


def test_no_turn_detection_is_manual() -> None:
    assert TurnSettings.from_turn_detection(None).mode is TurnMode.MANUAL


@pytest.mark.parametrize(
    ("turn_detection", "message"),
    [
        ({"type": "magic"}, "turn_detection.type='magic' must be 'server_vad' or 'semantic_vad'"),
        ({}, "turn_detection.type=None"),
        ("server_vad", "must be an object or null, got str"),
        ({"type": "server_vad", "threshold": 2}, "turn_detection.threshold=2"),
        ({"type": "server_vad", "silence_duration_ms": "5"}, "turn_detection.silence_duration_ms"),
        ({"type": "server_vad", "prefix_padding_ms": 9000}, "prefix_padding_ms=9000 .* to 5000"),
        ({"type": "server_vad", "idle_timeout_ms": 100}, "idle_timeout_ms=100 must be from 5000"),
        ({"type": "server_vad", "create_response": 1}, "create_response=1 must be true or false"),
        ({"type": "semantic_vad", "eagerness": "keen"}, "eagerness='keen' must be one of low"),
        ({"type": "semantic_vad", "eagerness": []}, "turn_detection.eagerness"),
    ],
)
def test_turn_detection_that_the_api_does_not_allow_is_named(
    turn_detection: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TurnSettings.from_turn_detection(turn_detection)
