"""A loaded checkpoint: the decoder, and everything that turns sound, pictures and text into input.

Modules hold weights only and are shared by any number of conversations.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from omni_core.model import OmniDecoder
from omni_core.pictures import Picture
from omni_core.projector import Projector
from omni_core.vision import VisionTower
from streaming.encoder import ParakeetEncoder
from voice.checkpoint import CheckpointConfig
from voice.errors import MissingPart
from voice.prompt import Media, MediaKind, Piece, Prompt, merge_pieces, video_pieces

T = TypeVar("T")


class Assistant:
    """The parts of one checkpoint; make it with `voice.load`.

    Attributes:
        model: the decoder.
        tokenizer: of the checkpoint.
        prompt: renders conversations for this checkpoint.
        config: what the checkpoint is made of.
        stop_token_ids: tokens that end a reply.
        min_reply_tokens: that a reply has wherever one has to come. A checkpoint whose empty reply
            means that the turn is not over says so at its first token, and must not say it then.

    Raises:
        MissingPart: (from any attribute or method) the checkpoint has no sound or no vision part.
    """

    def __init__(
        self,
        *,
        model: OmniDecoder,
        tokenizer: PreTrainedTokenizerBase,
        config: CheckpointConfig,
        encoder: ParakeetEncoder | None = None,
        sound_projection: Projector | None = None,
        vision: VisionTower | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.prompt = Prompt(tokenizer)
        self.config = config
        self.stop_token_ids = config.stop_token_ids
        self.min_reply_tokens = 1 if config.turn_end_signal == "empty_reply" else 0
        self._encoder = encoder
        self._sound_projection = sound_projection
        self._vision = vision

    @property
    def hears(self) -> bool:
        """Whether the checkpoint has a sound encoder."""
        return self._encoder is not None

    @property
    def sees(self) -> bool:
        """Whether the checkpoint has a vision tower."""
        return self._vision is not None

    @property
    def encoder(self) -> ParakeetEncoder:
        """Samples to encoder steps, whole or streamed."""
        return _present(self._encoder, "sound encoder", "sound_config")

    @property
    def sound_projection(self) -> Projector:
        """Encoder steps to decoder embeddings."""
        return _present(self._sound_projection, "sound encoder", "sound_config")

    @property
    def vision(self) -> VisionTower:
        """Pictures to decoder embeddings."""
        return _present(self._vision, "vision tower", "vision_config")

    @torch.no_grad()
    def project(self, encoder_steps: Tensor) -> Tensor:
        """Decoder embeddings [steps, hidden] of encoder steps [steps, encoder hidden]."""
        return self.sound_projection(encoder_steps)

    def embed_audio(self, waveform: Tensor | np.ndarray) -> Tensor:
        """Decoder embeddings [steps, hidden] of a whole audio, exactly as the reference has them.

        Args:
            waveform: float32 mono 16 kHz within [−1, 1], [samples]; beyond 30 s it is encoded in
                clips of 30 s.

        Raises:
            ValueError: audio that is empty, not finite, or of another kind.
        """
        return self.project(self.encoder.encode(waveform))

    def embed_image(self, image: Picture) -> Tensor:
        """Decoder embeddings [positions, hidden] of a picture; what goes inside `<img>…</img>`.

        Raises:
            ValueError: no picture.
        """
        return self.vision.embed_image(image)

    def embed_video(
        self,
        frames: Sequence[Picture],
        fps: float | None = None,
        pruning_rate: float | None = None,
    ) -> Tensor:
        """Decoder embeddings [positions, hidden] of a video, text lines and frame tokens included.

        Args:
            frames: pictures of one size, in order.
            fps: frames per second; None leaves the times out of the text.
            pruning_rate: share of positions to drop; the checkpoint's own by default.

        Raises:
            ValueError: no frames, or frames of several sizes.
        """
        groups = self.vision.embed_video(frames, pruning_rate)
        per_group = self.vision.config.video_temporal_patch_size
        pieces = video_pieces(len(frames), fps, frames_per_group=per_group)
        parts = [
            groups[piece.group] if isinstance(piece, Media) else self.embed_text(piece)
            for piece in pieces
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def embed_text(self, text: str) -> Tensor:
        """Decoder embeddings [tokens, hidden] of a piece of a prompt."""
        tokens = self.prompt.encode(text)
        return self.model.embed(torch.tensor(tokens, dtype=torch.long, device=self.model.device))

    def embed_prompt(
        self,
        pieces: Sequence[Piece],
        *,
        images: Sequence[Picture] = (),
        videos: Sequence[Tensor] = (),
        audios: Sequence[Tensor | np.ndarray] = (),
    ) -> Tensor:
        """Decoder embeddings [positions, hidden] of a whole prompt, for `model.prefill`.

        Args:
            pieces: as `prompt.pieces` makes them.
            images: the prompt's pictures, in order.
            videos: what `embed_video` returned, in order.
            audios: waveforms, in order.

        Raises:
            ValueError: the prompt has places for another number of media.
        """
        places = [piece.kind for piece in pieces if isinstance(piece, Media)]
        given: dict[MediaKind, Sequence] = {"image": images, "video": videos, "audio": audios}
        for kind, media in given.items():
            if places.count(kind) != len(media):
                raise ValueError(
                    f"the prompt has {places.count(kind)} places for {kind}, but {len(media)} "
                    "came; give as many as the messages name"
                )
        parts = []
        for piece in merge_pieces(pieces):
            match piece:
                case Media(kind="image", index=index):
                    parts.append(self.embed_image(images[index]))
                case Media(kind="video", index=index):
                    parts.append(videos[index])
                case Media(kind="audio", index=index):
                    parts.append(self.embed_audio(audios[index]))
                case str():
                    parts.append(self.embed_text(piece))
        return torch.cat(parts)


def _present(part: T | None, name: str, block: str) -> T:
    if part is None:
        raise MissingPart(
            f"this checkpoint has no {name} (no {block} in its config.json); load a Nemotron Omni "
            "checkpoint that has one"
        )
    return part
