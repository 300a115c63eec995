"""`parley train`: tokenizer, stages, checkpoint; every part goes on from where it stopped."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from voice.training.recipe import STAGES, VOCABULARY_SIZE, StageSettings
from voice.training.replicas import run_replicas
from voice.training.sequences import SPELL_WORDS, TRANSCRIBE
from voice.training.skills import sample_conversation, training_sentences
from voice.training.stages import goes_on, train_stage
from voice.training.tokenizer import build_tokenizer

TOKENIZER_TEXTS = 60_000
NO_CHANGES: Mapping[str, int] = MappingProxyType({})


def open_tokenizer(directory: Path, seed: int = 0) -> PreTrainedTokenizerBase:
    """The run's tokenizer; trained on generated text the first time."""
    folder = directory / "tokenizer"
    if not folder.exists():
        rng = random.Random(seed)
        # Often enough that what frames every turn becomes few tokens.
        texts = [TRANSCRIBE, SPELL_WORDS, "user\n", "assistant\n", "system\n"] * 2000
        for _ in range(TOKENIZER_TEXTS):
            texts.append(training_sentences(rng))
            for turn in sample_conversation(rng, "train").turns:
                texts += [turn.user, turn.reply]
        build_tokenizer(texts, VOCABULARY_SIZE).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def train(
    directory: Path,
    stages: list[str],
    device: str,
    threads: int,
    seed: int = 0,
    replicas: int = 1,
    steps: Mapping[str, int] = NO_CHANGES,
    rate: float = 1.0,
    blend: float = 1.0,
) -> None:
    """Runs the named stages in the recipe's order.

    Args:
        directory: of the run: checkpoints, logs, tokenizer.
        stages: names from the recipe.
        device: torch device, ``cpu`` or ``cuda``.
        threads: of torch; one where another process is busy on the same cores.
        seed: of data and initialisation.
        replicas: processes that train together, each with as large a batch (CPU only).
        steps: stage → its number of steps, where it is not the recipe's.
        rate: factor on the recipe's learning rates.
        blend: part of what a stage ends with in its weights, above 0, at most 1; the rest is what
            it began with (WiSE-FT, arXiv 2109.01903), if that is another stage's. What goes on
            from a trained one with other data then forgets less of what it knew.
    """
    directory.mkdir(parents=True, exist_ok=True)
    open_tokenizer(directory, seed)
    settings = {
        name: replace(
            stage,
            steps=steps.get(name, stage.steps),
            learning_rate=stage.learning_rate * rate,
            blend=blend if goes_on(name) else 1.0,
        )
        for name, stage in STAGES.items()
        if name in stages
    }
    run_replicas(replicas, _train_stages, directory, settings, device, threads, seed)


def _train_stages(
    directory: Path, stages: dict[str, StageSettings], device: str, threads: int, seed: int
) -> None:
    torch.set_num_threads(threads)
    tokenizer = open_tokenizer(directory, seed)
    for name, settings in stages.items():
        train_stage(name, settings, directory, tokenizer, torch.device(device), seed)
