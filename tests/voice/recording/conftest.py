"""Sessions of the tiny model, recorded on the clock of their samples or on real threads."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.voice.talk import FAST, FRAME, SHORT, Call, CountingVoice, assistant, engine, script
from voice.engine import Engine
from voice.recording.files import Recording
from voice.recording.outcome import Outcome
from voice.recording.recorder import Recorder
from voice.recording.replay import Replay
from voice.session_settings import SessionSettings

__all__ = ["assistant", "engine", "script"]

SETTINGS = SessionSettings(reply=SHORT, stream=FAST)


class RecordedCall(Call):
    """A session that is recorded, heard by the detector that is installed."""

    def __init__(self, engine: Engine, folder: Path, **options) -> None:
        options = {"settings": SETTINGS, **options}
        self.recorder = Recorder(folder, {"model": "tiny"})
        super().__init__(engine, detector=None, observer=self.recorder, **options)

    def end(self) -> Recording:
        self.session.close()
        self.engine.run()
        return Recording(self.recorder.folder)


@pytest.fixture
def recorded(engine, tmp_path) -> Callable[..., RecordedCall]:
    return lambda **options: RecordedCall(engine, tmp_path, **options)


@pytest.fixture
def replay(assistant) -> Callable[..., Outcome]:
    def run(recording: Recording, change=lambda settings: settings) -> Outcome:
        return Replay(recording, assistant, CountingVoice, change).run()

    return run


@pytest.fixture(scope="session")
def question() -> np.ndarray:
    """Real speech: the detector must take it for that."""
    from voice.audio_file import read_audio

    samples = Path(__file__).parents[3] / "voice" / "samples"
    return read_audio(samples / "two_plus_three.flac").samples


def talk_on_threads(assistant, folder: Path, sounds, **options) -> Recording:
    """A session on the engine's own threads, fed as fast as they and the loop come along."""

    async def hold() -> Recording:
        engine = Engine(assistant, open_voice=CountingVoice)
        engine.start()
        recorder = Recorder(folder, {"model": "tiny"})
        session = engine.open_session(
            lambda event: None, **{"settings": SETTINGS, **options}, observer=recorder
        )
        for sound in sounds:
            for start in range(0, len(sound), FRAME):
                session.hear(sound[start : start + FRAME])
                session.playback.read(FRAME * 3 // 2)
                await asyncio.sleep(0)
        session.close()
        engine.close()
        return Recording(recorder.folder)

    return asyncio.run(hold())
