"""The main job: what runs on the RTL is the beginning of what ran on the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from model.bench import bench_job
from model.system import GoldenController
from model.system import run as golden
from model.training.hybrid import HybridResult, hybrid
from sim import main_job
from sim.main_job import FirstSeed, WatchedController, rtl_window
from sim.stimulus import ENOUGH_PULSES
from spec.params import INSTANCES
from spec.registers import Mode


@pytest.fixture(scope="module")
def first() -> FirstSeed:
    """An epoch of many chunks whose pulses come in both directions."""
    job = replace(bench_job(INSTANCES["TINY"], 2000), threshold=1 << 12, margin_127=40)
    controller = WatchedController(job.params, job.image)
    result = golden(hybrid(controller, job))
    assert min(result.online_pulses) > 2 * ENOUGH_PULSES
    return FirstSeed(job, result, controller.before, controller.given, controller.marks, 1.0, None)


class TracedController(GoldenController):
    """A golden controller that keeps the strobes of the online epoch and the samples that they come from."""

    async def run(self, mode, *samples, **options):
        return await super().run(mode, *samples, **options | {"trace": mode is Mode.TRAIN})


@pytest.fixture(scope="module")
def plain(first) -> HybridResult:
    """The same job on a controller that keeps its strobes."""
    return golden(hybrid(TracedController(first.job.params, first.job.image), first.job))


def test_watching_changes_nothing(first, plain):
    assert plain.counters == first.result.counters
    assert np.array_equal(plain.conductances, first.result.conductances)


def test_marks_count_samples_and_pulses(first, plain):
    samples, pulses = first.marks.samples, first.marks.pulses
    assert samples[-1] == samples[-2] == len(first.job.train_labels) and np.all(np.diff(samples[:-1]) > 0)
    assert np.all(np.diff(pulses, axis=0) >= 0) and tuple(pulses[-1]) == plain.online_pulses


def test_a_mark_within_the_epoch_has_the_pulses_of_the_samples_that_were_committed_by_then(first, plain):
    online = plain.records["online"]
    assert len(first.marks.samples) > 3
    for n, pulses in zip(first.marks.samples[:-1], first.marks.pulses[:-1], strict=True):
        committed = online.trace["entry_sample"] < n - first.job.params.commit_depth
        assert list(pulses) == [online.strobes.up[committed].sum(), online.strobes.down[committed].sum()]


def test_pulses_on_each_cell_are_those_of_the_strobes(first, plain):
    strobes, expected = plain.records["online"].strobes, np.zeros(first.before.shape, np.int64)
    np.add.at(expected[..., 0], strobes.row, strobes.up)
    np.add.at(expected[..., 1], strobes.row, strobes.down)
    assert np.array_equal(first.given, expected)


def test_only_what_was_pulsed_since_has_moved(first):
    moved = first.result.conductances != first.before
    assert moved.any() and not (moved & (first.given == 0)).any()


def test_a_short_epoch_runs_whole(first):
    assert rtl_window(first) is first.job


def test_a_window_is_the_beginning_of_the_epoch(first, plain, monkeypatch):
    monkeypatch.setattr(main_job, "WHOLE_EPOCH", 100)
    window = rtl_window(first)
    samples = len(window.train_labels)
    assert samples < len(first.job.train_labels)
    outcome = golden(hybrid(GoldenController(window.params, window.image), window))
    assert min(outcome.online_pulses) >= ENOUGH_PULSES
    whole, part = plain.records["online"], outcome.records["online"]
    assert np.array_equal(part.predictions, whole.predictions[:samples])
    assert np.array_equal(part.updates, whole.updates[:samples])
    given = np.cumsum(whole.strobes.up.sum(axis=1) + whole.strobes.down.sum(axis=1))
    by_then = first.marks.pulses[list(first.marks.samples).index(samples)].sum()
    committed = int(np.searchsorted(given, by_then, side="right"))
    assert committed > 0
    assert np.array_equal(part.strobes.row[:committed], whole.strobes.row[:committed])
    changed = {name for name in outcome.registers if outcome.registers[name] != first.result.registers[name]}
    assert not changed
