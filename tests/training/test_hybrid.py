"""The hybrid job on the golden controller: it repairs a harsh device, with labels only, and without verify reads."""

from dataclasses import replace

import numpy as np
import pytest

from model.system import GoldenController, run
from model.training.hybrid import PHASES, hybrid, largest_threshold, train_as_is
from model.training.prepare import on_split
from spec.choices import RULES
from spec.errors import InputError

THRESHOLDS = {"accumulate": 1 << 16, "counter": 3, "manhattan": 8, "stochastic": 8}


def done(job, **options):
    return run(hybrid(GoldenController(job.params, job.image), job, **options))


def right(record, labels) -> int:
    return int((record.predictions == labels).sum())


@pytest.fixture(scope="module", params=THRESHOLDS)
def trained(request, make_job, digits_run):
    params = replace(digits_run.params, rules=RULES)
    job = make_job(params=params, rule=request.param, threshold=THRESHOLDS[request.param])
    return job, done(job)


def test_improves_on_open_loop(trained, net):
    job, result = trained
    before, after = (right(result.records[phase], job.test_labels) for phase in ("open loop", "hybrid"))
    tests = len(job.test_labels)
    assert before < 0.88 * tests  # there is something to repair
    assert after >= before + 0.05 * tests
    assert (result.open_loop_accuracy, result.hybrid_accuracy) == (before / tests, after / tests)
    assert min(result.online_pulses) >= 20


@pytest.mark.parametrize(
    "widths, threshold",
    [
        ({"adc_bits": 6}, 1 << 16),
        ({"dac_bits": 4}, 1 << 12),
        ({"encodings": ("bit_serial",)}, 1 << 16),
        ({"encodings": ("pulse_width",)}, 1 << 16),
        ({"weight_bits": 4, "delta_bits": 5}, 1 << 12),
        ({"logit_bits": 16, "adc_bits": 10}, 1 << 16),
        ({"state_bits": 9, "read_bits": 9}, 1 << 16),
        ({"adc_channels": 5, "macs": 3, "update_columns": 7, "commit_depth": 1}, 1 << 16),
    ],
)
def test_other_widths_train_too(make_job, digits_run, widths, threshold):
    result = done(make_job(params=replace(digits_run.params, **widths), threshold=threshold))
    assert result.hybrid_accuracy >= result.open_loop_accuracy + 0.05


def test_thresholds_of_the_counter_follow_the_widths(make_job, digits_run):
    narrow = make_job(params=replace(digits_run.params, dac_bits=4, weight_bits=4))
    assert (narrow.x_threshold, narrow.delta_threshold) == (8, 1)
    assert (make_job().x_threshold, make_job().delta_threshold) == (128, 16)


def test_same_job_same_bits(trained):
    job, first = trained
    second = done(job)
    assert (first.lsb, first.registers, first.counters) == (second.lsb, second.registers, second.counters)
    assert np.array_equal(first.conductances, second.conductances)
    for phase in PHASES:
        one, other = first.records[phase], second.records[phase]
        assert np.array_equal(one.predictions, other.predictions)
        assert np.array_equal(one.updates, other.updates)
        for field in ("row", "up", "down", "depress"):
            assert np.array_equal(getattr(one.strobes, field), getattr(other.strobes, field))


def test_no_verify_read_and_only_potentiation(trained):
    _, result = trained
    for phase in PHASES:
        assert result.counters[phase]["VERIFY_READS"] == 0
        assert not result.records[phase].strobes.depress.any()


def test_counters_are_those_of_each_phase(trained):
    job, result = trained
    n = len(job.train_labels)
    assert result.counters["transfer"]["PULSES_UP"] == job.counts[job.counts > 0].sum()
    assert result.counters["transfer"]["PULSES_DOWN"] == -job.counts[job.counts < 0].sum()
    assert result.counters["transfer"]["INTEGRATES"] == 0
    assert (
        result.counters["open loop"]["INTEGRATES"]
        == result.counters["hybrid"]["INTEGRATES"]
        == len(job.test_labels)
    )
    assert result.counters["open loop"]["STROBES"] == result.counters["hybrid"]["STROBES"] == 0
    online = result.counters["online"]
    assert online["SAMPLES_DONE"] == online["INTEGRATES"] == n  # one epoch, one read a sample
    assert online["CORRECT"] == result.train_correct.sum()
    assert online["STROBES"] == len(result.records["online"].strobes)
    assert 0 < online["UPDATES"] < n / 2


def test_only_pulsed_cells_move(make_job):
    job = make_job()
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    before = ctl.array.conductances()
    result = run(train_as_is(ctl, job))
    strobes = result.records["online"].strobes
    pulsed = np.zeros(before.shape, bool)
    np.logical_or.at(pulsed[..., 0], strobes.row, strobes.up.astype(bool))
    np.logical_or.at(pulsed[..., 1], strobes.row, strobes.down.astype(bool))
    assert np.array_equal(result.conductances[~pulsed], before[~pulsed])


def test_shuffled_labels_do_not_improve(make_job):
    job = make_job()
    wrong = np.random.default_rng(1).permutation(job.train_labels)
    result = done(replace(job, train_labels=wrong))
    assert result.hybrid_accuracy <= result.open_loop_accuracy


def test_a_margin_of_nothing_updates_only_mistakes_and_ties(make_job):
    job = make_job(margin=0.0)
    result = done(job)
    assert result.registers["MARGIN"] == 1
    assert result.counters["online"]["UPDATES"] >= (~result.train_correct).sum()


def test_learning_curve_is_a_moving_average(trained):
    _, result = trained
    curve = result.learning_curve(100)
    assert len(curve) == len(result.train_correct)
    assert curve[0] == result.train_correct[0]
    assert curve[-1] == pytest.approx(result.train_correct[-100:].mean())


def test_trace_holds_every_stage(make_job):
    job = make_job(train_samples=20, test_samples=5)
    result = done(job, trace=True, read_out=False)
    assert result.conductances is None
    assert len(result.records["online"].trace["hidden"]) == 20
    assert len(result.records["hybrid"].trace["logits"]) == 5


def test_progress_reaches_the_total_of_every_phase(make_job):
    job, last = make_job(train_samples=100, test_samples=70), {}
    done(job, progress=lambda phase, count, total: last.update({phase: (count, total)}))
    assert last == {"transfer": (65, 65), "open loop": (70, 70), "online": (100, 100), "hybrid": (70, 70)}


def test_another_split_tests_the_same_array(make_job, digits):
    job = make_job(train_samples=50)
    other = on_split(job, digits.validation)
    result = done(other)
    assert result.counters["hybrid"]["SAMPLES_DONE"] == len(digits.validation)
    assert np.array_equal(result.conductances, done(job).conductances)


def test_jobs_that_cannot_work_are_refused(make_job):
    job = make_job()
    with pytest.raises(InputError, match="rule: 'manhattan' is not built in: accumulate, counter"):
        replace(job, rule="manhattan")
    most = largest_threshold(job.params, "accumulate")
    assert most == 1 << 19
    with pytest.raises(InputError, match=f"threshold: {most + 1} is outside 1..{most}"):
        replace(job, threshold=most + 1)
