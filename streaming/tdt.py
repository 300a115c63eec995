"""Speech recognition: the same encoder with a token-and-duration transducer (TDT) on top.

Xu et al. 2023 (arXiv 2304.06795), as in nvidia/parakeet-tdt-0.6b. For an encoder step and the last
token, the joint network predicts a token, or blank, and how many steps to move on. Modules are
named as in transformers' `ParakeetForTDT`, whose directories `ParakeetTdt.load` reads.

Letters: T encoder steps, D their width, W width of the prediction network, V tokens with blank.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from streaming.config import EncoderConfig
from streaming.encoder import STEP_MS, ParakeetEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TdtConfig:
    """Sizes, under the names of transformers' `ParakeetTDTConfig`.

    Raises:
        ValueError: sizes that do not fit each other.
    """

    encoder: EncoderConfig
    vocab_size: int
    """Tokens, blank included."""
    blank_token_id: int
    decoder_hidden_size: int = 640
    num_decoder_layers: int = 2
    durations: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Steps to move on, one per output of the duration head."""
    max_symbols_per_step: int = 10
    """Tokens without moving on before the decoder is made to."""

    def __post_init__(self) -> None:
        if not 0 <= self.blank_token_id < self.vocab_size:
            raise ValueError(
                f"blank_token_id={self.blank_token_id} must lie below vocab_size={self.vocab_size}"
            )
        if not self.durations or min(self.durations) < 0 or self.max_symbols_per_step < 1:
            raise ValueError(
                f"durations={self.durations} must be some numbers ≥ 0 and "
                f"max_symbols_per_step={self.max_symbols_per_step} at least 1"
            )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "TdtConfig":
        """Reads the `config.json` of a `ParakeetForTDT`.

        Raises:
            ValueError: another model, or a key missing.
        """
        if config.get("model_type") != "parakeet_tdt" or config.get("hidden_act", "relu") != "relu":
            raise ValueError(
                f"model_type {config.get('model_type')!r} with hidden_act "
                f"{config.get('hidden_act')!r} is no Parakeet TDT; use a checkpoint that "
                "transformers loads as ParakeetForTDT"
            )
        sound = config.get("encoder_config", {})
        # transformers' defaults for these differ from NVIDIA's, so silence would be ambiguous.
        needed = {"attention_bias", "convolution_bias", "scale_input", "num_mel_bins"}
        missing = sorted(needed - sound.keys()) + sorted(
            {"vocab_size", "blank_token_id"} - config.keys()
        )
        if missing:
            raise ValueError(f"config.json lacks {', '.join(missing)}; state them explicitly")
        names = ("vocab_size", "blank_token_id", "decoder_hidden_size", "num_decoder_layers")
        values = {name: config[name] for name in names if name in config}
        return cls(
            encoder=EncoderConfig.from_dict(sound),
            durations=tuple(config.get("durations", (0, 1, 2, 3, 4))),
            max_symbols_per_step=config.get("max_symbols_per_step", 10),
            **values,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedToken:
    """A token and where it is spoken."""

    token: int
    start_step: int
    """The encoder step that emitted it."""
    duration_steps: int
    """Steps the decoder moved on; 0 if another token shares the step."""

    @property
    def start_ms(self) -> int:
        """Where it begins, from the start of the audio."""
        return self.start_step * STEP_MS

    @property
    def end_ms(self) -> int:
        """Where it ends, from the start of the audio."""
        return (self.start_step + self.duration_steps) * STEP_MS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TdtState:
    """What the decoder remembers between encoder steps; never changed, only replaced."""

    seen_steps: int
    """Encoder steps decoded so far."""
    next_step: int
    """The next step to look at; a duration may lead beyond what has been seen."""
    memory: tuple[Tensor, Tensor]
    """h and c of the LSTM, [layers, W]."""
    prediction: Tensor
    """The prediction network's output for the last token [W]."""


class PredictionNetwork(nn.Module):
    """Embedding → LSTM → projection: a language model over the tokens so far."""

    def __init__(self, config: TdtConfig) -> None:
        super().__init__()
        width = config.decoder_hidden_size
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.lstm = nn.LSTM(width, width, config.num_decoder_layers)
        self.decoder_projector = nn.Linear(width, width)

    def forward(
        self, token: int, memory: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One token on: the prediction [W] and the LSTM's new memory."""
        output, memory = self.lstm(self.embedding.weight[token][None], memory)
        return self.decoder_projector(output[0]), memory


class JointNetwork(nn.Module):
    """Scores of all tokens and durations for one encoder step and one prediction."""

    def __init__(self, config: TdtConfig) -> None:
        super().__init__()
        outputs = config.vocab_size + len(config.durations)
        self.head = nn.Linear(config.decoder_hidden_size, outputs)

    def forward(self, step: Tensor, prediction: Tensor) -> Tensor:
        """[W] and [W] → [V + durations]."""
        return self.head((step + prediction).relu_())


class ParakeetTdt(nn.Module):
    """Encoder, prediction network and joint network. Starts in eval mode."""

    def __init__(self, config: TdtConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ParakeetEncoder(config.encoder)
        self.encoder_projector = nn.Linear(config.encoder.hidden_size, config.decoder_hidden_size)
        self.decoder = PredictionNetwork(config)
        self.joint = JointNetwork(config)
        self.eval()

    @classmethod
    def load(cls, directory: str | Path) -> "ParakeetTdt":
        """Reads `config.json` and the `*.safetensors` of a `ParakeetForTDT` directory.

        Raises:
            ValueError: files are missing, or tensors do not fit the configuration.
        """
        directory = Path(directory)
        files = sorted(directory.glob("*.safetensors"))
        if not files or not (directory / "config.json").is_file():
            raise ValueError(
                f"{directory} needs config.json and *.safetensors; give the directory of a "
                "ParakeetForTDT checkpoint"
            )
        model = cls(TdtConfig.from_dict(json.loads((directory / "config.json").read_text())))
        tensors = {name: value for file in files for name, value in load_file(file).items()}
        # Our encoder keeps its tower one name deeper.
        deeper = {
            "encoder.conformer." + name.removeprefix("encoder.")
            if name.startswith("encoder.")
            else name: value
            for name, value in tensors.items()
        }
        try:
            model.load_state_dict(deeper)
        except RuntimeError as error:
            raise ValueError(f"the weights in {directory} do not fit its config: {error}") from None
        return model

    @torch.no_grad()
    def new_state(self) -> TdtState:
        """The state before the first step; blank is also the start symbol."""
        prediction, memory = self.decoder(self.config.blank_token_id, None)
        return TdtState(seen_steps=0, next_step=0, memory=memory, prediction=prediction)

    @torch.no_grad()
    def decode(self, steps: Tensor, state: TdtState) -> tuple[list[TimedToken], TdtState]:
        """Decodes further encoder steps greedily, however they are cut into calls.

        The prediction network runs once per token, the joint network once per step looked at
        (label looping, Galvez et al. 2024, arXiv 2406.06220).

        Args:
            steps: [T, D], any number, following those that led to `state`.
            state: from `new_state` or an earlier call; it stays valid.

        Returns:
            The new tokens and the state after them.
        """
        vocab = self.config.vocab_size
        projected = self.encoder_projector(steps)
        end = state.seen_steps + len(steps)
        at, symbols = state.next_step, 0
        memory, prediction = state.memory, state.prediction
        tokens = []
        while at < end:
            scores = self.joint(projected[at - state.seen_steps], prediction)
            token = int(scores[:vocab].argmax())
            duration = self.config.durations[int(scores[vocab:].argmax())]
            if token == self.config.blank_token_id:
                duration = max(1, duration)
            else:
                tokens.append(TimedToken(token=token, start_step=at, duration_steps=duration))
                prediction, memory = self.decoder(token, memory)
            symbols = 0 if duration else symbols + 1
            if symbols == self.config.max_symbols_per_step:
                duration, symbols = 1, 0
            at += duration
        after = TdtState(seen_steps=end, next_step=at, memory=memory, prediction=prediction)
        return tokens, after

    def transcribe(
        self, waveform: Tensor | np.ndarray, *, sampling_rate: int = 16000
    ) -> list[TimedToken]:
        """Tokens of a whole audio, see `ParakeetEncoder.encode` for what it may be."""
        steps = self.encoder.encode(waveform, sampling_rate=sampling_rate)
        return self.decode(steps, self.new_state())[0]
