"""Checkpoints on disk: what is read back, and what is refused with which words."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from omni_core.model import OmniDecoder
from omni_core.projector import Projector
from omni_core.weights import (
    Checkpoint,
    CheckpointError,
    WeightsMismatch,
    checkpoint_directory,
    save_tensors,
)
from tests.omni_core.reference import random_decoder

PREFIX = "language_model."


def saved(directory: Path, max_shard_bytes: int = 10**9) -> OmniDecoder:
    """A random decoder, written to the directory."""
    model = random_decoder()
    tensors = {PREFIX + name: tensor for name, tensor in model.state_dict().items()}
    save_tensors(tensors, directory, max_shard_bytes)
    return model


def edited(directory: Path, **changes: torch.Tensor | None) -> Checkpoint:
    """The single-file checkpoint with some tensors replaced or removed."""
    file = directory / "model.safetensors"
    tensors = load_file(file)
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, file)
    return Checkpoint(directory)


@pytest.mark.parametrize("shard_bytes", [10**9, 20_000])
def test_checkpoint_gives_back_what_was_saved(tmp_path: Path, shard_bytes: int) -> None:
    model = saved(tmp_path, shard_bytes)
    files = list(tmp_path.glob("*.safetensors"))
    assert (len(files) == 1) == (shard_bytes == 10**9)
    assert (tmp_path / "model.safetensors.index.json").exists() == (len(files) > 1)
    checkpoint = Checkpoint(tmp_path)
    twin = random_decoder(5)
    checkpoint.load_into(twin, PREFIX)
    checkpoint.finish()
    for name, tensor in model.state_dict().items():
        assert torch.equal(twin.state_dict()[name], tensor), name


def test_experts_stand_unstacked_in_the_file(tmp_path: Path) -> None:
    model = saved(tmp_path)
    stem = "backbone.layers.1.mixer.experts"
    raw = load_file(tmp_path / "model.safetensors")
    expert = model.state_dict()[f"{stem}.up_proj"][3]
    assert torch.equal(raw[f"{PREFIX}{stem}.3.up_proj.weight"], expert)
    assert f"{PREFIX}{stem}.up_proj" not in raw
    assert Checkpoint(tmp_path).read(f"{PREFIX}{stem}.up_proj").shape == (8, 24, 32)


def test_loading_converts_to_the_modules_dtype(tmp_path: Path) -> None:
    model = saved(tmp_path)
    half = random_decoder(5).to(torch.bfloat16)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.load_into(half, PREFIX)
    assert torch.equal(half.lm_head.weight, model.lm_head.weight.to(torch.bfloat16))
    assert checkpoint.read(f"{PREFIX}lm_head.weight", torch.float16).dtype == torch.float16


def test_loading_renames(tmp_path: Path) -> None:
    projector = Projector(4, 6, 5, 1e-5)
    numbers = {"norm": "0", "linear1": "1", "linear2": "3"}
    tensors = {
        f"mlp1.{numbers[stem]}.{leaf}": tensor
        for name, tensor in projector.state_dict().items()
        for stem, leaf in [name.split(".")]
    }
    save_tensors(tensors, tmp_path)
    twin = Projector(4, 6, 5, 1e-5)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.load_into(twin, "mlp1.", lambda name: ".".join([numbers[name[:-7]], "weight"]))
    checkpoint.finish()
    x = torch.randn(2, 4)
    assert torch.equal(twin(x), projector(x))


def test_all_mismatches_are_listed_with_the_remedy(tmp_path: Path) -> None:
    saved(tmp_path)
    checkpoint = edited(
        tmp_path,
        **{
            f"{PREFIX}backbone.norm_f.weight": None,
            f"{PREFIX}surprise": torch.zeros(1),
            f"{PREFIX}lm_head.weight": torch.zeros(3, 32),
        },
    )
    twin = random_decoder(5)
    before = {name: tensor.clone() for name, tensor in twin.state_dict().items()}
    with pytest.raises(WeightsMismatch) as error:
        checkpoint.load_into(twin, PREFIX)
    for words in (
        f"missing: {PREFIX}backbone.norm_f.weight",
        f"unexpected: {PREFIX}surprise",
        f"shape of {PREFIX}lm_head.weight: [3, 32] in the file, [61, 32]",
        "Fetch",
    ):
        assert words in str(error.value)
    for name, tensor in twin.state_dict().items():
        assert torch.equal(before[name], tensor)


def test_tensors_nobody_asked_for_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    checkpoint = edited(tmp_path, mystery=torch.zeros(2))
    checkpoint.load_into(random_decoder(5), PREFIX)
    with pytest.raises(WeightsMismatch, match="unexpected: mystery"):
        checkpoint.finish()
    checkpoint.finish(ignore=lambda name: name == "mystery")


def test_experts_with_a_gap_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(WeightsMismatch, match="not numbered"):
        edited(tmp_path, **{f"{PREFIX}backbone.layers.1.mixer.experts.3.up_proj.weight": None})


def test_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged.*fetch it again"):
        Checkpoint(tmp_path)


def test_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match="damaged or no safetensors"):
        Checkpoint(tmp_path)


def test_missing_shard_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path, 20_000)
    next(tmp_path.glob("model-00002-*")).unlink()
    with pytest.raises(CheckpointError, match="lacks model-00002-of"):
        Checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"weight_map": 3})])
def test_broken_index_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="not a safetensors index"):
        Checkpoint(tmp_path)


def test_directory_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no \*\.safetensors"):
        Checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="not a directory"):
        Checkpoint(tmp_path / "nowhere")


def test_checkpoint_directory_takes_paths_and_refuses_nonsense(tmp_path: Path) -> None:
    assert checkpoint_directory(tmp_path) == tmp_path
    with pytest.raises(CheckpointError, match="neither a directory nor a Hub id"):
        checkpoint_directory(tmp_path / "nowhere")
