"""Reading and writing whole checkpoints."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from omni_core.weights import CheckpointError, WeightsMismatch
from tests.omni_core.reference import raw_config as raw_llm_config
from tests.voice.tiny import SOUND, reference, write_tiny
from voice import load
from voice.checkpoint import read_config, save_checkpoint
from voice.loading import build_modules
from voice.prompt import fallback_template


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def copy(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "copy")


def edit(copy, **changes):
    """Changes keys of config.json; a dotted key reaches into a block, None removes."""
    config = json.loads((copy / "config.json").read_text())
    for key, value in changes.items():
        *path, last = key.split("__")
        block = config
        for name in path:
            block = block[name]
        if value is None:
            del block[last]
        else:
            block[last] = value
    (copy / "config.json").write_text(json.dumps(config))


def test_tensors_have_the_names_of_nvidias_checkpoint(directory):
    names = set(load_file(directory / "model.safetensors"))
    for name in (
        "language_model.backbone.embeddings.weight",
        "language_model.backbone.layers.0.mixer.conv1d.bias",
        "language_model.backbone.layers.1.mixer.experts.7.up_proj.weight",
        "language_model.backbone.layers.1.mixer.gate.e_score_correction_bias",
        "language_model.lm_head.weight",
        "vision_model.radio_model.model.patch_generator.embedder.weight",
        "vision_model.radio_model.model.patch_generator.video_embedder.weight",
        "vision_model.radio_model.model.patch_generator.pos_embed",
        "vision_model.radio_model.model.patch_generator.cls_token.token",
        "vision_model.radio_model.model.blocks.1.attn.qkv.bias",
        "vision_model.radio_model.model.blocks.1.attn.proj.weight",
        "vision_model.radio_model.model.blocks.0.mlp.fc1.weight",
        "mlp1.0.weight",
        "mlp1.1.weight",
        "mlp1.3.weight",
        "sound_encoder.encoder.subsampling.layers.0.weight",
        "sound_encoder.encoder.layers.0.conv.norm.running_mean",
        "sound_encoder.encoder.layers.0.self_attn.relative_k_proj.weight",
        "sound_projection.norm.weight",
        "sound_projection.linear2.weight",
    ):
        assert name in names, name


def test_loaded_weights_are_the_saved_ones(directory, tmp_path):
    assistant = load(directory)
    config = json.loads((directory / "config.json").read_text())
    save_checkpoint(
        tmp_path,
        config,
        tokenizer=assistant.tokenizer,
        decoder=assistant.model,
        encoder=assistant.encoder,
        sound_projection=assistant.sound_projection,
        vision=assistant.vision,
    )
    before, after = (load_file(d / "model.safetensors") for d in (directory, tmp_path))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert json.loads((tmp_path / "config.json").read_text()) == config
    for file in ("tokenizer.json", "chat_template.jinja", "preprocessor_config.json"):
        assert (tmp_path / file).read_text() == (directory / file).read_text()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_are_stored_in_the_dtype_asked_for(tmp_path, dtype):
    write_tiny(tmp_path, dtype=dtype)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        stored = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    for name, found in stored.items():
        if name.endswith("e_score_correction_bias"):
            assert found == torch.float32
        elif name.endswith("num_batches_tracked"):
            assert found == torch.int64
        else:
            assert found == dtype, name
    assert read_config(tmp_path).dtype == dtype
    assert load(tmp_path).model.lm_head.weight.dtype == torch.float32
    half = load(tmp_path, dtype=dtype)
    assert half.model.lm_head.weight.dtype == dtype
    correction = dict(half.model.named_buffers())
    assert {t.dtype for n, t in correction.items() if n.endswith("bias")} == {torch.float32}


def test_config_of_nvidia_is_read(copy):
    """What its file says otherwise than ours: names of models, and no sizes of the tower."""
    edit(
        copy,
        model_type="NemotronH_Nano_Omni_Reasoning_V3",
        architectures=["NemotronH_Nano_Omni_Reasoning_V3"],
        auto_map={"AutoConfig": "configuration.NemotronH_Nano_Omni_Reasoning_V3_Config"},
        sound_config__model_type="parakeet",
        sound_config__attention_bias=None,
        sound_config__scale_input=None,
        vision_config__args={"model": "vit_huge_patch16_224", "register_multiple": 10},
    )
    weights = load_file(copy / "model.safetensors")
    weights["vision_model.radio_model.input_conditioner.norm_mean"] = torch.zeros(3, 1, 1)
    weights["vision_model.radio_model.input_conditioner.norm_std"] = torch.ones(3, 1, 1)
    weights["sound_encoder.encoder.feature_extractor.featurizer.fb"] = torch.zeros(1, 80, 257)
    weights["sound_encoder.encoder.feature_extractor.featurizer.window"] = torch.zeros(400)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assistant = load(copy)
    assert assistant.hears
    assert assistant.sees
    assert assistant.tokenizer.decode(assistant.stop_token_ids) == "<|im_end|>"


def test_checkpoint_that_transformers_wrote_is_read(directory, tmp_path):
    written = reference(directory)
    written.vision_model.encoder.layer[0].layer_scale1.lambda1.data.fill_(0.5)
    written.save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(directory / file, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert "layers_block_type" in config["text_config"]  # else this test tests nothing
    ours, theirs = load(directory), load(tmp_path)
    assert ours.config.decoder.layers == theirs.config.decoder.layers
    scale = theirs.vision.radio.encoder.layer[0].layer_scale1.lambda1
    assert scale.eq(0.5).all()
    scale.fill_(1.0)
    for part in ("model", "encoder", "sound_projection", "vision"):
        expected = getattr(ours, part).state_dict()
        got = getattr(theirs, part).state_dict()
        assert all(torch.equal(expected[name], got[name]) for name in expected), part


def test_chat_template_of_the_tokenizer_is_kept(directory, tmp_path):
    assert (directory / "chat_template.jinja").read_text() == fallback_template()
    assistant = load(directory)
    assistant.tokenizer.chat_template = "{{ messages[0].content }}"
    config = json.loads((directory / "config.json").read_text())
    parts = {
        "decoder": assistant.model,
        "encoder": assistant.encoder,
        "sound_projection": assistant.sound_projection,
        "vision": assistant.vision,
    }
    save_checkpoint(tmp_path, config, tokenizer=assistant.tokenizer, **parts)
    assert load(tmp_path).prompt.template == "{{ messages[0].content }}"


def test_parts_that_the_config_does_not_name_are_refused(directory, tmp_path):
    assistant = load(directory)
    config = json.loads((directory / "config.json").read_text())
    with pytest.raises(CheckpointError, match="sound_config"):
        save_checkpoint(tmp_path, config, tokenizer=assistant.tokenizer, decoder=assistant.model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"llm_config__hybrid_override_pattern": "MEX*E"}, r"unknown layer types \['X'\]"),
        ({"llm_config__hidden_size": None}, "lacks hidden_size"),
        ({"llm_config": None}, "no llm_config.*Give the directory of a Nemotron"),
        ({"quantization_config": {"quant_method": "modelopt"}}, "modelopt.*BF16"),
        ({"sound_config__num_mel_bins": 13}, "num_mel_bins"),
        ({"sound_config__projection_bias": True}, "projection_bias"),
        ({"sound_config__projection_hidden_size": None}, "projection_hidden_size.*missing"),
        ({"vision_config__min_num_patches": 2}, "min_num_patches"),
        ({"torch_dtype": "int4"}, "int4"),
    ],
)
def test_impossible_config_is_named(copy, changes, message):
    edit(copy, **changes)
    with pytest.raises(CheckpointError, match=message):
        load(copy)


def test_unknown_layer_type_of_transformers_is_named(copy):
    llm = raw_llm_config(layers_block_type=["linear_attention", "wavelet"])
    del llm["hybrid_override_pattern"]
    edit(copy, llm_config=llm)
    with pytest.raises(CheckpointError, match="wavelet"):
        load(copy)


def test_truncated_weights_are_named(copy):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load(copy)


def test_renamed_weights_are_named(copy):
    weights = load_file(copy / "model.safetensors")
    weights["language_model.head.weight"] = weights.pop("language_model.lm_head.weight")
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"missing: language_model.lm_head.weight"):
        load(copy)


def test_weights_of_a_part_that_the_config_lacks_are_named(copy):
    edit(copy, sound_config=None)
    with pytest.raises(WeightsMismatch, match=r"unexpected: sound_encoder"):
        load(copy)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, "config.json cannot be read"),
        ("config.json", "{", "config.json is damaged"),
        ("config.json", "[]", "config.json is damaged"),
        ("generation_config.json", "{", "generation_config.json is damaged"),
        ("tokenizer.json", None, "no tokenizer"),
        ("tokenizer.json", "{", "no tokenizer"),
        ("model.safetensors", None, "no .*safetensors"),
    ],
)
def test_missing_or_damaged_file_is_named(copy, file, text, message):
    (copy / file).unlink()
    if text is not None:
        (copy / file).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        load(copy)


def test_sound_sizes_are_read(directory):
    config = read_config(directory)
    assert config.encoder is not None
    assert config.encoder.hidden_size == SOUND["hidden_size"]
    assert config.sound_projection_size == SOUND["projection_hidden_size"]


def test_real_sizes_give_the_published_number_of_parameters(tmp_path):
    """Nemotron 3 Nano Omni 30B-A3B has 33,015,546,816 parameters (Megatron-Bridge's count)."""
    llm = raw_llm_config(
        hybrid_override_pattern="MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
        hidden_size=2688,
        vocab_size=131072,
        mamba_num_heads=64,
        mamba_head_dim=64,
        n_groups=8,
        ssm_state_size=128,
        num_attention_heads=32,
        head_dim=128,
        n_routed_experts=128,
        num_experts_per_tok=6,
        moe_intermediate_size=1856,
        moe_shared_expert_intermediate_size=3712,
    )
    sound = {
        "model_type": "parakeet",
        "hidden_size": 1024,
        "num_attention_heads": 8,
        "num_hidden_layers": 24,
        "intermediate_size": 4096,
        "projection_hidden_size": 4096,
    }
    vision = {"args": {"model": "vit_huge_patch16_224"}, "max_num_patches": 13312}
    config = {"llm_config": llm, "sound_config": sound, "vision_config": vision, "eos_token_id": 11}
    (tmp_path / "config.json").write_text(json.dumps(config | {"projector_hidden_size": 20480}))
    modules = [module for module in build_modules(read_config(tmp_path)) if module is not None]
    sizes = [
        parameter.numel()
        for module in modules
        for name, parameter in module.named_parameters()
        if "layer_scale" not in name  # transformers' own, the checkpoint has none
    ]
    assert sum(sizes) == 33_015_546_816
    assert all(p.device.type == "meta" for module in modules for p in module.parameters())
