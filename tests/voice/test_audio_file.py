"""Sound files of every container and rate, and everything that can be wrong with one."""

import io
import struct
import sys

import av
import numpy as np
import pytest
import soundfile

from voice import audio_file
from voice.audio_file import AudioFileError, read_audio, write_wav


def tone(rate: int, duration_s: float = 1.0, level: float = 0.5) -> np.ndarray:
    """A 440 Hz sine, [samples]."""
    return level * np.sin(2 * np.pi * 440 * np.arange(int(rate * duration_s)) / rate)


def encoded(
    samples: np.ndarray, rate: int, kind: str = "WAV", subtype: str | None = "PCM_16"
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def with_av(samples: np.ndarray, rate: int, container: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.round(samples[None] * 32767).astype(np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_read_audio_at_any_rate_is_the_same_tone(rate: int) -> None:
    clip = read_audio(encoded(tone(rate), rate))
    assert clip.samples.dtype == np.float32
    assert clip.source_rate == rate
    assert abs(len(clip.samples) - 16000) <= 2
    assert clip.duration_s == pytest.approx(1.0, abs=1e-3)
    middle = slice(1000, 15000)
    assert np.abs(clip.samples - tone(16000)[: len(clip.samples)])[middle].max() < 0.01


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("WAV", "DOUBLE"),
        ("WAV", "ULAW"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
    ],
)
def test_read_audio_of_any_container_keeps_level_and_length(kind: str, subtype: str) -> None:
    clip = read_audio(encoded(tone(48000), 48000, kind, subtype))
    assert clip.duration_s == pytest.approx(1.0, abs=0.06)
    assert np.abs(clip.samples[2000:14000]).max() == pytest.approx(0.5, abs=0.05)
    assert clip.clipped_fraction == 0.0


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "aac")])
def test_read_audio_of_a_video_container_finds_the_sound(container: str, codec: str) -> None:
    clip = read_audio(with_av(tone(48000), 48000, container, codec))
    assert clip.duration_s == pytest.approx(1.0, abs=0.1)
    assert np.abs(clip.samples).max() > 0.3


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("channels", [2, 6, 8, 12])
def test_read_audio_with_equal_channels_equals_one_of_them(subtype: str, channels: int) -> None:
    mono = tone(44100, level=0.9)
    one = read_audio(encoded(mono, 44100, "WAV", subtype)).samples
    many = read_audio(encoded(np.stack([mono] * channels, 1), 44100, "WAV", subtype)).samples
    np.testing.assert_allclose(many, one, atol=1e-4)


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_read_audio_with_eight_channels_in_planes_is_their_mean(kind: str, subtype: str) -> None:
    channels = np.stack([tone(48000)] * 4 + [np.zeros(48000)] * 4, 1)
    samples = read_audio(encoded(channels, 48000, kind, subtype)).samples
    assert np.abs(samples[2000:14000]).max() == pytest.approx(0.25, abs=0.03)


def test_read_audio_from_path_stream_and_stdin_is_the_same(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(tone(22050), 22050)
    path = tmp_path / "tone.wav"
    path.write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    wanted = read_audio(data).samples
    for source in (path, str(path), io.BytesIO(data), "-"):
        np.testing.assert_array_equal(read_audio(source).samples, wanted)


def test_read_audio_at_an_absurd_rate_holds_no_sound() -> None:
    data = bytearray(encoded(tone(16000)[:4000], 16000))
    data[24:28] = (0x7F008000).to_bytes(4, "little")
    with pytest.raises(AudioFileError, match="holds no sound"):
        read_audio(bytes(data))


def test_read_audio_that_changes_its_rate_says_where() -> None:
    parts = [encoded(tone(rate), rate, "MP3", "MPEG_LAYER_III") for rate in (16000, 48000)]
    with pytest.raises(AudioFileError, match=r"sample rate or channels after 1\.0"):
        read_audio(b"".join(parts))


def test_read_audio_takes_titles_in_any_encoding() -> None:
    latin = "café.".encode("latin-1") + b"\0"
    chunk = b"INFOINAM" + len(latin).to_bytes(4, "little") + latin
    data = encoded(tone(16000), 16000)
    titled = data[:36] + b"LIST" + len(chunk).to_bytes(4, "little") + chunk + data[36:]
    titled = titled[:4] + (len(titled) - 8).to_bytes(4, "little") + titled[8:]
    np.testing.assert_array_equal(read_audio(titled).samples, read_audio(data).samples)


def test_read_audio_of_a_piped_wav_accepts_the_unknown_length() -> None:
    data = bytearray(encoded(tone(16000), 16000))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert read_audio(bytes(data)).duration_s == pytest.approx(1.0)


def test_read_audio_that_is_clipped_says_so() -> None:
    loud = np.clip(tone(16000, level=4.0), -1, 1)
    clip = read_audio(encoded(loud, 16000))
    assert clip.is_clipped
    assert 0.5 < clip.clipped_fraction < 1.0
    assert not read_audio(encoded(tone(16000), 16000)).is_clipped


def test_read_audio_beyond_full_scale_is_clamped() -> None:
    clip = read_audio(encoded(tone(16000, level=3.0), 16000, "WAV", "FLOAT"))
    assert np.abs(clip.samples).max() == 1.0
    assert clip.is_clipped


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_read_audio_with_a_sample_that_is_no_number_is_refused(bad: float) -> None:
    samples = tone(16000)
    samples[8000] = bad
    with pytest.raises(AudioFileError, match=r"NaN or infinity.*16-bit PCM"):
        read_audio(encoded(samples, 16000, "WAV", "FLOAT"))


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"The quick brown fox. " * 50, "not audio"),
        (b"\x00" * 5000, "not audio"),
        (PLAYLIST, "not audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not audio"),
        (encoded(np.zeros(0), 16000), "holds no sound"),
    ],
)
def test_read_audio_of_no_audio_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(AudioFileError, match=message):
        read_audio(data)


