"""The small benchmark from questions to figures: `python -m benchmarks.voicebench [--write]`.

Runs the commands below one after the other, with the built-in model, and prints what came of it;
`--write` keeps it in docs/voicebench.md. What is there already is not done again, so that a run
that was stopped goes on. Takes minutes on one core.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import machine, machine_line
from voice.voicebench.comparison import comparison
from voice.voicebench.report import summary
from voice.voicebench.score import load_scores
from web.cli import main as parley

PAGE = Path(__file__).parents[1] / "docs" / "voicebench.md"
BEGIN, END = "<!-- figures: python -m benchmarks.voicebench --write -->", "<!-- end of figures -->"


def commands(folder: Path, items: int, model: str) -> list[str]:
    """The command lines, each after `parley voicebench`."""
    run = f"run --data {folder}/small --model {model} --model-name model --system-prompt none"
    judge = "judge --rules --run"
    return [
        f"make {folder}/small --items {items}",
        f"{run} --max-new-tokens 64 --out {folder}/whole",
        f"{run} --max-new-tokens 64 --hearing streamed --out {folder}/streamed",
        f"{run} --max-new-tokens 64 --live --out {folder}/live",
        f"{run} --max-new-tokens 64 --modality text --out {folder}/text",
        f"{run} --max-new-tokens 64 --subset asr,big_bench_audio --out {folder}/others",
        *(f"{judge} {folder}/{name}" for name in ("whole", "streamed", "live", "text", "others")),
    ]


def figures(folder: Path) -> str:
    """What the runs in ``folder`` gave, as Markdown."""
    streamed, others = folder / "streamed", folder / "others"
    scores = load_scores(streamed)
    return "\n\n".join(
        [
            f"Measured on: {machine_line(machine())}.",
            "Heard as live audio comes (`streamed`):",
            summary(scores),
            "The same heard as whole clips (`whole`), spoken to `parley serve` as users talk with "
            "it (`live`, faster than real time), and read instead of heard (`text`):",
            comparison(
                streamed, scores, {name: folder / name for name in ("whole", "live", "text")}
            ),
            "Speech recognition (word error rate, percent) and Big Bench Audio's format:",
            summary(load_scores(others)).partition("\n\nNo overall")[0],
        ]
    )


def main(arguments: Sequence[str] | None = None, page: Path = PAGE) -> int:
    """Runs what is left to run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.voicebench", description=__doc__)
    parser.add_argument("--items", type=int, default=24, help="questions of each subset, 24")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--folder", type=Path, default=Path("runs/voicebench"))
    parser.add_argument("--write", action="store_true", help="keep the figures in docs")
    options = parser.parse_args(arguments)
    for command in commands(options.folder, options.items, options.model):
        if command.startswith("make") and (options.folder / "small").exists():
            continue
        print(f"parley voicebench {command}", flush=True)
        if status := parley(["voicebench", *shlex.split(command)]):
            return status
    text = figures(options.folder)
    print(text)
    if options.write:
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
