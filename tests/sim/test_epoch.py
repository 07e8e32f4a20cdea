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
from spec.run_file import default_run


class TracedController(GoldenController):
    """A golden controller that keeps the stages of its training run."""

    async def run(self, mode, pixels, labels, *, trace=False, progress=None):
        record = await super().run(mode, pixels, labels, trace=mode is Mode.TRAIN, progress=progress)
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
