"""What the commands of `parley` do, each with the options that `voice.cli` has read.

torch and the model are imported by the commands that need them, so that help comes at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

    from voice.ask import Answer
    from voice.assistant import Assistant
    from voice.reply import ReplyText

REAL_MODEL = "nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16"
DEMONSTRATION_NOTE = "The built-in model is a small demonstration trained on synthetic voices."
REAL_MODEL_HINT = f"--model {REAL_MODEL} (66 GB, needs an 80 GB GPU)"
BUILTIN_NOTE = f"{DEMONSTRATION_NOTE} The real one: {REAL_MODEL_HINT}."
BLIND_NOTE = " It has not learnt to see."


class UsageError(Exception):
    """The command cannot be carried out as it was given; the message names the remedy."""


def ask(options: argparse.Namespace) -> None:
    """`parley ask`: prints the answer, speaks it into a file."""
    from omni_core.cache import ContextFull
    from voice.ask import ask as ask_assistant
    from voice.audio_file import write_wav
    from voice.conversation import ReplySettings
    from voice.tts.synthesizer import Synthesizer, VoiceSettings, open_synthesizer

    if options.voice and not options.output:
        raise UsageError("--voice has nothing to speak: add -o FILE")
    if options.output and not options.output.parent.is_dir():
        raise UsageError(f"there is no directory {options.output.parent}: make it first")
    samples = _read(options.file)
    images = [_open_image(options.image)] if options.image else []
    synthesizer: Synthesizer | None = None
    if options.output:
        synthesizer = open_synthesizer(settings=VoiceSettings(voice=options.voice))
    settings = ReplySettings(
        thinking=options.thinking == "on",
        max_new_tokens=options.max_tokens,
        temperature=options.temperature,
        seed=options.seed,
    )
    with closing(synthesizer) if synthesizer else nullcontext():
        assistant = load_assistant(options)
        question = partial(
            ask_assistant,
            assistant,
            samples,
            text=options.text,
            images=images,
            settings=settings,
            synthesizer=synthesizer,
        )
        try:
            if options.json:
                answer = question()
            else:
                with _LiveReply(Console()) as show:
                    answer = question(on_reply=show)
                    show.finish(answer)
        except ContextFull as error:
            raise UsageError(
                f"{options.file} and the reply do not fit into the model's context of "
                f"{assistant.config.decoder.max_position_embeddings} positions (12.5 a second): "
                "ask a shorter recording; parley transcribe takes any length"
            ) from error
    if options.output:
        write_wav(options.output, answer.audio, answer.audio_rate)
    if options.json:
        _print_json(_answer_as_json(answer))
        return
    if options.output:
        print(f"The spoken reply is in {options.output}.")
    if options.model == "builtin":
        print(BUILTIN_NOTE + (BLIND_NOTE if images else ""), file=sys.stderr)


class _LiveReply:
    """Shows a reply while it comes, and at the end what was heard and how long it took.

    On a terminal the lines grow in place; elsewhere they are printed once, when they are complete.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._reasoning = self._content = ""

    def __enter__(self) -> _LiveReply:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def __call__(self, part: ReplyText) -> None:
        self._reasoning += part.reasoning
        self._content += part.content
        self._live.update(self._rows(heard="…"))

    def finish(self, answer: Answer) -> None:
        self._live.stop()
        self._console.print(self._rows(answer.heard))
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column()
        table.add_column(justify="right")
        for name, milliseconds in answer.timings_ms.items():
            if milliseconds is not None:
                table.add_row(name.replace("_", " "), f"{milliseconds:,.1f} ms")
        table.add_row("real-time factor", f"{answer.real_time_factor:.3f}")
        self._console.print()
        self._console.print(table)

    def _rows(self, heard: str) -> Table:
        rows = Table(box=None, show_header=False, pad_edge=False)
        rows.add_column(style="bold")
        rows.add_column(overflow="fold")
        rows.add_row("Heard", Text(_printable(heard)))
        if self._reasoning:
            rows.add_row("Thought", Text(_printable(self._reasoning), "dim"))
        rows.add_row("Parley", Text(_printable(self._content)))
        return rows


