"""What is read off a recording."""

import numpy as np
import pytest

from web.latency.measure import Answer, Question, summarize, waited_ms


def recording(said: tuple[int, int], heard: tuple[int, int], length: int = 32_000) -> np.ndarray:
    """Sound from and to these samples; hiss below the threshold everywhere."""
    both = np.full((length, 2), 0.005, np.float32)
    both[slice(*said), 0] = 0.3
    both[slice(*heard), 1] = 0.3
    return both


def test_wait_is_from_the_last_audible_sample_to_the_first():
    both = recording((1000, 9001), (17_000, 20_000))
    assert waited_ms(both, asked=800, length=10_000) == 500.0


def test_answer_that_begins_before_the_end_of_the_question_has_waited_less_than_nothing():
    both = recording((1000, 9001), (7400, 9000))
    assert waited_ms(both, asked=800, length=10_000) == -100.0


def test_sound_before_the_question_is_no_answer():
    assert waited_ms(recording((5000, 9000), (0, 4000)), asked=4500, length=5000) is None


def test_question_that_cannot_be_heard_is_refused():
    with pytest.raises(ValueError, match="too quiet"):
        waited_ms(recording((0, 0), (5000, 6000)), asked=0, length=4000)


@pytest.mark.parametrize(
    ("reply", "is_right"),
    [
        ("The answer is five.", True),
        ("5!", True),
        ("Twenty-five, I'd say.", True),
        ("Fivefold.", False),
        ("", False),
    ],
)
def test_right_answer_names_a_right_word(reply, is_right):
    question = Question(text="", samples=np.zeros(0), answers=["five", "5"])
    assert question.is_answered_by(reply) is is_right


def test_spelt_answer_is_right_however_it_is_punctuated():
    question = Question(text="", samples=np.zeros(0), answers=["c a t"])
    assert question.is_answered_by("C, A, T.")
    assert question.is_answered_by("Cat is spelt C-A-T, of course.")
    assert not question.is_answered_by("cat")
    assert not question.is_answered_by("C, A, T, E.")
    assert not question.is_answered_by("S, C, A, T.")


def answer(latency_ms, **values) -> Answer:
    return Answer(question="", reply="", latency_ms=latency_ms, **{"is_right": True, **values})


def test_summary_counts_what_cut_in_but_does_not_time_it():
    answers = [answer(float(ms)) for ms in range(101)]
    answers += [answer(-50.0, cut_in=True, is_right=False), answer(None, is_right=False)]
    found = summarize(answers)
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (50.0, 95.0, 99.0)
    assert (found.asked, found.heard, found.right, found.cut_in) == (103, 102, 101, 1)


def test_summary_of_stages_leaves_out_what_did_not_happen():
    answers = [
        answer(1.0, stages={"endpoint_ms": 500.0, "first_token_ms": None}),
        answer(1.0, stages={"endpoint_ms": 600.0}),
    ]
    found = summarize(answers)
    assert found.stages["endpoint_ms"] == (550.0, pytest.approx(595.0))
    assert found.stages["first_token_ms"] is None


def test_summary_of_nothing_has_no_figures():
    found = summarize([])
    assert found.p50_ms is None
    assert found.asked == 0
