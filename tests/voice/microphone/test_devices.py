"""Devices that are there, and what is said of those that are not."""

import sys
from types import SimpleNamespace

import pytest

from voice.errors import DeviceUnavailable
from voice.microphone import devices
from voice.microphone.devices import Device, choose, table
from web.cli import main


class PortAudioError(Exception):
    pass


class FakePortAudio:
    """sounddevice with devices of our own: a headset, and a projector that only plays."""

    PortAudioError = PortAudioError
    default = SimpleNamespace(device=(0, 0))

    def __init__(self, rates=(48_000,), channels=(1, 2), error=None) -> None:
        self.devices = [
            {"name": "Headset", "max_input_channels": 1, "max_output_channels": 2},
            {"name": "Projector", "max_input_channels": 0, "max_output_channels": 2},
        ]
        for index, device in enumerate(self.devices):
            device |= {"index": index, "hostapi": 0, "default_samplerate": 48_000.0}
        self._rates, self._channels, self._error = rates, channels, error

    def query_devices(self, device=None, kind=None):
        if kind is None:
            return self.devices
        if not self.devices:
            raise PortAudioError("Error querying device -1")
        found = [
            d for d in self.devices if device in (None, d["index"]) or str(device) in d["name"]
        ]
        if len(found) != 1 and device is not None:
            raise ValueError(f"No input device matching {device!r}")
        return found[0]

    def query_hostapis(self, index):
        return {"name": "Fake"}

    def check_input_settings(self, *, device, channels, dtype, samplerate):
        if self._error is not None:
            raise self._error
        if samplerate not in self._rates or channels not in self._channels:
            raise PortAudioError("Invalid sample rate", -9997)

    check_output_settings = check_input_settings


@pytest.fixture
def portaudio(monkeypatch):
    def put(**options):
        fake = FakePortAudio(**options)
        monkeypatch.setattr(devices, "portaudio", lambda: fake)
        return fake

    return put


def test_wished_rate_is_taken_where_the_device_has_it(portaudio):
    portaudio(rates=(16_000, 24_000, 48_000))
    assert choose("input", None) == Device("input", 0, "Headset", 16_000)
    assert choose("output", "Proj") == Device("output", 1, "Projector", 24_000)
    assert choose("output", 1).name == "Projector"


def test_other_rates_and_channels_are_tried(portaudio):
    portaudio(rates=(44_100,), channels=(2,))
    assert choose("input", None) == Device("input", 0, "Headset", 44_100, channels=2)


@pytest.mark.parametrize(
    ("options", "kind", "wanted", "message"),
    [
        ({}, "input", "Nobody", "there is no microphone 'Nobody', or more than one"),
        ({}, "output", 7, "there is no loudspeaker 7, or more than one"),
        ({}, "input", 1, "the device 'Projector' is no microphone: choose another --input-device"),
        ({"rates": (8_000,)}, "input", None, "'Headset' takes none of the rates"),
        (
            {"error": PortAudioError("Device unavailable", -9985)},
            "input",
            None,
            "'Headset' is not to be had: another program may be using it",
        ),
        (
            {"error": PortAudioError("Internal error", -9986)},
            "output",
            0,
            "'Headset' cannot be opened (Internal error): choose another --output-device",
        ),
    ],
)
def test_device_that_cannot_be_is_named_with_the_remedy(portaudio, options, kind, wanted, message):
    portaudio(**options)
    with pytest.raises(DeviceUnavailable) as caught:
        choose(kind, wanted)
    assert message in str(caught.value)
    assert "--list-devices" in str(caught.value)


def test_devices_are_listed_with_the_defaults(portaudio):
    fake = portaudio()
    assert table().splitlines() == [
        "  0  Headset [Fake]: microphone (default), loudspeaker (default)",
        "  1  Projector [Fake]: loudspeaker",
    ]
    fake.devices.clear()
    with pytest.raises(DeviceUnavailable, match="there is no microphone: connect one"):
        table()


def test_missing_package_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["talk"]) == 1
    assert "pip install 'parley-voice[mic]'" in capsys.readouterr().err


def test_missing_portaudio_names_the_package(monkeypatch, tmp_path, capsys):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["talk", "--list-devices"]) == 1
    assert "apt install libportaudio2" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
