"""The wire between the server and a media process, on two pipes.

A frame is one byte of kind, the call's number and the payload's length as little-endian uint32, and
the payload. Numbers are given by the server; sound is little-endian float32.

    to the process    OFFER    JSON: offer, sample_rate of the source, settings
                      SOUND    what DUE asked for
                      MESSAGE  UTF-8: to be sent on the data channel
                      CLOSE    UTF-8: the reason
    from the process  READY    empty, once, before anything else
                      ANSWER   UTF-8: the SDP answer
                      REFUSED  UTF-8: what is wrong with the offer
                      HEARD    sound of the peer, mono 16 kHz
                      DUE      uint32: so many samples are to be sent now; one at a time
                      OPENED   empty: the data channel is there
                      MESSAGE  UTF-8: from the data channel
                      CLOSED   JSON: reason, statistics; the call's last
                      FAILED   UTF-8: the exception that ends the process
"""

import asyncio
import struct
from enum import Enum

import numpy as np

_HEADER = struct.Struct("<cII")
COUNT = struct.Struct("<I")


class Kind(Enum):
    """What a frame holds."""

    OFFER = b"O"
    SOUND = b"S"
    MESSAGE = b"M"
    CLOSE = b"C"
    READY = b"R"
    ANSWER = b"A"
    REFUSED = b"X"
    HEARD = b"H"
    DUE = b"D"
    OPENED = b"P"
    CLOSED = b"E"
    FAILED = b"F"


def frame(kind: Kind, call: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return _HEADER.pack(kind.value, call, len(payload)) + payload


async def read_frame(pipe: asyncio.StreamReader) -> tuple[Kind, int, bytes]:
    """Reads one frame: its kind, its call, and its payload.

    Raises:
        EOFError: the other process has gone.
    """
    kind, call, length = _HEADER.unpack(await pipe.readexactly(_HEADER.size))
    return Kind(kind), call, await pipe.readexactly(length)


def sound_bytes(samples: np.ndarray) -> bytes:
    """Sound as a payload."""
    return samples.astype("<f4", copy=False).tobytes()


def sound_of(payload: bytes) -> np.ndarray:
    """The sound of a payload, float32 [samples]."""
    return np.frombuffer(payload, "<f4").astype(np.float32)
