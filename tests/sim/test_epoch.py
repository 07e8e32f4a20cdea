"""Epochs of real data on the RTL: equal to the golden model, in the cycles that the cycle model predicts."""

from dataclasses import replace

import numpy as np
import pytest

from model.cost import array_utilisation
from model.cycles import ideal_array, predict, work_of
from model.data import load_data
from model.system import GoldenController
from model.system import run as golden
from model.training.hybrid import HybridJob, hybrid
from model.training.offline import OfflineNet
from model.training.prepare import prepare
from sim.cosim import run_cosim
from sim.data_job import data_job
from sim.fast.pair import run_fast
from spec.registers import Mode
from spec.run_file import RunSpec, default_run


class TracedController(GoldenController):
    """A golden controller that keeps the stages of its training run."""

    async def run(self, mode, pixels, labels, *, trace=False, **options):
        record = await super().run(mode, pixels, labels, trace=mode is Mode.TRAIN, **options)
        if mode is Mode.TRAIN:
            self.trace = record.trace
        return record


def untrained_job(samples: int) -> HybridJob:
    """Digits with random weights, so that nearly every sample asks for an update."""
    run = replace(default_run("digits"), train_samples=samples, test_samples=20, threshold=1 << 14)
    rng = np.random.default_rng(5)
    shapes = (run.params.rows, run.params.columns), (run.params.upper_rows, run.params.classes)
    hidden, upper = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return prepare(run, load_data(run.data), OfflineNet(hidden, upper, 0.0, 0.0, 0.0), 0)


def predicted(job: HybridJob) -> tuple[dict[str, int], dict[str, int]]:
    """Registers of the job's online epoch, and its counters with the predicted times."""
    controller = TracedController(job.params, job.image)
    result = golden(hybrid(controller, job))
    work = work_of(job.params, controller.trace)
    array = ideal_array(job.params, result.registers, work)
    times = predict(job.params, Mode.TRAIN, result.registers, work, array)
    return result.registers, result.counters["online"] | times


def check_cycles(job: HybridJob, found) -> None:
    """The online epoch took the predicted cycles; CYCLES has the host's delay before the first sample too."""
    _, expected = predicted(job)
    online = found.result.counters["online"]
    assert {name: online[name] for name in ("ELAPSED", "STRETCH")} == {
        name: expected[name] for name in ("ELAPSED", "STRETCH")
    }


def test_digits_epoch_equals_golden_model_in_the_predicted_cycles():
    job = untrained_job(300)
    found = run_fast(job)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
    assert found.result.counters["online"]["UPDATES"] > 100
    check_cycles(job, found)


@pytest.fixture(scope="module")
def analog_run() -> RunSpec:
    """Digits with both layers on arrays, both trained, errors read back; thresholds to be chosen."""
    run = default_run("digits")
    params = replace(run.params, name="DIGITS-ANALOG", upper_layer="analog", transposed=1)
    return replace(run, params=params, trained="both", backward="transposed")


@pytest.mark.slow
def test_digits_epoch_of_two_arrays_equals_golden_model(analog_run):
    job = data_job(analog_run, lambda *step: None)
    found = run_fast(job)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
    assert found.record.upper.pulses_up and found.record.upper.pulses_down
    golden_result = golden(hybrid(GoldenController(job.params, job.image), job))
    assert np.array_equal(found.result.upper_conductances, golden_result.upper_conductances)
    assert found.result.hybrid_accuracy == golden_result.hybrid_accuracy


@pytest.mark.slow
def test_thresholds_of_both_layers_are_kept(analog_run, tmp_path, monkeypatch):
    monkeypatch.setattr("sim.data_job.KEPT", tmp_path)
    chosen, kept = (data_job(analog_run, lambda *step: None) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    assert kept.threshold == chosen.threshold
    assert kept.analog_upper.threshold == chosen.analog_upper.threshold < kept.threshold


def mnist_job(kind: str, samples: int) -> HybridJob:
    run = default_run("mnist")
    run = replace(run, train_samples=samples, test_samples=100, offline=replace(run.offline, kind=kind))
    return data_job(run, lambda *step: None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["noise-aware", "plain"])
def test_mnist_on_the_bench_takes_the_predicted_cycles(kind):
    job = mnist_job(kind, 2000)
    found = run_fast(job)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
    check_cycles(job, found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "utilisation", "cycles"), [("noise-aware", 0.97, 185), ("plain", 0.95, 210)]
)
def test_an_epoch_of_mnist_keeps_the_array_busy(kind, utilisation, cycles):
    """As predicted, which the test before this one holds against the hardware."""
    job = mnist_job(kind, 0)
    registers, counters = predicted(job)
    assert counters["CYCLES"] < cycles * len(job.train_labels)
    assert array_utilisation(job.params, registers, counters) > utilisation


@pytest.mark.slow
def test_mnist_on_the_emulated_array_equals_golden_model_stage_by_stage():
    job = mnist_job("noise-aware", 2000)
    found = run_cosim(job, "verilator")
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
