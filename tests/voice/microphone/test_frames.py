"""Frames from one rate to another."""

import numpy as np
import pytest

from voice.microphone.frames import FrameResampler


@pytest.mark.parametrize("source", [16_000, 24_000, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("rate", [16_000, 24_000, 32_000, 44_100, 48_000, 96_000])
def test_each_frame_gives_a_frame_of_the_same_sound(source, rate):
    resampler = FrameResampler(source, rate)
    tone = np.sin(2 * np.pi * 440 * np.arange(source) / source).astype(np.float32)
    frames = [resampler.feed(frame) for frame in tone.reshape(100, -1)]
    assert {len(frame) for frame in frames} == {rate // 100}
    sound = np.concatenate(frames)
    wanted = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    error = (
        min(
            np.abs(
                sound[rate // 10 + late : -rate // 10] - wanted[rate // 10 : -rate // 10 - late]
            ).max()
            for late in range(1, rate // 250)
        )
        if source != rate
        else np.abs(sound - wanted).max()
    )
    assert error < 0.05
