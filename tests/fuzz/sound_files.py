"""Short sound files of every kind that is worth damaging."""

import io

import av
import numpy as np
import soundfile

RATE_HZ = 16_000
_SOUND = 0.4 * np.sin(np.arange(RATE_HZ // 4) * 0.17)


def _written(kind: str, subtype: str, channels: int = 1) -> bytes:
    file = io.BytesIO()
    sound = _SOUND if channels == 1 else np.stack([_SOUND] * channels, axis=1)
    soundfile.write(file, sound, RATE_HZ, format=kind, subtype=subtype)
    return file.getvalue()


def _muxed(container: str, codec: str) -> bytes:
    file = io.BytesIO()
    values = np.round(_SOUND[None] * 32767).astype(np.int16)
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(values, format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


FILES = {
    "wav": _written("WAV", "PCM_16"),
    "wav 8 bit": _written("WAV", "PCM_U8", 2),
    "wav 24 bit": _written("WAV", "PCM_24", 2),
    "wav float": _written("WAV", "FLOAT"),
    "wav double": _written("WAV", "DOUBLE"),
    "wav mu-law": _written("WAV", "ULAW"),
    "flac": _written("FLAC", "PCM_16"),
    "flac stereo": _written("FLAC", "PCM_24", 2),
    "ogg vorbis": _written("OGG", "VORBIS"),
    "ogg opus": _written("OGG", "OPUS"),
    "mp3": _written("MP3", "MPEG_LAYER_III"),
    "aiff": _written("AIFF", "PCM_16"),
    "au": _written("AU", "PCM_16"),
    "mp4": _muxed("mp4", "aac"),
    "matroska": _muxed("matroska", "aac"),
}