def test_read_audio_of_an_image_is_refused() -> None:
    image = io.BytesIO()
    from PIL import Image

    Image.new("RGB", (32, 32)).save(image, "PNG")
    with pytest.raises(AudioFileError, match="no audio stream"):
        read_audio(image.getvalue())


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "AU"])
def test_read_audio_of_a_truncated_file_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 32000)
    data = encoded(noise, 16000, kind)
    with pytest.raises(AudioFileError, match=r"truncated|damaged"):
        read_audio(data[: len(data) // 2])


def test_read_audio_of_a_header_alone_is_refused() -> None:
    with pytest.raises(AudioFileError):
        read_audio(encoded(tone(16000), 16000)[:44])


def test_read_audio_that_is_missing_or_a_directory_is_refused(tmp_path) -> None:
    with pytest.raises(AudioFileError, match=r"cannot open .*No such file"):
        read_audio(tmp_path / "missing.wav")
    with pytest.raises(AudioFileError, match="cannot open"):
        read_audio(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioFileError, match=r"empty\.wav is empty"):
        read_audio(tmp_path / "empty.wav")


def test_read_audio_that_is_too_long_is_refused_before_it_is_decoded() -> None:
    # A header that promises five hours of sound, on a sparse file of no use at all.
    rate, seconds = 8000, 5 * 3600
    data = encoded(np.zeros(8000), rate)
    length = rate * seconds * 2
    header = data[:4] + struct.pack("<I", length + 36) + data[8:40] + struct.pack("<I", length)
    with pytest.raises(AudioFileError, match="longer than 60 minutes: split"):
        read_audio(header + bytes(length))


def test_read_audio_that_grows_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_file, "MAX_DURATION_S", 2.0)
    data = bytearray(encoded(np.zeros(48000), 16000))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # length unknown until it is read
    with pytest.raises(AudioFileError, match="longer than"):
        read_audio(bytes(data))


def test_read_audio_of_ten_minutes_is_read_whole() -> None:
    clip = read_audio(encoded(tone(8000, 600.0), 8000))
    assert clip.duration_s == pytest.approx(600.0)


def test_read_audio_too_big_for_a_stream_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_file, "MAX_STREAM_BYTES", 1000)
    with pytest.raises(AudioFileError, match="split it"):
        read_audio(io.BytesIO(encoded(tone(16000), 16000)))


def test_write_wav_then_read_audio_is_the_same(tmp_path) -> None:
    samples = tone(16000).astype(np.float32)
    write_wav(tmp_path / "out.wav", samples, 16000)
    np.testing.assert_allclose(read_audio(tmp_path / "out.wav").samples, samples, atol=1e-4)


def test_write_wav_that_cannot_be_written_is_refused(tmp_path) -> None:
    with pytest.raises(AudioFileError, match="cannot write"):
        write_wav(tmp_path / "missing" / "out.wav", tone(16000), 16000)
    with pytest.raises(ValueError, match="NaN"):
        write_wav(tmp_path / "out.wav", np.array([np.nan]), 16000)
    assert not (tmp_path / "out.wav").exists()
