"""The range search: few reads, no labels, no conductances, and the smallest range that holds."""

from dataclasses import replace

import numpy as np
import pytest

from model.system import GoldenController, run
from model.training.range_search import SAMPLES, search_lsb, search_serial
from spec.device_file import NonIdealities
from spec.registers import Mode


class Counting:
    """A golden controller that shows what was asked of it."""

    def __init__(self, ctl: GoldenController):
        self.ctl, self.probes = ctl, []

    async def run(self, mode, pixels, labels):
        assert mode is Mode.INFER
        self.probes.append((len(pixels), set(labels.tolist()), self.ctl.registers["LSB"]))
        return await self.ctl.run(mode, pixels, labels)

    async def conductances(self):
        raise AssertionError("the search must not see conductances")

    def __getattr__(self, name):
        return getattr(self.ctl, name)


def clipped(ctl: GoldenController, pixels: np.ndarray, lsb: int) -> int:
    run(ctl.configure(LSB=lsb))
    run(ctl.clear_counters())
    run(ctl.run(Mode.INFER, pixels, np.zeros(len(pixels), np.int64)))
    return run(ctl.counters())["CLIPPED"]


@pytest.fixture
def quiet(make_job):
    """A transferred array without read noise, so that probes can be repeated, and the calibration samples."""
    job = make_job(nonideal=NonIdealities(read_sigma=0.0))
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    return ctl, job.calibration


def test_smallest_lsb_with_at_most_a_thousandth_clipped(quiet):
    ctl, pixels = quiet
    lsb = run(search_lsb(ctl, ctl.params, pixels))
    allowed = SAMPLES * ctl.params.columns // 1000
    assert clipped(ctl, pixels, lsb) <= allowed < clipped(ctl, pixels, lsb - max(1, lsb // 64))


def test_smallest_step_of_bit_serial_codes(make_job, digits_run):
    params = replace(digits_run.params, encodings=("bit_serial",))
    job = make_job(params=params, nonideal=NonIdealities(read_sigma=0.0))
    ctl = GoldenController(params, job.image)
    run(ctl.transfer(job.counts))
    counting = Counting(ctl)
    lsb, shift = run(search_serial(counting, params, job.calibration))
    assert len(counting.probes) <= 30
    columns = params.columns * SAMPLES
    run(ctl.configure(SERIAL_SHIFT=shift))
    assert clipped(ctl, job.calibration, lsb) <= columns // 1000
    assert run(ctl.counters())["PLANES_CLIPPED"] <= columns * params.dac_bits // 1000
    assert clipped(ctl, job.calibration, lsb - max(1, lsb // 64)) > columns // 1000


def test_few_unlabelled_reads(quiet):
    ctl, pixels = quiet
    counting = Counting(ctl)
    lsb = run(search_lsb(counting, ctl.params, pixels))
    assert len(counting.probes) <= 13
    assert {(n, tuple(labels)) for n, labels, _ in counting.probes} == {(SAMPLES, (0,))}
    assert lsb in [probed for *_, probed in counting.probes]


def test_an_erased_array_needs_no_range(make_job):
    job = make_job(nonideal=NonIdealities.ideal())
    ctl = GoldenController(job.params, job.image)
    assert run(search_lsb(ctl, job.params, job.calibration)) == 1


class Threshold:
    """A controller whose codes clip below a given lsb, and nothing else."""

    def __init__(self, lsb: int):
        self.least, self.lsb = lsb, 0

    async def configure(self, LSB):
        self.lsb = LSB

    async def clear_counters(self):
        pass

    async def run(self, *_):
        pass

    async def counters(self):
        return {"CLIPPED": 10**9 if self.lsb < self.least else 0}


@pytest.mark.parametrize("least", [1, 2, 3, 100, 255, 256, 257, 37_888, 2**23, 2**24 - 1, 2**24])
def test_search_ends_close_to_any_limit(digits_run, least):
    found = run(search_lsb(Threshold(least), digits_run.params, np.zeros((8, 64), np.uint8)))
    if least > 2**23:
        assert found == 2**24 - 1  # the register's end
    else:
        assert least <= found <= least + least // 64
