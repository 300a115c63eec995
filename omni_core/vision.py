"""Images and videos to decoder embeddings: C-RADIO tower, pixel shuffle, projector.

The tower is transformers' `RadioModel`, imported when one is built.

Letters: h, w patches; N positions; D hidden size of the decoder; G groups of frames.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_core.pictures import Picture, VisionConfig, as_rgb, image_grid, prepare, video_grid
from omni_core.projector import Projector
from omni_core.weights import Checkpoint

_PROJECTOR_EPS = 1e-5


class VisionTower(nn.Module):
    """C-RADIO, pixel shuffle and projector (`mlp1`). Starts in eval mode."""

    def __init__(self, config: VisionConfig, output_size: int) -> None:
        from transformers import RadioConfig, RadioModel

        super().__init__()
        self.config = config
        radio_config = RadioConfig(
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            mlp_ratio=config.mlp_ratio,
            patch_size=config.patch_size,
            max_img_size=config.max_img_size,
            video_temporal_patch_size=config.video_temporal_patch_size,
        )
        self.radio = RadioModel(radio_config)
        # Pixels are normalised before they come here, as in NVIDIA's image processor.
        self.radio.make_preprocessor_external()
        merged = config.hidden_size * config.merge**2
        self.projector = Projector(
            merged, config.projector_hidden_size, output_size, _PROJECTOR_EPS
        )
        self.eval()

    @torch.no_grad()
    def embed_image(self, image: Picture) -> Tensor:
        """Decoder embeddings [N, D] of one picture; N = h·w / merge², row by row.

        Raises:
            ValueError: no picture of a kind named at `Picture`.
        """
        pixels = as_rgb(image)
        height, width = pixels.shape[-2:]
        h, w = image_grid(height, width, self.config)
        return self.embed(prepare(pixels[None], h, w, self.config))[0]

    @torch.no_grad()
    def embed_video(
        self, frames: Sequence[Picture], pruning_rate: float | None = None
    ) -> list[Tensor]:
        """Decoder embeddings of a video, one tensor [N, D] for each group of frames.

        Frames go through the tower in groups of `video_temporal_patch_size`, the last frame
        repeated to fill the last group.

        Args:
            frames: pictures of one size, at least one.
            pruning_rate: share of positions to drop, the ones most alike to the group before
                (efficient video sampling); the checkpoint's `video_pruning_rate` by default.

        Raises:
            ValueError: no frames, frames of several sizes, or a rate outside [0, 1).
        """
        rate = self.config.video_pruning_rate if pruning_rate is None else pruning_rate
        per_group = self.config.video_temporal_patch_size
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"pruning_rate={rate} must lie in [0, 1)")
        pictures = [as_rgb(frame) for frame in frames]
        sizes = {(picture.shape[-2], picture.shape[-1]) for picture in pictures}
        if len(sizes) != 1:
            raise ValueError(
                f"a video needs frames of one size, at least one frame; got {len(pictures)} "
                f"frames of sizes {sorted(sizes)}"
            )
        ((height, width),) = sizes
        h, w = video_grid(height, width, self.config)
        pixels = prepare(torch.stack(pictures), h, w, self.config)
        missing = -len(pixels) % per_group
        pixels = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)])
        groups = pixels.unflatten(0, (-1, per_group)).flatten(1, 2)
        embeddings = self.embed(groups)
        kept = retained(embeddings, rate)
        return [group[mask] for group, mask in zip(embeddings, kept, strict=True)]

    def embed(self, pixels: Tensor) -> Tensor:
        """Embeddings [G, N, D] of normalised pixels [G, channels, H, W]."""
        return self.projector(self.patches(pixels))

    def patches(self, pixels: Tensor) -> Tensor:
        """What the projector gets, [G, N, merged], of normalised pixels [G, channels, H, W]."""
        patch, merge = self.config.patch_size, self.config.merge
        h, w = pixels.shape[-2] // patch, pixels.shape[-1] // patch
        weight = self.projector.linear1.weight
        features = self.radio(pixels.to(weight.device, weight.dtype)).features
        # Pixel shuffle v2: channels of a merged patch are ordered row, column, channel.
        blocks = features.unflatten(1, (h // merge, merge, w // merge, merge))
        return blocks.transpose(2, 3).flatten(3, 5).flatten(1, 2)

    def raw_tensors(self) -> dict[str, Tensor]:
        """The tower's weights by NVIDIA's names, from `vision_model.` and `mlp1.` on."""
        radio = self.radio.state_dict()
        raw = {
            f"mlp1.{_MLP1[name.split('.')[0]]}.weight": tensor
            for name, tensor in self.projector.state_dict().items()
        }
        for name, tensor in radio.items():
            if any(part in name for part in (_LAYER_SCALE, _SUMMARY, "k_proj", "v_proj")):
                continue
            if "q_proj" in name:
                parts = [radio[name.replace("q_proj", x)] for x in ("q_proj", "k_proj", "v_proj")]
                tensor = torch.cat(parts)
            raw[_RADIO + _raw_name(name)] = tensor
        return raw

    def load_raw(self, checkpoint: Checkpoint) -> None:
        """Fills the tower from a checkpoint; its weights must be off the meta device.

        Raises:
            WeightsMismatch: tensors missing, unexpected or of another shape.
        """
        own = self.radio.state_dict()
        raw = {name: torch.empty_like(tensor) for name, tensor in self.raw_tensors().items()}
        for name, tensor in own.items():
            if _LAYER_SCALE in name and _RADIO + _raw_name(name) in checkpoint.shapes:
                raw[_RADIO + _raw_name(name)] = torch.empty_like(tensor)
        for prefix in (_RADIO, "mlp1."):
            below = {n.removeprefix(prefix): t for n, t in raw.items() if n.startswith(prefix)}
            checkpoint.load_into(_Named(below), prefix, ignore=_UNUSED)
        weights = {f"projector.{ours}.weight": raw[f"mlp1.{n}.weight"] for ours, n in _MLP1.items()}
        for name, tensor in own.items():
            fused = re.sub("[qkv]_proj", "q_proj", name)
            if name == _SUMMARY:
                weights[f"radio.{name}"] = torch.zeros_like(tensor)
            elif _LAYER_SCALE in name:
                identity = torch.ones_like(tensor)
                weights[f"radio.{name}"] = raw.get(_RADIO + _raw_name(name), identity)
            elif "q_proj" in fused:
                which = ("q_proj", "k_proj", "v_proj").index(name.split(".")[-2])
                weights[f"radio.{name}"] = raw[_RADIO + _raw_name(fused)].chunk(3)[which]
            else:
                weights[f"radio.{name}"] = raw[_RADIO + _raw_name(name)]
        self.load_state_dict(weights)


class _Named(nn.Module):
    """Tensors under names of their own, for `Checkpoint.load_into`."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self._tensors = tensors

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:  # type: ignore[override]
        return self._tensors


