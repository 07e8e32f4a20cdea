"""The ways to write the first layer as jobs that any controller plays."""

import pytest

from model.study.controls import METHODS
from model.system import GoldenController, run
from model.training.trial import Trial
from model.training.write_costs import (
    VERIFY_TOLERANCE,
    WAYS,
    tune_settings,
    verify_settings,
    write,
    write_job,
)
from spec.errors import InputError


@pytest.fixture(scope="module")
def results(digits_run, digits, net):
    out = {}
    for way in WAYS:
        job = write_job(digits_run, digits, net, 1, way)
        out[way] = run(write(GoldenController(job.params, job.image), job))
    return out


def test_every_way_is_a_method_of_a_study(results, digits_run, digits, net):
    trial = Trial(digits_run, digits, net, 1)
    trained = {"threshold": digits_run.threshold, "margin": digits_run.margin}
    verified = {"tolerance": VERIFY_TOLERANCE, "averages": 1}
    methods = {"hybrid": ("hybrid accumulate", trained), "tuned": ("tuned online", trained)}
    methods |= {way: (way, verified) for way in ("verify cell", "verify pair")}
    assert set(methods) == set(WAYS)
    for way, (name, settings) in methods.items():
        studied, played = METHODS[name].measure(trial, settings), results[way]
        assert studied.phases["transfer"] == played.transfer
        assert studied.phases.get("online", {}) == played.online
        assert studied.accuracy == played.accuracy


def test_only_what_reads_cells_counts_readings(results):
    assert results["hybrid"].transfer == results["tuned"].transfer
    assert results["hybrid"].transfer["VERIFY_READS"] == results["hybrid"].online["VERIFY_READS"] == 0
    assert results["tuned"].transfer["VERIFY_READS"] == 0
    assert results["tuned"].online["VERIFY_READS"] > results["tuned"].online["STROBES"] > 0


def test_a_tuned_pair_is_near_within_half_a_step(digits_run):
    settings, step = tune_settings(digits_run)
    assert settings.tolerance == step // 2 < verify_settings(digits_run).tolerance


def test_unknown_way_is_refused(digits_run, digits, net):
    with pytest.raises(
        InputError, match="way: 'verify' is not one of hybrid, tuned, verify cell, verify pair"
    ):
        write_job(digits_run, digits, net, 1, "verify")
