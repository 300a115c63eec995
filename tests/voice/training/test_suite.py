"""What is measured of a checkpoint."""

import pytest

pytest.importorskip("espeakng_loader")

from voice.training import suite
from voice.training.evaluate import SNRS_DB, Report
from voice.training.suite import Job, jobs


def test_every_seed_and_every_installed_engine_is_asked(monkeypatch):
    monkeypatch.setattr(suite, "installed", lambda voices: {"flite awb": voices["flite awb"]})
    planned = jobs(500, [3, 4])
    assert Job("questions", 100, "flite awb", seed=3) in planned
    assert [job.seed for job in planned if job.what == "questions" and job.count == 500] == [3, 4]


def test_questions_are_asked_in_noise_of_every_level():
    assert [job.snr_db for job in jobs(500, [0]) if job.snr_db is not None] == list(SNRS_DB)


def test_job_asks_in_its_voice_and_noise(monkeypatch):
    asked = []
    monkeypatch.setattr(suite, "evaluate", lambda *given: asked.append(given) or Report())
    Job("questions", 7, "flite awb", 5.0, seed=2).measure(None)
    assert asked == [(None, 7, 2, "flite awb", 5.0)]


def test_further_skills_are_asked_as_often_as_the_first():
    assert Job("further", 500, seed=3) in jobs(500, [3, 4])


def test_pictures_are_shown():
    assert Job("pictures", 200, seed=3) in jobs(500, [3, 4])


def test_job_that_nothing_measures_is_refused():
    with pytest.raises(ValueError, match="'colours'"):
        Job("colours", 1).measure(None)