_RADIO = "vision_model.radio_model."
_MLP1 = {"norm": 0, "linear1": 1, "linear2": 3}
_NAMES = {
    "embeddings.patch_projection": "model.patch_generator.embedder",
    "embeddings.video_patch_projection": "model.patch_generator.video_embedder",
    "embeddings.position_embedding": "model.patch_generator.pos_embed",
    "embeddings.cls_register_token": "model.patch_generator.cls_token.token",
    "encoder.layer.": "model.blocks.",
    "attention.o_proj": "attn.proj",
    "attention.q_proj": "attn.qkv",
}
"""transformers' names, and what the checkpoint calls them (q, k and v are one tensor there)."""
_LAYER_SCALE = ".layer_scale"
"""Factors that NVIDIA's checkpoint has not (they are one) and transformers writes."""
_SUMMARY = "summary_idxs"
"""Chooses tokens for a summary that nobody reads here."""
_UNUSED = ("input_conditioner.norm_mean", "input_conditioner.norm_std", _SUMMARY)
"""What the checkpoint may have and nobody needs."""


def _raw_name(name: str) -> str:
    for ours, raw in _NAMES.items():
        name = name.replace(ours, raw)
    return name


def retained(embeddings: Tensor, pruning_rate: float) -> Tensor:
    """Which positions [G, N] of a video's embeddings [G, N, D] efficient video sampling keeps.

    A position counts by how little it resembles the same place one group earlier; the first
    group is always kept (EVS, arXiv 2510.14624).
    """
    groups, positions, _ = embeddings.shape
    change = 1 - F.cosine_similarity(embeddings[1:], embeddings[:-1], dim=-1)
    first = change.new_full((1, positions), 255.0)
    order = torch.cat([first, change]).flatten().argsort(descending=True, stable=True)
    count = max(positions, int(groups * positions * (1 - pruning_rate)))
    kept = torch.zeros(groups * positions, dtype=torch.bool, device=embeddings.device)
    kept[order[:count]] = True
    return kept.view(groups, positions)
