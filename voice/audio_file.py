"""Sound files: whatever libav reads becomes float32 mono at 16 kHz, or an error with its remedy.

    AudioFileError: the input is missing, empty, no sound, damaged, too long or not finite.

Decoding and resampling are libav's, through PyAV; writing is libsndfile's, through soundfile.
"""

import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
import soundfile

SAMPLE_RATE_HZ = 16_000
MAX_DURATION_S = 3600.0
MAX_STREAM_BYTES = (
    1 << 30
)  # read from a pipe: an hour of 48 kHz stereo float32 is 1.3 GiB, of int16 0.7 GiB

FULL_SCALE = 0.999  # a sample at least this loud counts as clipped
AUDIBLE_CLIPPING = 1e-3  # share of clipped samples above which a recording is called clipped

# A header of these formats states the length exactly, so a shorter decode means that the end of
# the file is missing. Others (MP3, ADTS, raw streams) only let libav estimate it.
_EXACT_LENGTH_FORMATS = frozenset({"flac", "mov", "matroska", "aiff", "caf", "w64", "au"})
_TRUNCATION_TOLERANCE_S = 0.25  # encoder delay and the padding of the last packet

# The input may come from anyone. Playlists (HLS, concat) name further files and addresses; libav
# opens none of them.
_OPEN_OPTIONS = {"protocol_whitelist": "none"}

AudioSource = str | os.PathLike[str] | bytes | BinaryIO


