"""The projector as a table of word pieces; a decoder that learns to read what the ear hears."""

import pytest
import torch

from tests.voice.training.conftest import sure_steps
from voice.training.data import SequenceBatch
from voice.training.pieces import BLANK
from voice.training.sequences import IGNORED


def heard_batch(omni, pieces):
    """Two sequences of three places of audio whose encoder steps are sure of ``pieces``."""
    tokens = torch.tensor([[1, 0, 0, 0, 50, 51], [1, 0, 0, 0, 60, 61]])
    is_audio = torch.zeros_like(tokens, dtype=torch.bool)
    is_audio[:, 1:4] = True
    targets = torch.full_like(tokens, IGNORED)
    targets[:, 3:5] = tokens[:, 4:6]
    return SequenceBatch(tokens, is_audio, targets, steps=sure_steps(omni, pieces))


def test_projector_starts_as_a_table_of_pieces(omni):
    pieces = torch.arange(300, 400)
    with torch.no_grad():
        said = omni.projector(sure_steps(omni, pieces))
    embeddings = omni.language.decoder.backbone.embeddings.weight
    assert torch.cosine_similarity(said[:, None], embeddings, dim=-1).argmax(-1).equal(pieces)


def test_listening_reads_what_the_projector_says_of_the_steps(omni):
    batch = heard_batch(omni, torch.tensor([300, 301, 302, 303, 304, 305]))
    loss, figures = omni.listening_loss(batch)
    told = omni.language.decoder.embed(batch.tokens)
    told[batch.is_audio] = omni.projector(batch.steps)
    wanted, _ = omni.language.token_loss(batch, told)
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()))
    assert figures["reply"] == pytest.approx(float(wanted.detach()))


def test_projector_that_says_the_mean_embeddings_is_at_no_distance(omni):
    steps = sure_steps(omni, torch.tensor([BLANK, 301, 302, BLANK, 304, 305]))
    with torch.no_grad():
        found = omni.hearing.piece_head(steps).softmax(-1)
        means = found @ omni.language.decoder.backbone.embeddings.weight
        loss, figures = omni._distance(steps, means)
        turned, more = omni._distance(steps, means.flip(-1))
        louder, same = omni._distance(steps, 2 * means)
    assert float(loss) == pytest.approx(0, abs=1e-5)
    assert figures["direction"] == pytest.approx(0, abs=1e-5)
    assert more["direction"] > 0.5
    assert same["direction"] == pytest.approx(0, abs=1e-5)
    assert float(loss) < float(louder) < 0.1 * float(turned)


def test_sequences_without_sound_are_read(omni):
    batch = heard_batch(omni, torch.arange(300, 306))
    batch.steps = None
    loss, figures = omni.listening_loss(batch)
    wanted, _ = omni.language.loss(batch)
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()))
    assert set(figures) == {"read reply", "read accuracy"}
