"""The ear in training: clips of all lengths at once; what the joint stage teaches whom."""

import pickle

import pytest
import torch

from voice.training.data import SequenceBatch
from voice.training.modules import FROZEN_LAYERS, PROJECTOR_WEIGHT, Hearing
from voice.training.recordings import Recording, collate_speech, similar_lengths
from voice.training.sequences import IGNORED
from voice.training.stages import CopiedEar


def recording(steps):
    labels = torch.randint(0, 20, (steps, 4)).numpy()
    pieces = [0] * steps
    pieces[1] = 300 + steps
    return Recording(labels, pieces, torch.randn(8 * steps, 80))


def speech_batch(*steps):
    torch.manual_seed(1)
    return collate_speech(list(map(recording, steps)))


def heard_batch():
    """Two sequences, each hears one utterance and says two tokens."""
    speech = speech_batch(6, 3)
    tokens = torch.zeros(2, 9, dtype=torch.long)
    is_audio = torch.zeros(2, 9, dtype=torch.bool)
    targets = torch.full((2, 9), IGNORED)
    for row, steps in enumerate((6, 3)):
        tokens[row, 0], tokens[row, steps + 1 : steps + 3] = 1, torch.tensor((50, 51))
        is_audio[row, 1 : steps + 1] = True
        targets[row, steps : steps + 2] = torch.tensor((50, 51))
    return SequenceBatch(tokens, is_audio, targets, speech)


def test_clips_are_encoded_the_same_whatever_they_are_beside(omni):
    batch = speech_batch(3, 20, 4, 19, 5)
    assert len(similar_lengths(batch.lengths)) == 2
    with torch.no_grad():
        steps, middle = omni.hearing.encode(batch)
        for index, length in enumerate((3, 20, 4, 19, 5)):
            alone = speech_batch(3, 20, 4, 19, 5)
            alone.features = alone.features[index : index + 1, : 8 * length]
            alone.lengths = alone.lengths[index : index + 1]
            alone.pieces = alone.pieces[index : index + 1, :length]
            for found, wanted in zip((steps, middle), omni.hearing.encode(alone), strict=True):
                torch.testing.assert_close(found[index, :length], wanted[0], rtol=1e-4, atol=1e-5)


def test_ear_hears_nearly_the_same_in_bfloat16(omni):
    batch = speech_batch(3, 20, 4)
    with torch.no_grad():
        exact = omni.hearing.encode(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = omni.hearing.encode(batch)
    for wanted, found in zip(exact, rounded, strict=True):
        assert found.dtype == torch.float32
        assert (found - wanted).norm() < 0.05 * wanted.norm()


def test_clips_beyond_their_ends_are_encoded_as_nothing(omni):
    with torch.no_grad():
        steps, _ = omni.hearing.encode(speech_batch(3, 20))
    assert (steps[0, 3:] == 0).all()
    assert (steps[1] != 0).any(-1).all()


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([50], [[0]]),
        ([50, 50, 50], [[0, 1, 2]]),
        ([50, 45, 48], [[0, 2, 1]]),
        ([10, 90, 12, 80], [[1, 3], [2, 0]]),
    ],
)
def test_clips_are_grouped_where_padding_would_cost_more(lengths, groups):
    assert [group.tolist() for group in similar_lengths(torch.tensor(lengths))] == groups


def test_spelling_is_learnt_above_the_layers_that_tell_sounds():
    torch.manual_seed(1)
    hearing = Hearing()
    hearing.freeze_sounds()
    loss, figures = hearing.spelling_loss(speech_batch(6, 9))
    loss.backward()
    layers = hearing.encoder.layers
    for frozen in (hearing.encoder.subsampling, *layers[:FROZEN_LAYERS]):
        assert all(weight.grad is None for weight in frozen.parameters())
    for trained in (*layers[FROZEN_LAYERS:], hearing.piece_head):
        assert all(weight.grad is not None for weight in trained.parameters())
    assert set(figures) == {"phonemes", "piece errors"}


def test_joint_loss_of_speech_alone_teaches_ear_and_projector(omni):
    loss, figures = omni.joint_loss(speech_batch(6, 9))
    loss.backward()
    assert omni.hearing.encoder.layers[0].conv.depthwise_conv.weight.grad.abs().sum() > 0
    assert omni.projector.linear1.weight.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in omni.language.parameters())
    assert set(figures) == {"phonemes", "piece errors", "direction"}
    omni.zero_grad()


def test_joint_loss_of_heard_sequences_reaches_the_ear_through_the_decoder(omni):
    batch = heard_batch()
    steps = omni.hearing.encode(batch.speech)[0][batch.speech.pieces != IGNORED]
    assert len(steps) == batch.is_audio.sum()
    told = omni.language.decoder.embed(batch.tokens)
    told[batch.is_audio] = omni.projector(steps)
    wanted, _ = omni.language.token_loss(batch, told)
    loss, figures = omni.joint_loss(batch)
    assert figures["reply"] == pytest.approx(float(wanted.detach()), rel=1e-4)
    (found,) = torch.autograd.grad(
        wanted, [omni.hearing.encoder.layers[0].conv.depthwise_conv.weight]
    )
    assert found.abs().sum() > 0
    own, _ = omni.hearing.own_loss(*omni.hearing.encode(batch.speech), batch.speech)
    distance, _ = omni._distance(steps, omni.projector(steps))
    parts = wanted + own + PROJECTOR_WEIGHT * distance
    assert float(loss.detach()) == pytest.approx(float(parts.detach()), rel=1e-4)


def test_joint_loss_without_sound_is_that_of_reading(omni):
    batch = heard_batch()
    batch.speech = None
    loss, figures = omni.joint_loss(batch)
    wanted, _ = omni.language.loss(batch)
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert set(figures) == {"read reply", "read accuracy"}


def test_ear_for_the_data_workers_hears_the_same_in_another_process(omni):
    batch = speech_batch(6, 3)
    ear = pickle.loads(pickle.dumps(CopiedEar(omni.hearing)))  # as replicas hand it on
    with torch.no_grad():
        assert ear(batch).equal(omni.hearing.encode(batch)[0])