class AudioFileError(ValueError):
    """The input holds no sound that can be used; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class AudioClip:
    """A sound that was read whole.

    Attributes:
        samples: float32 mono at 16 kHz, [samples], within [-1, 1].
        source_rate: sample rate of the file, Hz.
        duration_s: length of ``samples``.
        clipped_fraction: share of the file's sample frames at or beyond full scale in any channel.
    """

    samples: np.ndarray
    source_rate: int
    duration_s: float
    clipped_fraction: float

    @property
    def is_clipped(self) -> bool:
        """Whether so much of it is clipped that it is worth a warning: it is used as it is."""
        return self.clipped_fraction > AUDIBLE_CLIPPING


def read_audio(source: AudioSource) -> AudioClip:
    """Reads any sound that libav decodes.

    Channels are averaged. Samples beyond full scale (a float file may hold them) are clamped.

    Args:
        source: a path, ``"-"`` for standard input, the bytes of a file, or a binary stream, which
            is read to its end.

    Raises:
        AudioFileError: the input is missing, empty, not audio, truncated, damaged, longer than 60
            minutes, or holds NaN or infinity.
    """
    file, name = _open(source)
    try:
        _check_riff_length(file, name)
        return _decode(file, name)
    finally:
        if isinstance(source, (str, os.PathLike)):
            file.close()


def write_wav(path: str | os.PathLike[str] | BinaryIO, samples: np.ndarray, rate: int) -> None:
    """Writes a 16-bit PCM WAV file.

    Args:
        path: where to; a file that exists is replaced. A seekable binary stream will do, too.
        samples: float in [-1, 1], [samples] or [samples, channels]; what is beyond is clamped.
        rate: sample rate, Hz.

    Raises:
        ValueError: ``samples`` holds NaN or infinity.
        AudioFileError: the file cannot be written.
    """
    if not np.isfinite(samples).all():
        raise ValueError("samples hold NaN or infinity: nothing was written")
    try:
        soundfile.write(path, np.clip(samples, -1.0, 1.0), rate, subtype="PCM_16", format="WAV")
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"cannot write {path}: {error}") from error


def _open(source: AudioSource) -> tuple[BinaryIO, str]:
    """A seekable binary file and the name by which messages call it."""
    if isinstance(source, bytes):
        file, name = io.BytesIO(source), "the audio"
    elif isinstance(source, (str, os.PathLike)) and os.fspath(source) != "-":
        return _open_path(Path(source))
    else:
        from_stdin = isinstance(source, (str, os.PathLike))
        stream: BinaryIO = sys.stdin.buffer if from_stdin else source  # type: ignore[assignment]
        name = "standard input" if from_stdin else "the audio stream"
        data = stream.read(MAX_STREAM_BYTES + 1)
        if len(data) > MAX_STREAM_BYTES:
            raise AudioFileError(
                f"{name} holds more than {MAX_STREAM_BYTES >> 20} MiB: write it to a file and "
                "split it into parts of at most an hour"
            )
        file = io.BytesIO(data)
    if not file.getbuffer().nbytes:
        raise AudioFileError(f"{name} is empty: record something first")
    return file, name


def _open_path(path: Path) -> tuple[BinaryIO, str]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise AudioFileError(
            f"cannot open {path}: {error.strerror}; check the path and its permissions"
        ) from error
    if not file.seekable():  # a named pipe
        with file:
            return io.BytesIO(file.read(MAX_STREAM_BYTES)), str(path)
    if not os.fstat(file.fileno()).st_size:
        file.close()
        raise AudioFileError(f"{path} is empty: record something first")
    return file, str(path)


def _check_riff_length(file: BinaryIO, name: str) -> None:
    """Refuses a WAV file that ends before its header says: libav reads the rest without a word.

    Programs that write to a pipe do not know the length and leave 0 or a huge number there; that is
    no fault.
    """
    header = file.read(12)
    actual = file.seek(0, os.SEEK_END)
    file.seek(0)
    if header[:4] != b"RIFF" or header[8:] != b"WAVE":
        return
    stated = int.from_bytes(header[4:8], "little") + 8
    unknown = stated == 8 or stated >= 0x7FFF_0000
    if not unknown and actual < stated - 1:  # some writers count a pad byte that they do not write
        raise AudioFileError(
            f"{name} is truncated: its header states {stated} bytes, {actual} are there; "
            "copy or record it again"
        )


def _decode(file: BinaryIO, name: str) -> AudioClip:
    try:
        # Titles are written in any encoding; nobody reads them here.
        with av.open(file, "r", options=_OPEN_OPTIONS, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioFileError(f"{name} has no audio stream: give a file with sound")
            stream = container.streams.audio[0]
            stated_s = container.duration / av.time_base if container.duration else 0.0
            _check_duration(stated_s, name)
            parts, source_rate, source_frames, clipped = _decode_stream(container, stream, name)
            formats = set(container.format.name.split(","))
    except av.error.FFmpegError as error:
        raise AudioFileError(
            f"{name} is not audio that libav can read, or is damaged ({error.strerror}): "
            "give a WAV, FLAC, Ogg, MP3 or MP4 file"
        ) from error
    if not any(map(len, parts)):  # nothing, or less than one sample of ours at an absurd rate
        raise AudioFileError(f"{name} holds no sound: record something first")
    decoded_s = source_frames / source_rate
    if formats & _EXACT_LENGTH_FORMATS and decoded_s < stated_s - _TRUNCATION_TOLERANCE_S:
        raise AudioFileError(
            f"{name} is truncated: its header states {stated_s:.2f} s, {decoded_s:.2f} s are "
            "there; copy or record it again"
        )
    samples = np.concatenate(parts)
    return AudioClip(
        samples=np.clip(samples, -1.0, 1.0, out=samples),
        source_rate=source_rate,
        duration_s=len(samples) / SAMPLE_RATE_HZ,
        clipped_fraction=clipped / source_frames,
    )


def _decode_stream(
    container: "av.container.InputContainer", stream: "av.audio.stream.AudioStream", name: str
) -> tuple[list[np.ndarray], int, int, int]:
    """Returns mono pieces at 16 kHz, the source rate, its sample frames, and the clipped ones."""
    # Channels are averaged here: libav's own mix sums them, and two equal channels would clip.
    resampler = av.AudioResampler(format="flt", rate=SAMPLE_RATE_HZ)
    parts: list[np.ndarray] = []
    source_rate = source_frames = clipped = 0
    kind = None
    for frame in _frames(container, stream):
        kind = kind or _kind(frame)
        if _kind(frame) != kind:
            place = f"after {source_frames / source_rate:.2f} s"
            raise AudioFileError(
                f"{name} changes its sample rate or channels {place}: it is several recordings "
                "in one, or damaged; convert it to WAV"
            )
        source_rate = frame.sample_rate
        loudness = _absolute(frame)
        if not np.isfinite(loudness).all():
            raise AudioFileError(
                f"{name} holds NaN or infinity after {source_frames / source_rate:.2f} s: "
                "the program that wrote it is at fault; convert it to 16-bit PCM"
            )
        clipped += int(np.count_nonzero(loudness.max(axis=0) >= FULL_SCALE))
        source_frames += frame.samples
        _check_duration(source_frames / source_rate, name)
        parts += [_channels(piece).mean(axis=0) for piece in resampler.resample(frame)]
    if source_frames:
        parts += [_channels(piece).mean(axis=0) for piece in resampler.resample(None)]
    return parts, source_rate, source_frames, clipped


def _frames(
    container: "av.container.InputContainer", stream: "av.audio.stream.AudioStream"
) -> Iterator["av.AudioFrame"]:
    for frame in container.decode(stream):
        if frame.samples:
            yield frame


def _kind(frame: "av.AudioFrame") -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def _channels(frame: "av.AudioFrame") -> np.ndarray:
    """The samples of a frame, [channels, frames].

    PyAV 18 reads past the planes of frames with eight and more: these are packed first.
    """
    if frame.format.is_planar and frame.layout.nb_channels >= 8:
        (frame,) = av.AudioResampler(format=frame.format.packed).resample(frame)
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return samples


def _absolute(frame: "av.AudioFrame") -> np.ndarray:
    """Loudness of each sample as a share of full scale, [channels, frames]."""
    samples = _channels(frame)
    if samples.dtype == np.uint8:
        return np.abs(samples.astype(np.float32) - 128.0) / 128.0
    if np.issubdtype(samples.dtype, np.integer):
        return np.abs(samples.astype(np.float64)) / 2.0 ** (8 * samples.itemsize - 1)
    return np.abs(samples)


def _check_duration(duration_s: float, name: str) -> None:
    if duration_s > MAX_DURATION_S:
        raise AudioFileError(
            f"{name} is longer than {MAX_DURATION_S / 60:.0f} minutes: split it into shorter parts"
        )
