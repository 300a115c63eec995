"""From a run to a checkpoint, and from a checkpoint to a run that goes on."""

from dataclasses import replace

import pytest
import torch

from omni_core.weights import CheckpointError
from tests.voice.tiny import write_tiny
from voice import load
from voice.training import run as runs
from voice.training import stages
from voice.training.assemble import HEADS, assemble, start_from
from voice.training.modules import Hearing, Language, Omni
from voice.training.recipe import SOUND_CONFIG, STAGES, VOCABULARY_SIZE
from voice.training.sight import Sight
from voice.training.stages import stage_weights, train_stage
from voice.training.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose last stage has left random weights."""
    directory = tmp_path_factory.mktemp("run")
    texts = (f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnprst")
    build_tokenizer(texts, VOCABULARY_SIZE).save_pretrained(directory / "tokenizer")
    torch.manual_seed(3)
    omni = Omni(Hearing(), Language(), Sight())
    omni.sight.repeat_frames()  # as a checkpoint has them
    torch.save({"module": omni.state_dict(), "optimizers": None, "step": 1}, directory / "joint.pt")
    return directory


@pytest.fixture(scope="module")
def checkpoint(run, tmp_path_factory):
    directory = tmp_path_factory.mktemp("checkpoint")
    tokenizer = runs.open_tokenizer(run)
    assert len(tokenizer) <= VOCABULARY_SIZE
    assemble(run, directory)
    return directory


def test_assembled_run_is_loaded(checkpoint):
    assistant = load(checkpoint)
    assert assistant.hears
    assert (checkpoint / HEADS).exists()


def test_run_that_has_come_to_listening_is_assembled_from_it(run, tmp_path):
    further = tmp_path / "run"
    runs.open_tokenizer(run).save_pretrained(further / "tokenizer")
    torch.save(torch.load(run / "joint.pt", weights_only=True), further / "listening.pt")
    assemble(further, tmp_path / "checkpoint")
    assert load(tmp_path / "checkpoint").hears


def test_run_goes_on_from_a_checkpoint(run, checkpoint, tmp_path):
    start_from(checkpoint, tmp_path)
    before = stage_weights(run / "joint.pt")
    after = stage_weights(tmp_path / "projector.pt")
    assert before.keys() == after.keys()
    for name, weight in before.items():
        if weight.is_floating_point():
            torch.testing.assert_close(after[name], weight.bfloat16().float(), rtol=1e-2, atol=1e-6)
    assert torch.load(tmp_path / "projector.pt", weights_only=True)["step"] == (
        STAGES["projector"].steps
    )
    assert len(runs.open_tokenizer(tmp_path)) == len(runs.open_tokenizer(run))


@pytest.mark.parametrize(
    ("ears", "before"),
    [((), "spelling"), (("spelling",), "words"), (("words", "spelling"), "pieces")],
)
def test_named_stages_begin_with_the_weights_of_a_checkpoint(
    run, checkpoint, tmp_path, ears, before
):
    start_from(checkpoint, tmp_path, (*ears, "language", "projector", "listening", "joint"))
    whole = stage_weights(run / "joint.pt")
    for stage, part in ((before, "hearing."), ("language", "language.")):
        saved = torch.load(tmp_path / f"{stage}.pt", weights_only=True)
        assert saved["step"] == (0 if stage == "language" else STAGES[before].steps)
        for name, weight in saved["module"].items():
            if weight.is_floating_point():
                torch.testing.assert_close(
                    weight, whole[part + name].bfloat16().float(), rtol=1e-2, atol=1e-6
                )
    for stage in (*ears, "projector"):
        assert not (tmp_path / f"{stage}.pt").exists()
    assert not (tmp_path / "listening.pt").exists()


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        (("pieces",), "knows nothing yet"),
        (("words", "joint"), "listening"),
        (("language", "rewards"), "listening"),
        (("projector", "joint"), "listening"),
        (("listening", "rewards"), "joint"),
    ],
)
def test_stages_that_do_not_go_together_are_refused(checkpoint, tmp_path, stages, reason):
    with pytest.raises(ValueError, match=reason):
        start_from(checkpoint, tmp_path, stages)


@pytest.mark.parametrize("ear", ["words", "spelling"])
def test_projector_of_a_checkpoint_is_kept_between_parts_trained_apart(checkpoint, tmp_path, ear):
    start_from(checkpoint, tmp_path, (ear, "language", "listening"))
    parts = {"hearing.": Hearing().state_dict(), "language.": Language().state_dict()}
    for stage, part in ((ear, "hearing."), ("language", "language.")):
        torch.save({"module": parts[part], "step": 1}, tmp_path / f"{stage}.pt")
    settings = replace(STAGES["listening"], steps=0)
    tokenizer = runs.open_tokenizer(tmp_path)
    train_stage("listening", settings, tmp_path, tokenizer, torch.device("cpu"))
    kept = stage_weights(tmp_path / "projector.pt")
    for name, weight in stage_weights(tmp_path / "listening.pt").items():
        part = name[: name.index(".") + 1]
        wanted = parts[part][name.removeprefix(part)] if part in parts else kept[name]
        assert torch.equal(weight, wanted), name


@pytest.mark.parametrize(
    ("stage", "trained"),
    [("listening", {"language"}), ("joint", {"hearing", "language", "projector"})],
)
def test_stage_trains_its_parts_alone(checkpoint, tmp_path, monkeypatch, stage, trained):
    start_from(checkpoint, tmp_path, (stage,))
    found = set()

    def run(trainer, batches, loss, device):
        parameters = trainer._module.named_parameters()
        found.update(name[: name.index(".")] for name, weight in parameters if weight.requires_grad)

    monkeypatch.setattr(stages.Trainer, "run", run)
    tokenizer = runs.open_tokenizer(tmp_path)
    train_stage(stage, STAGES[stage], tmp_path, tokenizer, torch.device("cpu"))
    assert found == trained


def test_run_is_never_overwritten_by_a_checkpoint(checkpoint, tmp_path):
    start_from(checkpoint, tmp_path)
    with pytest.raises(FileExistsError, match="--directory"):
        start_from(checkpoint, tmp_path)


def test_checkpoint_with_another_projector_goes_on_from_a_new_one(run, tmp_path, monkeypatch):
    monkeypatch.setitem(SOUND_CONFIG, "projection_hidden_size", 64)
    narrow = tmp_path / "narrow"
    omni = Omni(Hearing(), Language(), Sight())
    (tmp_path / "run").mkdir()
    torch.save({"module": omni.state_dict(), "step": 1}, tmp_path / "run" / "joint.pt")
    runs.open_tokenizer(run).save_pretrained(tmp_path / "run" / "tokenizer")
    assemble(tmp_path / "run", narrow)
    monkeypatch.undo()
    start_from(narrow, tmp_path / "further", ("projector", "listening"))
    with pytest.raises(CheckpointError, match="not of this recipe"):
        start_from(narrow, tmp_path / "refused", ("joint",))


def test_checkpoint_without_classifiers_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"heads\.safetensors"):
        start_from(write_tiny(tmp_path / "tiny"), tmp_path / "run")


@pytest.fixture
def settings_of(run, monkeypatch):
    """What `train` tells its stages; none of them is trained."""

    def settings_of(stages, **options):
        seen = {}
        monkeypatch.setattr(
            runs, "train_stage", lambda name, settings, *rest: seen.update({name: settings})
        )
        runs.train(run, stages, "cpu", 1, **options)
        return seen

    return settings_of


def test_blend_is_of_stages_that_go_on_from_what_another_has_learnt(settings_of):
    stages = ["sounds", "words", "language", "projector", "listening", "joint"]
    blends = {name: stage.blend for name, stage in settings_of(stages, blend=0.5).items()}
    anew = dict.fromkeys(("sounds", "language", "projector"), 1.0)
    assert blends == anew | dict.fromkeys(("words", "listening", "joint"), 0.5)


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_rate_scales_the_recipe_s_learning_rates(settings_of, rate):
    seen = settings_of(["words", "joint"], steps={"joint": 7}, rate=rate)
    assert seen["joint"].steps == 7
    for stage, settings in seen.items():
        assert settings.learning_rate == pytest.approx(STAGES[stage].learning_rate * rate)
