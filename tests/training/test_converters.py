"""Calibration of the converters: found from unlabelled reads, close to what was drawn, and worth it."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.calibration import UNITY
from model.study.converters import converter_spread, with_converters
from model.system import GoldenController, run
from model.training.calibrate import calibrate, calibration_register, channel_targets
from model.training.hybrid import expected_codes, search_range, set_ranges
from model.training.prepare import prepare
from spec.device_file import ConverterSpread, NonIdealities, load_device
from spec.errors import InputError
from spec.registers import Mode

SPREAD = ConverterSpread(offset_spread=1.0, gain_spread=0.1)


@pytest.fixture(scope="module")
def erring_run(digits_run):
    """Good cells, bad converters."""
    return with_converters(
        replace(digits_run, device=load_device("linear"), nonideal=NonIdealities.ideal()), SPREAD, True
    )


class Blind:
    """A golden controller whose conductances and labels nobody may look at."""

    def __init__(self, ctl):
        self.ctl = ctl

    async def run(self, mode, pixels, labels):
        assert mode in (Mode.INFER, Mode.CALIBRATE)
        assert not labels.any()
        return await self.ctl.run(mode, pixels, labels)

    async def conductances(self):
        raise AssertionError("calibration must not see conductances")

    def __getattr__(self, name):
        return getattr(self.ctl, name)


GRID = {"macro_rows": 40, "macro_columns": 20}


@pytest.mark.parametrize(
    ("encoding", "grid"), [("amplitude", {}), ("bit_serial", {}), ("amplitude", GRID), ("bit_serial", GRID)]
)
def test_calibration_finds_what_was_drawn(erring_run, digits, net, encoding, grid):
    hardware = replace(erring_run, params=replace(erring_run.params, encodings=(encoding,), **grid))
    job = prepare(hardware, digits, net, 5)
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    found_range = run(search_range(ctl, job))
    targets = channel_targets(expected_codes(job, found_range), job.params)
    found = run(calibrate(Blind(ctl), job.calibration, targets))
    full = 1 if encoding == "bit_serial" else job.params.dac_full_scale
    offsets, gains = np.concatenate([macro.state.errors for macro in ctl.array.macros], axis=1)
    assert len(found) == len(gains)
    assert np.abs(found[:, 0] - ((offsets * full) >> 12) / found_range["LSB"]).max() <= 0.51
    corrected = found[:, 1] / UNITY * (1 + gains / 4096)
    assert np.abs(corrected / corrected.mean() - 1).max() < 0.03
    assert np.abs(gains).max() > 0.1 * 4096  # there was something to find


def test_zero_reads_drive_no_row(erring_run, digits, net):
    job = prepare(erring_run, digits, net, 5)
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    run(ctl.configure(LSB=1000, CALIBRATION=calibration_register(shift=1)))
    record = run(ctl.run(Mode.CALIBRATE, job.calibration[:3], np.zeros(3, np.int64), trace=True))
    assert not np.any(record.trace["codes"])
    first = np.array(record.trace["conversion"])[:, : job.params.adc_channels]
    assert np.array_equal(run(ctl.calibration())[:, 0], first[0])
    assert (first == first[0]).all()


def test_gains_are_bounded_and_neutral_after_offsets(erring_run, digits, net):
    job = prepare(erring_run, digits, net, 5)
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    run(ctl.configure(LSB=20_000))
    run(calibrate(ctl, job.calibration[:8], np.full(job.params.adc_channels, 1 << 30)))
    assert (run(ctl.calibration())[:, 1] <= 4 * UNITY - 1).all()
    run(ctl.configure(CALIBRATION=calibration_register()))
    run(ctl.run(Mode.CALIBRATE, job.calibration[:1], np.zeros(1, np.int64)))
    assert (run(ctl.calibration())[:, 1] == UNITY).all()


def test_ranges_are_set_with_calibration_where_it_is_built_in(erring_run, digits, net):
    job = prepare(erring_run, digits, net, 5)
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    run(set_ranges(ctl, job))
    assert ctl.registers["CALIBRATION"] == calibration_register(apply=1)


def test_a_calibration_that_was_kept_can_be_restored(erring_run, digits, net):
    job = prepare(replace(erring_run, params=replace(erring_run.params, **GRID)), digits, net, 5)
    first, second = (GoldenController(job.params, job.image) for _ in range(2))
    run(first.transfer(job.counts))
    run(set_ranges(first, job))
    kept = run(first.calibration())
    assert len(np.unique(kept, axis=0)) > 1
    run(second.transfer(job.counts))
    run(second.configure(**first.registers))
    run(second.restore_calibration(kept))
    reads = Mode.INFER, job.calibration[:5], np.zeros(5, np.int64)
    codes = [np.array(run(ctl.run(*reads, trace=True)).trace["column"]) for ctl in (first, second)]
    assert np.array_equal(*codes)


def test_hardware_without_erring_converters_refuses_a_device_that_has_them(erring_run, digits, net):
    hardware = replace(erring_run, params=replace(erring_run.params, converter_errors=0))
    with pytest.raises(InputError, match="converter_errors"):
        prepare(hardware, digits, net, 5)


def test_calibration_gives_back_what_the_converters_cost(digits, digits_run):
    bad, device = ConverterSpread(offset_spread=2.0, gain_spread=0.2), load_device("EpiRAM")
    good_cells = replace(digits_run, device=device, nonideal=device.nonideal, seeds=(1, 2), threshold=1 << 17)
    found = converter_spread(good_cells, digits, [ConverterSpread(), bad])
    mean = {key: accuracies["open loop"].mean() for key, accuracies in found.items()}
    lost = mean[ConverterSpread(), False] - mean[bad, False]
    assert lost > 0.1
    assert mean[bad, True] - mean[bad, False] > 0.9 * lost
