"""Pictures and videos, against transformers' Nemotron Omni on the same weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.nemotron_h_omni.modeling_nemotron_h_omni import compute_retention_mask

from omni_core.pictures import VisionConfig, as_rgb, image_grid, prepare, video_grid
from omni_core.vision import retained
from omni_core.weights import WeightsMismatch
from tests.voice.tiny import reference, write_tiny
from voice import load

REAL = VisionConfig()
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), seed=1)


@pytest.fixture(scope="module")
def tower(directory):
    return load(directory).vision


@pytest.fixture(scope="module")
def omni(directory):
    return reference(directory)


def picture(height, width):
    return Image.fromarray(RNG.integers(0, 255, (height, width, 3), dtype=np.uint8))


def patches(pixels, size=16):
    """[1, 3, H, W] as the rows [h·w, 3·size²] that transformers takes."""
    return torch.nn.functional.unfold(pixels, size, stride=size)[0].T


@pytest.mark.parametrize("size", [(50, 90), (200, 33), (16, 16), (128, 128)])
def test_image_equals_the_reference(tower, omni, size):
    image = picture(*size)
    h, w = image_grid(*size, tower.config)
    pixels = prepare(as_rgb(image)[None], h, w, tower.config)
    with torch.no_grad():
        expected = omni.get_image_features(patches(pixels), torch.tensor([[h, w]])).pooler_output[0]
    got = tower.embed_image(image)
    assert got.shape == (h * w // 4, 32)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 4, 5])
@pytest.mark.parametrize("rate", [0.0, 0.5, 0.9])
def test_video_equals_the_reference(tower, omni, frames, rate):
    pictures = [picture(40, 60) for _ in range(frames)]
    h, w = video_grid(40, 60, tower.config)
    pixels = prepare(torch.stack([as_rgb(p) for p in pictures]), h, w, tower.config)
    with torch.no_grad():
        expected = omni.get_video_features(pixels).pooler_output
    # The reference's own forward pass guesses a square grid; the rule is the same for any grid.
    groups = len(expected)
    mask = compute_retention_mask(
        video_embeds=expected, thw=(groups, h // 2, w // 2), spatial_merge_size=1, q=rate
    ).view(groups, -1)
    got = tower.embed_video(pictures, pruning_rate=rate)
    assert len(got) == groups
    for group, reference_group, kept in zip(got, expected, mask, strict=True):
        torch.testing.assert_close(group, reference_group[kept], rtol=1e-4, atol=1e-4)


def test_pruning_keeps_the_first_group_and_what_changes():
    embeddings = torch.randn(3, 4, 8)
    embeddings[1] = embeddings[0]
    embeddings[2, :2] = embeddings[1, :2]
    kept = retained(embeddings, 0.5)
    assert kept.tolist() == [[True] * 4, [False] * 4, [False, False, True, True]]
    assert retained(embeddings, 0.99).sum() == 4


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((224, 224), (32, 32)),  # 256 positions
        ((32, 64), (24, 46)),  # 276 positions
        ((2000, 2000), (114, 116)),  # over the limit of 13312 patches
        ((1, 5000), (2, 568)),
    ],
)
def test_image_grid_of_the_real_model(size, grid):
    got = image_grid(*size, REAL)
    assert got == grid


def test_video_grid_of_the_real_model():
    assert video_grid(480, 640, REAL) == (28, 36)
    assert video_grid(512, 512, REAL) == (32, 32)


def test_picture_comes_as_pil_array_or_tensor(tower):
    image = picture(40, 60)
    array = np.array(image)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    expected = tower.embed_image(image)
    assert torch.equal(tower.embed_image(array), expected)
    assert torch.equal(tower.embed_image(tensor), expected)


def test_picture_is_turned_upright_as_its_camera_says(tower):
    image = picture(40, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 270° to show
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.info["exif"] = exif.tobytes()
    assert torch.equal(tower.embed_image(turned), tower.embed_image(image))


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4)), torch.zeros(4, 4, 3), "cat.png", np.full((8, 8, 3), np.nan)]
)
def test_what_is_no_picture_is_refused(tower, bad):
    with pytest.raises(ValueError, match="picture"):
        tower.embed_image(bad)


def test_video_of_several_sizes_is_refused(tower):
    with pytest.raises(ValueError, match="one size"):
        tower.embed_video([picture(40, 60), picture(60, 40)])
    with pytest.raises(ValueError, match="one size"):
        tower.embed_video([])
    with pytest.raises(ValueError, match="pruning_rate"):
        tower.embed_video([picture(40, 60)], pruning_rate=1.0)


def test_tower_of_another_shape_is_refused(directory, tmp_path):
    copy = shutil.copytree(directory, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 3
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsMismatch, match=r"missing: .*blocks\.2\.attn\.qkv"):
        load(copy)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"vision_config": {"args": {"model": "vit_large"}}}, "vit_large"),
        ({"ps_version": "v1"}, "v1"),
        ({"downsample_ratio": 0.4}, "whole number"),
        ({"vision_config": {"hidden_size": 30, "num_attention_heads": 4}}, "multiple"),
        ({"video_temporal_patch_size": 1}, "at least 2"),
        ({"vision_config": {"min_num_patches": 2}}, "min_num_patches"),
    ],
)
def test_impossible_vision_config_is_named(config, message):
    with pytest.raises(ValueError, match=message):
        VisionConfig.from_dict(config)
