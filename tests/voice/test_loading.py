"""Finding checkpoints, and what import costs."""

import subprocess
import sys

import pytest
import torch

from omni_core.weights import CheckpointError
from tests.voice.tiny import write_tiny
from voice import load, loading


def test_missing_builtin_model_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "files", lambda package: tmp_path)
    with pytest.raises(CheckpointError, match="parley train"):
        load("builtin")


def test_builtin_model_is_read_from_the_package(monkeypatch, tmp_path):
    write_tiny(tmp_path / "builtin")
    monkeypatch.setattr(loading, "files", lambda package: tmp_path)
    assert load().hears


def test_name_that_is_nothing_is_refused():
    with pytest.raises(CheckpointError, match="neither a directory nor a Hub id"):
        load("no such directory")


def test_modules_are_ready_for_inference(tmp_path):
    assistant = load(str(write_tiny(tmp_path)))
    modules = (assistant.model, assistant.encoder, assistant.sound_projection, assistant.vision)
    for module in modules:
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())
        assert all(t.device.type == "cpu" for t in module.state_dict().values())


def test_bfloat16_stays_near_float32(tmp_path):
    write_tiny(tmp_path)
    tokens = list(range(32, 60))
    exact, rough = (load(tmp_path, dtype=d) for d in (torch.float32, torch.bfloat16))
    logits = [a.model.prefill(a.model.new_state(), tokens=tokens) for a in (exact, rough)]
    waveform = torch.linspace(-0.5, 0.5, 16000).sin()
    steps = [a.embed_audio(waveform).float() for a in (exact, rough)]
    picture = torch.arange(3 * 40 * 60).view(3, 40, 60) % 256
    seen = [a.embed_image(picture).float() for a in (exact, rough)]
    for wide, narrow in (logits, steps, seen):
        error = (wide - narrow).norm() / wide.norm()
        assert 0 < error < 0.1


def test_importing_the_package_is_light():
    code = "import sys, voice; assert 'torch' not in sys.modules; from voice import load"
    subprocess.run([sys.executable, "-c", code], check=True)
