"""The wire between a synthesiser and its helper process: kind, length, payload, on two pipes.

A frame is one byte of kind, the payload's length as a little-endian uint32, and the payload.

    to the helper     SPEAK   JSON: utterance, text, voice, rate, pitch, volume
                      CANCEL  uint32: the utterance; nothing happens when it is over
                      VOICES  empty
    from the helper   READY   uint32: sample rate in Hz, once, before anything else
                      AUDIO   int16 little-endian mono PCM
                      WORD    uint32 first sample, uint32 position in the text, before its audio
                      DONE    empty: the utterance is over, whole or cancelled
                      NAMES   JSON: {"voices": [...], "variants": [...]}
                      REFUSED UTF-8 message: the start or the last request failed
"""

import struct
from enum import Enum
from typing import BinaryIO

_HEADER = struct.Struct("<cI")
UTTERANCE = struct.Struct("<I")
RATE = struct.Struct("<I")
WORD = struct.Struct("<II")


class Kind(Enum):
    """What a frame holds."""

    SPEAK = b"S"
    CANCEL = b"C"
    VOICES = b"V"
    READY = b"R"
    AUDIO = b"A"
    WORD = b"W"
    DONE = b"D"
    NAMES = b"N"
    REFUSED = b"X"


def write_frame(pipe: BinaryIO, kind: Kind, payload: bytes = b"") -> None:
    """Writes one frame and flushes it."""
    pipe.write(_HEADER.pack(kind.value, len(payload)) + payload)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> tuple[Kind, bytes]:
    """Reads one frame.

    Raises:
        EOFError: the other process has gone.
    """
    kind, length = _HEADER.unpack(_read_exactly(pipe, _HEADER.size))
    return Kind(kind), _read_exactly(pipe, length)


def _read_exactly(pipe: BinaryIO, count: int) -> bytes:
    data = pipe.read(count) if count else b""
    if len(data) < count:
        raise EOFError("the other end of the pipe was closed")
    return data
