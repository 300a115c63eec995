"""Samples in; encoder steps, recognised words and turns out. No I/O; time is samples fed."""

from streaming.encoder import EncoderStream, EncoderUpdate, ParakeetEncoder, StreamSettings
from streaming.turn_settings import TurnSettings
from streaming.turn_stream import TurnStream

__all__ = [
    "EncoderStream",
    "EncoderUpdate",
    "ParakeetEncoder",
    "StreamSettings",
    "TurnSettings",
    "TurnStream",
]
