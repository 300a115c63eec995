"""Sound as it is written in events: base64 of PCM at 24 kHz, or of G.711 at 8 kHz."""

import base64
import binascii
from typing import Literal

import av
import numpy as np

from voice.resampling import Resampler
from web.media.interface import INPUT_RATE_HZ
from web.realtime.config import AudioFormat, Pcm
from web.realtime.errors import ProtocolError

MAX_APPEND_BYTES = 15 << 20
"""Of one piece of input audio, decoded; OpenAI's limit."""

_G711_CODECS = {"audio/pcmu": "pcm_mulaw", "audio/pcma": "pcm_alaw"}
_G711_RATE_HZ = 8000


class WireDecoder:
    """Base64 pieces to float32 mono at 16 kHz; one per stream, since resampling has a memory."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._is_pcm = isinstance(audio_format, Pcm)
        self._resampler = Resampler(24_000 if self._is_pcm else _G711_RATE_HZ, INPUT_RATE_HZ)
        if not self._is_pcm:
            self._codec = _g711(audio_format.type, "r")

    def decode(self, text: str, param: str = "audio") -> np.ndarray:
        """Returns the samples that are certain so far, [samples].

        Raises:
            ProtocolError: this is no base64, too much at once, or half a sample.
        """
        if len(text) > (MAX_APPEND_BYTES + 2) // 3 * 4:
            raise ProtocolError(
                "audio_too_large",
                f"{param} holds more than {MAX_APPEND_BYTES >> 20} MiB: send smaller pieces",
                param,
            )
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProtocolError(
                "invalid_base64", f"{param} is no base64: {error}", param
            ) from error
        if not data:
            return np.zeros(0, np.float32)
        if self._is_pcm and len(data) % 2:
            raise ProtocolError(
                "invalid_audio", f"{param} has an odd number of bytes: samples have two", param
            )
        return self._resampler.feed(self._samples(data))

    def flush(self) -> np.ndarray:
        """Returns the rest of a stream that has ended."""
        return self._resampler.flush()

    def _samples(self, data: bytes) -> np.ndarray:
        if self._is_pcm:
            return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
        frames = self._codec.decode(av.Packet(data))
        values = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        return values.astype(np.float32) / 32768.0


class WireEncoder:
    """Float32 mono to base64 pieces; one per stream."""

    def __init__(self, audio_format: AudioFormat, sample_rate: int) -> None:
        self._is_pcm = isinstance(audio_format, Pcm)
        rate = 24_000 if self._is_pcm else _G711_RATE_HZ
        self._resampler = Resampler(sample_rate, rate)
        if not self._is_pcm:
            self._codec = _g711(audio_format.type, "w")

    def encode(self, samples: np.ndarray) -> str:
        """Returns what is certain so far; may be empty."""
        return self._write(self._resampler.feed(samples))

    def flush(self) -> str:
        """Returns the rest of a stream that has ended."""
        return self._write(self._resampler.flush())

    def _write(self, samples: np.ndarray) -> str:
        if not len(samples):
            return ""
        values = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
        data = values.tobytes()
        if not self._is_pcm:
            frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
            frame.sample_rate = _G711_RATE_HZ
            data = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        return base64.b64encode(data).decode("ascii")


def _g711(kind: str, mode: Literal["r", "w"]) -> av.AudioCodecContext:
    codec = av.CodecContext.create(_G711_CODECS[kind], mode)
    assert isinstance(codec, av.AudioCodecContext)
    codec.format = "s16"
    codec.layout = "mono"
    codec.sample_rate = _G711_RATE_HZ
    return codec
