"""Samples in; encoder steps, recognised words and turns out. No I/O; time is samples fed."""

from streaming.encoder import EncoderStream, EncoderUpdate, ParakeetEncoder, StreamSettings

__all__ = ["EncoderStream", "EncoderUpdate", "ParakeetEncoder", "StreamSettings"]
