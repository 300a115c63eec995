"""The whole model against transformers' NemotronH_Omni_Reasoning_V3, on the same checkpoint.

Two faults of the reference (transformers 5.23) are corrected here: its dt clamp (see
`tests.voice.tiny.reference`), and one audio position too many. NVIDIA's training code and vLLM
count audio positions from the ⌊L/160⌋ complete features; transformers counts 1 + ⌊L/160⌋ and, when
that is one more than a multiple of 8, appends the embedding of a masked feature.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.parakeet.feature_extraction_parakeet import ParakeetFeatureExtractor

from omni_core.pictures import as_rgb, image_grid, prepare
from tests.omni_core.test_vision import patches
from tests.voice.tiny import SOUND, VISION, reference, write_tiny
from voice import load
from voice.assistant import Assistant
from voice.errors import MissingPart
from voice.prompt import Media

SHAPES = {
    "base": ({}, {}, {}),
    "deeper": (
        {"hybrid_override_pattern": "M*EMEM*EME", "n_groups": 4, "mamba_num_heads": 8},
        {"num_mel_bins": 128, "hidden_size": 32, "num_attention_heads": 2},
        {"num_attention_heads": 2, "patch_size": 8, "max_img_size": 64},
    ),
    "one_expert": (
        {"num_experts_per_tok": 1, "hybrid_override_pattern": "ME*ME", "use_conv_bias": False},
        {"conv_kernel_size": 9, "num_hidden_layers": 1},
        {"num_hidden_layers": 1, "mlp_ratio": 4.0},
    ),
}


class Pair:
    """A checkpoint, loaded by both."""

    def __init__(self, directory):
        self.ours: Assistant = load(directory)
        self.theirs = reference(directory)
        bins = self.ours.encoder.config.num_mel_bins
        self.mel = ParakeetFeatureExtractor(feature_size=bins)

    @torch.no_grad()
    def expected_audio(self, waveform):
        """Features of the complete hops only, so that there is no masked one to append."""
        features = self.mel(waveform, sampling_rate=16000, return_tensors="pt")
        count = len(waveform) // 160
        return self.theirs.get_audio_features(features.input_features[:, :count]).pooler_output

    @torch.no_grad()
    def expected_logits(self, ids, image=None, waveform=None, new_tokens=0):
        """Logits of every position, and the greedy continuation."""
        inputs = {"input_ids": torch.tensor([ids])}
        embeds = self.theirs.get_input_embeddings()(inputs["input_ids"])
        if image is not None:
            config = self.ours.vision.config
            h, w = image_grid(image.height, image.width, config)
            rows = patches(prepare(as_rgb(image)[None], h, w, config), config.patch_size)
            features = self.theirs.get_image_features(rows, torch.tensor([[h, w]])).pooler_output
            place = inputs["input_ids"] == self.theirs.image_token_id
            embeds = embeds.masked_scatter(place[..., None], features[0])
        if waveform is not None:
            place = inputs["input_ids"] == self.theirs.audio_token_id
            embeds = embeds.masked_scatter(place[..., None], self.expected_audio(waveform))
        logits = self.theirs(inputs_embeds=embeds).logits[0]
        generated = self.theirs.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=False,
        )
        return logits, generated[0].tolist()


@pytest.fixture(scope="module", params=SHAPES)
def pair(request, tmp_path_factory):
    llm, sound, vision = SHAPES[request.param]
    sizes = {"sound": {**SOUND, **sound}, "vision": {**VISION, **vision}, **llm}
    seed = list(SHAPES).index(request.param)
    return Pair(write_tiny(tmp_path_factory.mktemp(request.param), seed=seed, **sizes))


def speech(samples, seed=0):
    """Something with a changing spectrum, float32 within [−1, 1]."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16000
    tone = np.sin(2 * np.pi * (200 + 300 * np.sin(3 * time)) * time)
    return (0.3 * tone + 0.1 * rng.standard_normal(samples)).astype(np.float32).clip(-1, 1)


def picture(height=40, width=60):
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def close(got, expected):
    scale = expected.abs().max()
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= 1e-4 * scale


