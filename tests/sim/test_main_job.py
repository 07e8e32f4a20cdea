"""The main job: what runs on the RTL is the beginning of what ran on the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from model.bench import bench_job
from model.system import GoldenController
from model.system import run as golden
from model.training.hybrid import hybrid
from sim import main_job
from sim.main_job import FirstSeed, WatchedController, rtl_window
from sim.stimulus import ENOUGH_PULSES
from spec.params import INSTANCES


@pytest.fixture(scope="module")
def first() -> FirstSeed:
    """An epoch of many chunks whose pulses come in both directions."""
    job = replace(bench_job(INSTANCES["TINY"], 800), threshold=1 << 12, margin_127=40)
    controller = WatchedController(job.params, job.image)
    result = golden(hybrid(controller, job))
    assert min(result.online_pulses) > 2 * ENOUGH_PULSES
    return FirstSeed(job, result, controller.before, controller.marks, 1.0, None)


def test_watching_changes_nothing(first):
    plain = golden(hybrid(GoldenController(first.job.params, first.job.image), first.job))
    assert plain.counters == first.result.counters
    assert np.array_equal(plain.conductances, first.result.conductances)


def test_marks_count_samples_and_strobes(first):
    online = first.result.records["online"]
    assert first.marks.samples[-1] == len(first.job.train_labels)
    assert np.all(np.diff(first.marks.strobes) >= 0) and first.marks.strobes[-1] <= len(online.strobes)


def test_only_what_was_pulsed_since_has_moved(first):
    strobes = first.result.records["online"].strobes
    pulsed = np.zeros(first.before.shape, bool)
    for row, up, down in zip(strobes.row, strobes.up, strobes.down, strict=True):
        pulsed[row] |= np.stack([up, down], axis=1).astype(bool)
    moved = first.result.conductances != first.before
    assert moved.any() and not (moved & ~pulsed).any()


def test_a_short_epoch_runs_whole(first):
    assert rtl_window(first) is first.job


def test_a_window_is_the_beginning_of_the_epoch(first, monkeypatch):
    monkeypatch.setattr(main_job, "WHOLE_EPOCH", 100)
    window = rtl_window(first)
    samples = len(window.train_labels)
    assert samples < len(first.job.train_labels)
    outcome = golden(hybrid(GoldenController(window.params, window.image), window))
    assert min(outcome.online_pulses) >= ENOUGH_PULSES
    whole, part = first.result.records["online"], outcome.records["online"]
    assert np.array_equal(part.predictions, whole.predictions[:samples])
    assert np.array_equal(part.updates, whole.updates[:samples])
    committed = int(first.marks.strobes[list(first.marks.samples).index(samples)])
    assert np.array_equal(part.strobes.row[:committed], whole.strobes.row[:committed])
    changed = {name for name in outcome.registers if outcome.registers[name] != first.result.registers[name]}
    assert not changed