def _printable(text: str) -> str:
    """Without the control characters with which a model could speak to the terminal."""
    return "".join(each for each in text if each.isprintable() or each == "\n")


def _answer_as_json(answer: Answer) -> dict[str, Any]:
    fields = ("heard", "reply", "reasoning", "timings_ms", "real_time_factor")
    return {name: getattr(answer, name) for name in fields}


def transcribe(options: argparse.Namespace) -> None:
    """`parley transcribe`: prints what each file says."""
    from voice.transcription import open_transcriber

    transcriber = open_transcriber(options.model, *prepare_torch(options))
    for file in options.files:
        transcript = transcriber(_read(file))
        if options.json:
            _print_json({"file": file, **asdict(transcript)})
        elif len(options.files) > 1:
            print(f"{file}: {_printable(transcript.text)}", flush=True)
        else:
            print(_printable(transcript.text))


def train(options: argparse.Namespace) -> None:
    """`parley train`: trains, assembles or evaluates."""
    try:
        from voice.training import assemble, evaluate, plot, recipe, run, suite
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("espeakng_loader", "scipy"):
            raise
        raise UsageError(
            f"training needs the package {package}: pip install 'parley-voice[train]'"
        ) from error

    if options.evaluate:
        console, noisy = Console(), evaluate.Report()
        assistant = load_assistant(options)
        for job in suite.jobs(options.questions, [options.seed]):
            report = job.measure(assistant)
            if job.snr_db is not None and isinstance(report, evaluate.Report):
                noisy.results += report.results  # one table for all levels
            else:
                report.print(console)
        noisy.print(console)
        return
    if options.plot:
        plot.plot_run(options.directory, options.plot)
        print(f"The curves are in {options.plot}.")
        return
    if options.start:
        options.stage = options.stage or ["joint"]
        try:
            assemble.start_from(options.start, options.directory, options.stage)
        except (ValueError, FileExistsError) as error:
            raise UsageError(str(error)) from error
    stages = options.stage or list(recipe.STAGES)
    steps = dict(options.steps)
    unknown = sorted({*stages, *steps} - set(recipe.STAGES))
    if unknown:
        raise UsageError(f"no stage {unknown[0]!r}: use {', '.join(recipe.STAGES)}")
    if options.replicas > 1 and options.device != "cpu":
        raise UsageError("--replicas are for the CPU: leave them out, or use --device cpu")
    if not options.assemble:
        run.train(
            options.directory,
            stages,
            options.device,
            options.threads,
            options.seed,
            options.replicas,
            steps,
            options.rate,
            options.blend,
        )
    if set(recipe.TOGETHER[1:]) & set(stages):
        assemble.assemble(options.directory, options.into)
        print(f"The checkpoint is in {options.into}.")


def _read(file: str) -> np.ndarray:
    """The samples of a sound file; a clipped one is used, with a warning."""
    from voice.audio_file import read_audio

    clip = read_audio(file)
    if clip.is_clipped:
        share = f"{clip.clipped_fraction:.1%}"
        print(f"parley: {share} of {file} is clipped: record it more quietly", file=sys.stderr)
    return clip.samples


def _open_image(path: Path) -> Image:
    from PIL import Image

    try:
        return Image.open(path).convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} is no picture that can be read: give a PNG or JPEG") from error


def load_assistant(options: argparse.Namespace) -> Assistant:
    """The model that the options of `voice.cli.add_model_options` name, ready to use."""
    from voice import load

    return load(options.model, *prepare_torch(options))


def prepare_torch(options: argparse.Namespace) -> tuple[str, torch.dtype | None]:
    """Gives torch its threads; returns the device and dtype of the weights."""
    import torch

    # The built-in model's matrices are small: a second thread costs more than it does.
    threads = options.threads or (1 if options.model == "builtin" else None)
    if threads:
        torch.set_num_threads(threads)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(options, "dtype", None)
    return device, getattr(torch, dtype) if dtype else None


def _print_json(record: dict[str, Any]) -> None:
    print(json.dumps(record, ensure_ascii=False), flush=True)