# 10240 samples are 64 features, where the reference would count one position too many.
@pytest.mark.parametrize("samples", [1600, 10240, 10400, 24001])
def test_audio_embeddings_equal_the_reference(pair, samples):
    waveform = speech(samples)
    got = pair.ours.embed_audio(waveform)
    assert len(got) == -(-(samples // 160) // 8)
    close(got, pair.expected_audio(waveform))


PROMPTS = {
    "text": ("Hello.", False, False),
    "audio": ("", False, True),
    "image": ("What is this?", True, False),
    "mixed": ("And this?", True, True),
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_prompt_gives_the_logits_and_tokens_of_the_reference(pair, kind):
    text, sees, hears = PROMPTS[kind]
    image, waveform = picture() if sees else None, speech(10240) if hears else None
    media = [{"type": "image"}] * sees + [{"type": "audio"}] * hears
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [*media, {"type": "text", "text": text}]},
    ]
    assistant = pair.ours
    pieces = assistant.prompt.pieces(messages, thinking=False)
    embeddings = assistant.embed_prompt(
        pieces, images=[image] if sees else [], audios=[waveform] if hears else []
    )
    ids = expand(pair, pieces, image, waveform)
    logits, tokens = pair.expected_logits(ids, image, waveform, new_tokens=12)

    with torch.no_grad():
        offline = assistant.model.lm_head(assistant.model.hidden(embeddings[None]))[0]
    close(offline, logits)
    state = assistant.model.new_state()
    close(assistant.model.prefill(state, embeddings=embeddings), logits[-1])
    # The reference is told to go on for twelve tokens and therefore never stops.
    endless = {"max_new_tokens": 12, "forbidden": assistant.stop_token_ids}
    assert list(assistant.model.generate(state, **endless)) == tokens


def expand(pair, pieces, image, waveform):
    """The token ids that NVIDIA's processor makes: one placeholder per embedding."""
    ids = []
    for piece in pieces:
        if piece == Media("image"):
            ids += [pair.theirs.image_token_id] * len(pair.ours.embed_image(image))
        elif piece == Media("audio"):
            ids += [pair.theirs.audio_token_id] * len(pair.ours.embed_audio(waveform))
        else:
            ids += pair.ours.prompt.encode(piece)
    return ids


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


def test_long_audio_is_encoded_in_clips_of_thirty_seconds(assistant):
    waveform = speech(500_000)
    got = assistant.embed_audio(waveform)
    clips = [assistant.embed_audio(waveform[:480_000]), assistant.embed_audio(waveform[480_000:])]
    assert torch.equal(got, torch.cat(clips))
    assert len(clips[0]) == 375


def test_encoded_placeholder_text_equals_the_pieces(assistant):
    """Frame tokens around the places are those of the rendered template."""
    messages = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "Hm"}]}]
    before, place, after = assistant.prompt.pieces(messages, thinking=False)
    assert place == Media("audio")
    assert before.endswith("<so_start>")
    assert after.startswith("<so_end>\nHm<|im_end|>")


def test_video_stands_in_its_lines(assistant):
    frames = [picture() for _ in range(3)]
    video = assistant.embed_video(frames, fps=2.0, pruning_rate=0.0)
    lines = (
        "Frame 1 sampled at 0.00 seconds and frame 2 sampled at 0.50 seconds: <img>",
        "</img>\nFrame 3 sampled at 1.00 seconds: <img>",
        "</img>",
    )
    groups = assistant.vision.embed_video(frames, pruning_rate=0.0)
    texts = [assistant.embed_text(line) for line in lines]
    expected = torch.cat([texts[0], groups[0], texts[1], groups[1], texts[2]])
    assert torch.equal(video, expected)
    message = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Hm"}]}
    pieces = assistant.prompt.pieces([message])
    prompt = assistant.embed_prompt(pieces, videos=[video])
    assert len(prompt) == len(video) + sum(
        len(assistant.prompt.encode(piece)) for piece in pieces if isinstance(piece, str)
    )


def test_pruned_video_is_shorter(assistant):
    frames = [picture()] * 6
    whole = assistant.embed_video(frames, pruning_rate=0.0)
    assert len(assistant.embed_video(frames, pruning_rate=0.5)) < len(whole)


def test_number_of_media_must_fit_the_prompt(assistant):
    pieces = assistant.prompt.user_turn("Hm", images=1)
    with pytest.raises(ValueError, match="1 places for image, but 2 came"):
        assistant.embed_prompt(pieces, images=[picture(), picture()])


@pytest.mark.parametrize(
    "bad", [np.zeros(0, np.float32), np.full(1600, np.nan, np.float32), np.zeros((2, 1600))]
)
def test_unusable_audio_is_refused(assistant, bad):
    with pytest.raises(ValueError, match=r"\w+"):
        assistant.embed_audio(bad)


def test_checkpoint_without_sound_and_vision_reads_and_writes(tmp_path):
    assistant = load(write_tiny(tmp_path, sound=None, vision=None))
    assert not assistant.hears
    assert not assistant.sees
    state = assistant.model.new_state()
    prompt = assistant.prompt
    assistant.model.prefill(state, tokens=prompt.encode("".join(prompt.user_turn("Hello."))))
    assert len(list(assistant.model.generate(state, max_new_tokens=3))) == 3
    for use in (
        lambda: assistant.encoder,
        lambda: assistant.embed_audio(speech(1600)),
        lambda: assistant.project(torch.zeros(1, 24)),
    ):
        with pytest.raises(MissingPart, match="no sound encoder"):
            use()
    with pytest.raises(MissingPart, match="no vision tower"):
        assistant.embed_image(picture())
