"""The command line: what it prints, and what it says when something is wrong."""

import io
import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.voice.tiny import write_tiny
from voice import commands, load
from voice.ask import ask
from voice.audio_file import read_audio
from voice.cli import main
from voice.conversation import Conversation, ReplySettings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("audio") / "question.wav"
    return write_noise(file, seconds=1.5)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_main(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run_main


def write_noise(file: Path, seconds: float, rate: int = 16_000, gain: float = 0.1) -> Path:
    noise = np.random.default_rng(0).normal(0, gain, round(seconds * rate))
    soundfile.write(file, np.clip(noise, -1, 1), rate)
    return file


def test_ask_prints_heard_reply_and_timings(run: Run, tiny: Path, question: Path) -> None:
    status, out, err = run("ask", question, "--model", tiny, "--max-tokens", 12)
    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith("Heard")
    assert any(line.startswith("Parley") for line in lines)
    assert any(line.startswith("end of speech to first token") for line in lines)
    assert "real-time factor" in lines[-1]
    assert not err


def test_ask_says_what_the_builtin_model_is(
    run: Run, tiny: Path, question: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice.load", lambda name, *_: load(tiny))
    plain = run("ask", question, "--max-tokens", 3)
    assert "small demonstration trained on synthetic voices" in plain[2]
    assert "--model nvidia/" in plain[2]
    assert "demonstration" not in plain[1]
    assert run("ask", question, "--max-tokens", 3, "--json")[2] == ""


def test_ask_keeps_control_characters_from_the_terminal(
    run: Run, tiny: Path, question: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conversation, "transcribe", lambda self: "Paris\x1b[2J")
    out = run("ask", question, "--model", tiny, "--max-tokens", 3)[1]
    out += run("transcribe", question, "--model", tiny)[1]
    assert out.count("Paris") == 2
    assert "\x1b" not in out


def test_ask_json_is_one_line_with_what_the_model_says(
    run: Run, tiny: Path, question: Path
) -> None:
    status, out, err = run("ask", question, "--model", tiny, "--max-tokens", 12, "--json")
    record = json.loads(out)
    samples = read_audio(question).samples
    answer = ask(load(tiny), samples, settings=ReplySettings(max_new_tokens=12))
    assert (status, out.count("\n"), err) == (0, 1, "")
    assert (record["heard"], record["reply"]) == (answer.heard, answer.reply)
    assert record["timings_ms"].keys() == answer.timings_ms.keys()
    assert record["timings_ms"]["audio"] == 1500.0
    assert record["real_time_factor"] > 0


def test_ask_reads_standard_input(
    run: Run, tiny: Path, question: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--model", tiny, "--max-tokens", 12, "--json")
    _, from_file, _ = run("ask", question, *options)
    piped = types.SimpleNamespace(buffer=io.BytesIO(question.read_bytes()))
    monkeypatch.setattr(sys, "stdin", piped)
    status, from_stdin, _ = run("ask", "-", *options)
    assert status == 0
    assert json.loads(from_stdin)["reply"] == json.loads(from_file)["reply"]


def test_ask_writes_the_spoken_reply(
    run: Run, tiny: Path, question: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(texts: Iterator[str]) -> Iterator[str]:
        assert list(texts)
        yield "It is Paris."

    monkeypatch.setattr("voice.ask.sentences", fixed)
    output = tmp_path / "reply.wav"
    status, out, err = run("ask", question, "--model", tiny, "--max-tokens", 3, "-o", output)
    samples, rate = soundfile.read(output)
    assert (status, err) == (0, "")
    assert str(output) in out
    assert 0.4 < len(samples) / rate < 4
    assert np.abs(samples).max() > 0.05


def test_ask_takes_options_of_the_reply(run: Run, tiny: Path, question: Path) -> None:
    common = ("ask", question, "--model", tiny, "--max-tokens", 8, "--json")
    greedy = json.loads(run(*common)[1])
    thinking = json.loads(run(*common, "--thinking", "on")[1])
    hot = [
        json.loads(run(*common, "--temperature", 2, "--seed", seed)[1])["reply"]
        for seed in (1, 1, 2)
    ]
    assert thinking["reasoning"]
    assert not greedy["reasoning"]
    assert hot[0] == hot[1] != hot[2]


def test_ask_shows_the_model_a_picture(
    run: Run, tiny: Path, question: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    common = ("ask", question, "--model", tiny, "--max-tokens", 8, "--json")
    blind, seeing = run(*common), run(*common, "--image", tmp_path / "red.png")
    assert seeing[0] == 0
    assert json.loads(seeing[1])["reply"] != json.loads(blind[1])["reply"]


@pytest.mark.parametrize(("rate", "seconds"), [(8_000, 1.5), (44_100, 0.02)])
def test_ask_takes_other_rates_and_shortest_speech(
    run: Run, tiny: Path, tmp_path: Path, rate: int, seconds: float
) -> None:
    file = write_noise(tmp_path / "speech.flac", seconds, rate)
    assert run("ask", file, "--model", tiny, "--max-tokens", 3, "--json")[0] == 0


def test_ask_uses_clipped_audio_with_a_warning(run: Run, tiny: Path, tmp_path: Path) -> None:
    file = write_noise(tmp_path / "loud.wav", 1.0, gain=3.0)
    status, out, err = run("ask", file, "--model", tiny, "--max-tokens", 3, "--json")
    assert status == 0
    assert json.loads(out)
    assert "clipped" in err
    assert "quietly" in err


def test_ask_takes_ten_minutes_where_they_fit(run: Run, tmp_path: Path) -> None:
    model = write_tiny(tmp_path, max_position_embeddings=8192, vision=None)
    file = write_noise(tmp_path / "long.flac", 600)
    status, out, _ = run("ask", file, "--model", model, "--max-tokens", 3, "--json")
    assert status == 0
    assert json.loads(out)["timings_ms"]["audio"] == 600_000


def explain(run: Run, *arguments: object) -> str:
    """The one line with which a command fails."""
    status, out, err = run(*arguments)
    assert status == 1
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("parley: ")
    return err


def test_full_context_names_what_fits(run: Run, tmp_path: Path) -> None:
    model = write_tiny(tmp_path, max_position_embeddings=64, vision=None)
    file = write_noise(tmp_path / "long.wav", 20)
    error = explain(run, "ask", file, "--model", model, "--json")
    assert "context of 64 positions" in error
    assert "shorter recording" in error


def write_nan(file: Path) -> None:
    soundfile.write(file, np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("write", "remedy"),
    [
        (lambda file: file.write_bytes(b""), "record something first"),
        (lambda file: soundfile.write(file, np.zeros(0), 16_000), "record something first"),
        (write_nan, "convert it to 16-bit PCM"),
        (lambda file: file.write_text("what is the capital of france"), "give a WAV, FLAC"),
        (lambda file: None, "check the path"),
    ],
    ids=["empty", "no-samples", "nan", "text", "missing"],
)
def test_unusable_audio_names_the_remedy(
    run: Run, tiny: Path, tmp_path: Path, write: Callable[[Path], object], remedy: str
) -> None:
    file = tmp_path / "question.wav"
    write(file)
    assert remedy in explain(run, "ask", file, "--model", tiny)
    assert remedy in explain(run, "transcribe", file, "--model", tiny)


def truncate(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5000])


def rename(model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    tensors = {name.replace("norm_f", "final_norm"): value for name, value in tensors.items()}
    save_file(tensors, model / "model.safetensors")


def change_pattern(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["llm_config"]["hybrid_override_pattern"] = "MEX*E"
    (model / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (truncate, "model.safetensors"),
        (rename, "norm_f"),
        (change_pattern, "X"),
        (lambda model: (model / "config.json").unlink(), "config.json"),
        (lambda model: (model / "model.safetensors").unlink(), "safetensors"),
        (lambda model: (model / "tokenizer.json").unlink(), "tokenizer"),
    ],
    ids=["truncated", "renamed", "unknown-layer", "no-config", "no-weights", "no-tokenizer"],
)
def test_damaged_checkpoint_is_explained(
    run: Run, question: Path, tmp_path: Path, damage: Callable[[Path], object], named: str
) -> None:
    damage(write_tiny(tmp_path, vision=None))
    assert named in explain(run, "ask", question, "--model", tmp_path)


def test_missing_checkpoint_is_explained(run: Run, question: Path, tmp_path: Path) -> None:
    assert "Hub id" in explain(run, "ask", question, "--model", tmp_path / "none")


def test_unusable_picture_is_explained(run: Run, tiny: Path, question: Path) -> None:
    assert "PNG or JPEG" in explain(run, "ask", question, "--model", tiny, "--image", question)


def test_picture_for_a_blind_model_is_explained(run: Run, question: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    model = write_tiny(tmp_path / "model", vision=None)
    picture = tmp_path / "black.png"
    error = explain(run, "ask", question, "--model", model, "--image", picture, "--json")
    assert "vision" in error


def test_unknown_voice_is_explained(run: Run, tiny: Path, question: Path, tmp_path: Path) -> None:
    output = tmp_path / "reply.wav"
    common = ("ask", question, "--model", tiny, "--json", "--voice", "nobody")
    assert "-o FILE" in explain(run, *common)
    assert "try" in explain(run, *common, "-o", output)
    assert not output.exists()


def test_missing_directory_is_found_before_the_work(
    run: Run, tiny: Path, question: Path, tmp_path: Path
) -> None:
    output = tmp_path / "none" / "reply.wav"
    assert "make it first" in explain(run, "ask", question, "--model", tiny, "-o", output)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ask"],
        ["ask", "x.wav", "--max-tokens", "0"],
        ["ask", "x.wav", "--thinking", "maybe"],
        ["train", "--rate", "0"],
        ["train", "--blend", "1.5"],
    ],
)
def test_wrong_command_line_ends_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: parley" in capsys.readouterr().err


def test_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "ask", interrupted)
    assert run("ask", "question.wav") == (130, "", "")


def test_fault_of_ours_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(commands, "ask", broken)
    with pytest.raises(KeyError):
        main(["ask", "question.wav"])


def test_transcribe_prints_a_line_per_file(run: Run, tiny: Path, question: Path) -> None:
    asked = json.loads(run("ask", question, "--model", tiny, "--max-tokens", 1, "--json")[1])
    _, alone, _ = run("transcribe", question, "--model", tiny, "--json")
    status, both, _ = run("transcribe", question, question, "--model", tiny, "--json")
    assert status == 0
    assert json.loads(alone) == {"file": str(question), "text": asked["heard"], "words": None}
    assert both == 2 * alone


def test_train_refuses_an_unknown_stage(run: Run) -> None:
    assert "use sounds, pieces, words" in explain(run, "train", "--stage", "sleep")


def test_train_refuses_steps_of_an_unknown_stage(run: Run) -> None:
    assert "use sounds, pieces, words" in explain(run, "train", "--steps", "sleep=8")


def test_train_from_a_checkpoint_refuses_a_stage_for_beginners(run: Run) -> None:
    told = explain(run, "train", "--from", "model", "--stage", "sounds")
    assert "sounds is for a model that knows nothing yet" in told


def test_train_says_which_stage_is_missing(run: Run, tmp_path: Path) -> None:
    arguments = ("train", "--assemble", "--directory", tmp_path, "--into", tmp_path / "model")
    assert "run the stage 'joint' first" in explain(run, *arguments)


def test_train_names_the_extra_it_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("voice.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("voice.training", raising=False)
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    assert "parley-voice[train]" in explain(run, "train")


def test_help_comes_without_torch() -> None:
    code = (
        "import sys, voice.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voice", "--help"], check=True, capture_output=True, text=True
    )
    assert all(name in done.stdout for name in ("ask", "transcribe", "train"))
