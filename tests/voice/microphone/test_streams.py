"""PortAudio's callbacks and the queues behind them, with devices that are only called."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.voice.microphone.test_devices import FakePortAudio, PortAudioError
from voice.errors import DeviceUnavailable
from voice.microphone import streams
from voice.microphone.devices import Device
from voice.microphone.echo import SILENCE
from voice.microphone.streams import MAX_WAITING_FRAMES, LoudspeakerStream, MicrophoneStream

MICROPHONE = Device("input", 0, "Headset", 48_000, channels=2)
LOUDSPEAKER = Device("output", 0, "Headset", 48_000, channels=2)


TIMES = SimpleNamespace(inputBufferAdcTime=1.0, currentTime=1.02, outputBufferDacTime=1.1)


class Abort(Exception):
    pass


class Stream:
    """An open device; the test calls back."""

    latency = 0.03
    status = None

    def __init__(self, *, channels, blocksize, callback, finished_callback, **options) -> None:
        self.options, self._shape = options, (blocksize, channels)
        self._callback, self.finish = callback, finished_callback
        self.is_open = False

    def start(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        self.finish()

    def call(self, value: float = 0.0) -> np.ndarray:
        """Data in, or data out."""
        data = np.full(self._shape, value, np.float32)
        self._callback(data, len(data), TIMES, self.status)
        return data


@pytest.fixture
def opened(monkeypatch):
    """Opens a stream on a fake device; returns it, its device, and a list that grows when woken."""
    fake = FakePortAudio()
    fake.InputStream = fake.OutputStream = Stream
    fake.CallbackAbort = Abort
    monkeypatch.setattr(streams, "portaudio", lambda: fake)

    def open_(kind, device):
        woken: list[None] = []
        stream = kind(device, lambda: woken.append(None))
        stream.start()
        return stream, stream._stream, woken

    return open_


def test_microphone_brings_frames_of_the_session_s_rate(opened):
    stream, device, woken = opened(MicrophoneStream, MICROPHONE)
    for _ in range(3):
        device.call(0.25)
    frames = stream.take()
    assert [frame.shape for frame in frames] == [(160,)] * 3
    assert abs(frames[2][80] - 0.25) < 0.01
    assert len(woken) == 3
    assert stream.take() == []


def test_latency_is_the_device_s_word_until_it_is_measured(opened):
    for kind, device, latency_ms in (
        (MicrophoneStream, MICROPHONE, 20),
        (LoudspeakerStream, LOUDSPEAKER, 80),
    ):
        stream, opened_device, _ = opened(kind, device)
        assert stream.latency_ms == 30
        opened_device.call()
        assert stream.latency_ms == latency_ms


def test_gaps_of_the_device_are_counted(opened):
    stream, device, _ = opened(MicrophoneStream, MICROPHONE)
    device.call()
    device.status = "input overflow"
    device.call()
    assert stream.gaps == 1


def test_full_microphone_queue_drops_the_newest_and_counts(opened):
    stream, device, _ = opened(MicrophoneStream, MICROPHONE)
    for _ in range(MAX_WAITING_FRAMES + 3):
        device.call(0.1)
    assert stream.dropped_frames == 3
    assert len(stream.take()) == MAX_WAITING_FRAMES
    device.call(0.1)
    assert len(stream.take()) == 1


def test_loudspeaker_plays_what_it_has_and_then_silence(opened):
    stream, device, woken = opened(LoudspeakerStream, LOUDSPEAKER)
    assert not device.call(1.0).any()
    stream.take_played()
    for _ in range(2):
        stream.put(np.full(240, 0.5, np.float32))
    assert stream.waiting_frames == 2
    device.call()
    assert np.abs(device.call() - 0.5).max() < 0.01
    assert not device.call(1.0).any()
    first, second, third = stream.take_played()
    assert first.shape == second.shape == (160,)
    assert abs(second[80] - 0.5) < 0.01
    assert third is SILENCE
    assert stream.missing_frames == 1
    assert len(woken) == 4


def test_fault_in_a_callback_ends_the_stream_and_is_kept(opened):
    stream, device, woken = opened(LoudspeakerStream, LOUDSPEAKER)
    stream._waiting.append((np.zeros(7, np.float32), SILENCE))
    with pytest.raises(Abort):
        device.call()
    assert isinstance(stream.failure, ValueError)
    assert woken


def test_device_that_ends_by_itself_has_failed(opened):
    stream, device, _ = opened(MicrophoneStream, MICROPHONE)
    device.finish()
    assert isinstance(stream.failure, DeviceUnavailable)
    assert "has stopped" in str(stream.failure)


def test_closed_device_has_not_failed(opened):
    stream, device, _ = opened(MicrophoneStream, MICROPHONE)
    stream.close()
    stream.close()
    assert not device.is_open
    assert stream.failure is None


def test_device_that_does_not_open_is_explained(monkeypatch):
    class Busy:
        def __init__(self, **options) -> None:
            raise PortAudioError("Device unavailable", -9985)

    fake = FakePortAudio()
    fake.InputStream = Busy
    monkeypatch.setattr(streams, "portaudio", lambda: fake)
    with pytest.raises(DeviceUnavailable, match="another program may be using it"):
        MicrophoneStream(MICROPHONE, lambda: None).start()
