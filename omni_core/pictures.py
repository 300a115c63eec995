"""Pictures to normalised pixels: how large the vision tower sees them, and the resizing.

The arithmetic is that of NVIDIA's image and video processors (bicubic in float32, with
antialiasing, without clamping), so that neither torchvision nor a processor object is needed.

Letters: H, W pixels; h, w patches; F frames.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

Picture = Image.Image | np.ndarray | Tensor
"""A PIL image, or RGB values 0 … 255: an array [H, W, 3] or a tensor [3, H, W]."""

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """Sizes of the vision tower and limits of its input, from a checkpoint's `config.json`.

    NVIDIA's file names neither width nor depth of the tower; the defaults are ViT-H/16, which it
    means by `vit_huge_patch16_224`.

    Raises:
        ValueError: sizes that do not fit each other, or a tower that Parley does not implement.
    """

    hidden_size: int = 1280
    num_hidden_layers: int = 32
    num_attention_heads: int = 16
    mlp_ratio: float = 4.0
    patch_size: int = 16
    max_img_size: int = 2048
    """Side of the image that the position table covers, in pixels."""
    video_temporal_patch_size: int = 2
    """Frames per group."""
    downsample_ratio: float = 0.5
    """1 / patches that the pixel shuffle merges per side."""
    projector_hidden_size: int = 20480
    min_num_patches: int = 1024
    max_num_patches: int = 13312
    video_target_num_patches: int = 1024
    """Patches of a video frame, about."""
    video_maintain_aspect_ratio: bool = True
    video_pruning_rate: float = 0.0
    """Share of a video's positions that efficient video sampling drops."""
    norm_mean: tuple[float, ...] = _CLIP_MEAN
    norm_std: tuple[float, ...] = _CLIP_STD

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"vision hidden_size={self.hidden_size} must be a multiple of "
                f"num_attention_heads={self.num_attention_heads}"
            )
        if self.merge < 1 or not math.isclose(self.downsample_ratio * self.merge, 1.0):
            raise ValueError(
                f"downsample_ratio={self.downsample_ratio} must be 1 over a whole number"
            )
        if not self.merge**2 <= self.min_num_patches <= self.max_num_patches:
            raise ValueError(
                f"min_num_patches={self.min_num_patches} must lie between {self.merge**2} and "
                f"max_num_patches={self.max_num_patches}"
            )
        if self.video_temporal_patch_size < 2:
            # Groups of frames are told from images by their channels.
            raise ValueError(
                f"video_temporal_patch_size={self.video_temporal_patch_size} must be at least 2"
            )
        if not 0.0 <= self.video_pruning_rate < 1.0:
            raise ValueError(f"video_pruning_rate={self.video_pruning_rate} must lie in [0, 1)")

    @property
    def merge(self) -> int:
        """Patches that the pixel shuffle merges per side."""
        return round(1 / self.downsample_ratio)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "VisionConfig":
        """Reads a whole `config.json`: its `vision_config` block and the keys beside it.

        Raises:
            ValueError: a value that is impossible or that Parley does not implement.
        """
        block = config.get("vision_config") or {}
        model = (block.get("args") or {}).get("model", "vit_huge_patch16_224")
        if "hidden_size" not in block and model != "vit_huge_patch16_224":
            raise ValueError(
                f"vision_config has args.model={model!r}, but Parley knows only the sizes of "
                "'vit_huge_patch16_224'; add hidden_size, num_hidden_layers and "
                "num_attention_heads to vision_config"
            )
        if config.get("ps_version", "v2") != "v2":
            raise ValueError(
                f"config.json has ps_version={config['ps_version']!r}, but Parley implements only "
                "'v2'; use a Nemotron Omni checkpoint"
            )
        values = {name: config[name] for name in _BESIDE_THE_BLOCK if config.get(name) is not None}
        values |= {
            f.name: block[f.name] for f in fields(cls) if f.name in block.keys() - _PROCESSOR
        }
        for name in _PROCESSOR & values.keys():
            values[name] = tuple(values[name])
        return cls(**values)


