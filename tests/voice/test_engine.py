"""Lanes share a thread fairly, fail alone, and end with it when it dies."""

import asyncio

import numpy as np
import pytest

from streaming.vad import VoiceDetector
from tests.voice.talk import FAST, SHORT, Call, CountingVoice, Loudness
from tests.voice.tiny import write_tiny
from voice import load
from voice import session_events as events
from voice.engine import Engine, Worker
from voice.errors import EngineDied
from voice.session_settings import SessionSettings


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


def units(log, name, count):
    for _ in range(count):
        log.append(name)
        yield


def failing():
    yield
    raise RuntimeError("broken")


def run(worker):
    while worker.step():
        pass


def test_lanes_take_turns():
    worker, log = Worker("model"), []
    for name in "ab":
        worker.open_lane(print).submit(units(log, name, 3))
    run(worker)
    assert "".join(log) == "ababab"


def test_lane_keeps_its_order():
    worker, log = Worker("model"), []
    lane = worker.open_lane(print)
    lane.submit(units(log, "l", 2), at_leisure=True)
    lane.submit(units(log, "b", 2), background=True)
    lane.submit(units(log, "1", 2))
    lane.submit(units(log, "2", 2))
    run(worker)
    assert "".join(log) == "1122bbll"


def test_work_overtakes_what_is_done_in_the_background():
    worker, log = Worker("model"), []
    lane = worker.open_lane(print)
    lane.submit(units(log, "b", 3), background=True)
    worker.step()
    lane.submit(units(log, "1", 2))
    run(worker)
    assert "".join(log) == "b11bb"


def test_failing_lane_fails_alone():
    worker, log, failed = Worker("model"), [], []
    worker.open_lane(failed.append).submit(failing())
    worker.open_lane(failed.append).submit(units(log, "a", 3))
    run(worker)
    assert [str(error) for error in failed] == ["broken"]
    assert log == ["a"] * 3


def test_dead_worker_ends_its_lanes_with_its_exception():
    worker, failed = Worker("model"), []
    lanes = [worker.open_lane(failed.append) for _ in range(2)]
    cause = MemoryError("out of memory")
    worker.die(cause)
    assert [error.__cause__ for error in failed] == [cause, cause]
    assert all(lane.is_closed for lane in lanes)
    with pytest.raises(EngineDied, match="restart"):
        worker.open_lane(failed.append)


def test_closed_lane_drops_its_work():
    worker, log = Worker("model"), []
    lane = worker.open_lane(print)
    lane.submit(units(log, "a", 3))
    lane.close()
    lane.submit(units(log, "a", 3))
    run(worker)
    assert log == []


def test_session_that_fails_ends_alone(assistant):
    engine = Engine(assistant, open_voice=CountingVoice)
    broken, whole = (Call(engine) for _ in range(2))
    broken.session._core.order(failing())
    broken.engine.run()
    ended = broken.of(events.SessionEnded)
    assert [str(each.error) for each in ended] == ["broken"]
    whole.ask()
    assert whole.of(events.ResponseDone)
    assert engine.sessions == {whole.session}


def test_sessions_end_with_the_exception_of_a_dead_thread(assistant):
    engine = Engine(assistant, open_voice=CountingVoice)
    calls = [Call(engine) for _ in range(2)]
    engine.model.die(SystemError("device lost"))
    engine.run()
    for call in calls:
        assert isinstance(call.of(events.SessionEnded)[0].error, EngineDied)
    with pytest.raises(EngineDied):
        engine.open_session(print)


def test_threads_hold_a_conversation(assistant):
    """The same with threads and an event loop; what takes time here is the work itself."""

    async def talk():
        engine = Engine(assistant, open_voice=CountingVoice)
        engine.start()
        told, replied, ended = [], asyncio.Event(), asyncio.Event()

        def emit(event):
            told.append(event)
            if isinstance(event, events.ResponseDone):
                replied.set()
            if isinstance(event, events.PlaybackEnded | events.SessionEnded):
                ended.set()

        session = engine.open_session(
            emit,
            settings=SessionSettings(reply=SHORT, stream=FAST),
            detector=VoiceDetector(Loudness()),
        )
        session.hear(np.random.default_rng(0).uniform(-0.2, 0.2, 16_000).astype(np.float32))
        session.hear(np.zeros(16_000, np.float32))
        await replied.wait()
        if any(isinstance(event, events.OutputTextDone) and event.text for event in told):
            while not ended.is_set():
                session.playback.read(4800)
                await asyncio.sleep(0)
        engine.close()
        return told

    told = asyncio.run(asyncio.wait_for(talk(), 60))
    names = [type(event).__name__ for event in told]
    assert "InputCommitted" in names
    assert names[-1] == "SessionEnded"


def test_thread_that_dies_ends_its_session(assistant):
    async def talk():
        engine = Engine(assistant, open_voice=CountingVoice)
        engine.start()
        ended = asyncio.get_running_loop().create_future()

        def emit(event):
            if isinstance(event, events.SessionEnded):
                ended.set_result(event.error)

        session = engine.open_session(emit, detector=VoiceDetector(Loudness()))

        def deadly():
            raise SystemExit("killed")
            yield

        session._core.order(deadly())
        error = await ended
        engine.close()
        return error

    error = asyncio.run(asyncio.wait_for(talk(), 60))
    assert isinstance(error, EngineDied)
    assert isinstance(error.__cause__, SystemExit)
