"""Samples in, features, encoder steps and recognised words out. No I/O; time is samples fed."""

from streaming.encoder import EncoderStream, EncoderUpdate, ParakeetEncoder, StreamSettings

__all__ = ["EncoderStream", "EncoderUpdate", "ParakeetEncoder", "StreamSettings"]
