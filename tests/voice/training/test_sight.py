"""The eye: what it learns from drawings, what it tells the decoder, how it is kept."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from voice.training.data import SequenceBatch
from voice.training.modules import Language
from voice.training.pictures import NOTHING
from voice.training.pieces import BLANK
from voice.training.sight import LABELS, PictureBatches, Sight
from voice.training.skills import COLORS, KINDS
from voice.training.tokenizer import IMAGE_TOKEN, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer([f"it is {word}" for word in (*COLORS, *KINDS)] * 4, 400)


@pytest.fixture(scope="module")
def sight(tokenizer):
    torch.manual_seed(0)
    sight = Sight()
    sight.learn_words(tokenizer, torch.randn(400, sight.words.shape[1]))
    return sight


@pytest.fixture(scope="module")
def batch():
    return next(iter(PictureBatches(6, seed=1)))


def test_image_token_is_the_tokenizers(tokenizer):
    assert tokenizer.convert_tokens_to_ids("<image>") == IMAGE_TOKEN


def test_words_are_the_mean_embeddings_of_their_pieces(tokenizer):
    embeddings = torch.randn(400, 256)
    sight = Sight()
    sight.learn_words(tokenizer, embeddings)
    ids = tokenizer.encode(" purple", add_special_tokens=False)
    purple = sight.words[1 + COLORS.index("purple")]
    torch.testing.assert_close(purple, embeddings[ids].mean(0))
    nothing = sight.words[NOTHING] + sight.words[LABELS[0] + NOTHING]
    torch.testing.assert_close(nothing, embeddings[BLANK])


def test_loss_teaches_all_of_the_tower_but_what_the_checkpoint_cannot_hold(sight, batch):
    sight.zero_grad()
    loss, figures = sight.loss(batch)
    loss.backward()
    assert set(figures) == {"colors", "kinds", "empty", "relative"}
    for name, parameter in sight.named_parameters():
        if "layer_scale" in name:
            assert not parameter.requires_grad, name
        elif "video" not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_drawings_of_a_batch_are_of_one_size_and_others_in_the_next():
    batches = list(islice(PictureBatches(2, seed=3), 8))
    assert all(len(batch.pixels) == 2 for batch in batches)
    assert len({batch.pixels.shape for batch in batches}) > 2
    for batch in batches:
        assert batch.covered.shape == (2, 2, batch.kinds.shape[1])


def test_eye_that_learns_finds_the_colors_of_what_it_has_seen(tokenizer):
    torch.manual_seed(1)
    sight = Sight()
    sight.learn_words(tokenizer, torch.randn(400, sight.words.shape[1]))
    batches = [next(iter(PictureBatches(4, seed=4)))]
    learnt = [p for p in sight.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=2e-3)
    for _ in range(60):
        loss, figures = sight.loss(batches[0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["colors"] > 0.9
    assert figures["kinds"] > 0.9
    assert figures["empty"] > 0.95


def test_video_of_one_still_picture_is_seen_as_the_picture():
    torch.manual_seed(2)
    sight = Sight()
    sight.repeat_frames()
    picture = torch.randint(0, 256, (3, 60, 60))
    (seen,) = sight.tower.embed_video([picture, picture], pruning_rate=0.0)
    torch.testing.assert_close(seen, sight.tower.embed_image(picture), rtol=1e-4, atol=1e-5)


def test_decoder_reads_what_was_seen_at_the_places_of_pictures():
    torch.manual_seed(3)
    language = Language()
    tokens = torch.tensor([[40, IMAGE_TOKEN, IMAGE_TOKEN, 41], [42, 43, IMAGE_TOKEN, 44]])
    seen = torch.randn(3, language.decoder.config.hidden_size)
    batch = SequenceBatch(tokens, torch.zeros_like(tokens, dtype=torch.bool), tokens, seen=seen)
    embeddings = language.embeddings(batch)
    torch.testing.assert_close(embeddings[tokens == IMAGE_TOKEN], seen)
    others = tokens != IMAGE_TOKEN
    torch.testing.assert_close(embeddings[others], language.decoder.embed(tokens)[others])


def test_drawings_depend_on_the_seed_alone():
    first, again = (next(iter(PictureBatches(3, seed=9))) for _ in range(2))
    assert torch.equal(first.pixels, again.pixels)
