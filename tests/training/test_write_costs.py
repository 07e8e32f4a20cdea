"""The ways to write the first layer as jobs that any controller plays."""

import pytest

from model.system import GoldenController, run
from model.training.baselines import program_verify, tune_settings, verify_settings, write_job
from model.training.write_costs import WAYS, write
from spec.errors import InputError


@pytest.fixture(scope="module")
def results(digits_run, digits, net):
    out = {}
    for way in WAYS:
        job = write_job(digits_run, digits, net, 1, way)
        out[way] = run(write(GoldenController(job.params, job.image), job))
    return out


def test_program_verify_is_the_baseline(results, digits_run, digits, net):
    for way in ("cell", "pair"):
        baseline = program_verify(way)(digits_run, digits, net, 1)
        played = results[f"verify {way}"]
        assert played.online == {}
        counters = played.transfer
        assert (
            baseline.transfer_pulses == counters["STROBES"] == counters["PULSES_UP"] + counters["PULSES_DOWN"]
        )
        assert (baseline.verify_reads, baseline.given_up) == (counters["VERIFY_READS"], counters["GIVEN_UP"])
        assert baseline.accuracy == played.accuracy


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