_BESIDE_THE_BLOCK = (
    "patch_size",
    "downsample_ratio",
    "projector_hidden_size",
    "video_temporal_patch_size",
    "video_pruning_rate",
    "norm_mean",
    "norm_std",
)
"""Keys at the top of `config.json`; where `vision_config` has them too, that one wins."""
_PROCESSOR = {"norm_mean", "norm_std"}
"""Except for these, which describe the image processor and not the tower."""


def image_grid(height: int, width: int, config: VisionConfig) -> tuple[int, int]:
    """Patches (h, w) that an image of H×W pixels is resized to, as in NVIDIA's processor.

    As near to its own size as `min_num_patches` and `max_num_patches` allow, and even.
    """
    low, high, merge = config.min_num_patches, config.max_num_patches, config.merge
    h = round(height / config.patch_size + 0.5)
    w = round(width / config.patch_size + 0.5)
    if h * w > high:
        shrink = math.sqrt(high / (h * w))
        h, w = math.floor(h * shrink), math.floor(w * shrink)
    if h * w < low < high:
        # A picture of extreme shape has no row of patches left.
        grow = math.sqrt(low / max(h * w, 1))
        h, w = math.ceil(max(h, 1) * grow), math.ceil(max(w, 1) * grow)
    h = _to_multiple(h, merge, fits=lambda up: up * w <= high)
    w = _to_multiple(w, merge, fits=lambda up: h * up <= high)
    return h, w


def video_grid(height: int, width: int, config: VisionConfig) -> tuple[int, int]:
    """Patches (h, w) that every frame of a video is resized to, as in NVIDIA's processor."""
    target, merge = config.video_target_num_patches, config.merge
    if not config.video_maintain_aspect_ratio:
        side = max(merge, math.isqrt(target) // merge * merge)
        return side, side
    aspect = width / height
    h = max(round(math.sqrt(target / aspect)), 1)
    w = max(round(math.sqrt(target * aspect)), 1)
    up = (math.ceil(h / merge) * merge, math.ceil(w / merge) * merge)
    if up[0] * up[1] <= target:
        return up
    return max(merge, h // merge * merge), max(merge, w // merge * merge)


def prepare(frames: Tensor, h: int, w: int, config: VisionConfig) -> Tensor:
    """Frames [F, 3, H, W] of 0 … 255, resized to h·w patches and normalised, float32."""
    size = (h * config.patch_size, w * config.patch_size)
    if frames.shape[-2:] != size:
        frames = F.interpolate(
            frames, size=size, mode="bicubic", align_corners=False, antialias=True
        )
    mean = torch.tensor(config.norm_mean)[:, None, None]
    std = torch.tensor(config.norm_std)[:, None, None]
    return (frames / 255.0 - mean) / std


def _to_multiple(count: int, merge: int, fits: Callable[[int], bool]) -> int:
    """Up to the next multiple of `merge` if that fits, else down."""
    up = math.ceil(count / merge) * merge
    return up if up == count or fits(up) else max(merge, count // merge * merge)


def as_rgb(picture: Picture) -> Tensor:
    """Float32 RGB [3, H, W] of 0 … 255.

    Raises:
        ValueError: no picture of a kind named at `Picture`, an empty one, or one with NaN.
    """
    if isinstance(picture, Image.Image):
        # Cameras store how they were held instead of turning the pixels.
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        return torch.from_numpy(np.array(upright)).permute(2, 0, 1).float()
    if isinstance(picture, np.ndarray):
        picture = torch.from_numpy(picture).movedim(-1, 0)
    if not isinstance(picture, Tensor) or picture.dim() != 3 or picture.shape[0] != 3:
        shape = list(getattr(picture, "shape", []))
        raise ValueError(
            f"a picture must be a PIL image, an array [H, W, 3] or a tensor [3, H, W] with values "
            f"0 … 255, not {type(picture).__name__} {shape}"
        )
    if not picture.numel() or not picture.isfinite().all():
        raise ValueError("the picture is empty or holds NaN; check the file it comes from")
    return picture.float()
