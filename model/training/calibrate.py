"""Calibration of the converters as one job: what the host asks for, and the targets from the software's network."""

import numpy as np

from spec.numerics import CALIBRATED_FRACTION_BITS
from spec.params import HwParams
from spec.registers import Mode, fields_of

OFFSET_SHIFT = 2
"""Zero reads of an offset, as a power of two."""


def calibration_register(*, apply: int = 0, gains: int = 0, shift: int = 0) -> int:
    """The value of the register CALIBRATION."""
    values = {"apply": apply, "gains": gains, "shift": shift}
    return sum(values[f.name] << low for f, low in fields_of("CALIBRATION"))


def channel_targets(codes: np.ndarray, params: HwParams) -> np.ndarray:
    """Sums of |code| by channel, int64[converters]; codes: of the converters in software, int[n, grid_rows, columns]."""
    targets = np.zeros((params.grid_rows, params.group_channels), np.int64)
    np.add.at(targets.T, np.array(params.column_converters), np.abs(codes).sum(axis=0).T)
    return targets.ravel()


async def measure_offsets(ctl, pixels: np.ndarray) -> None:
    """Offsets of all channels, from reads without driven rows; pixels: at least 2**OFFSET_SHIFT samples of any kind."""
    await ctl.configure(CALIBRATION=calibration_register(shift=OFFSET_SHIFT))
    few = pixels[: 1 << OFFSET_SHIFT]
    await ctl.run(Mode.CALIBRATE, few, np.zeros(len(few), np.int64))


async def measure_gains(ctl, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Gains of all channels from unlabelled samples; returns offsets and gains, int64[converters, 2]."""
    await ctl.load_targets(targets)
    await ctl.configure(CALIBRATION=calibration_register(gains=1))
    await ctl.run(Mode.CALIBRATE, pixels, np.zeros(len(pixels), np.int64))
    return await ctl.calibration()


async def calibrate(ctl, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Measure offsets and gains at the converters' present range, and have them applied; returns what was found.

    Only the gains' differences between channels are wanted: what they have in common comes from the spread of the devices,
    which makes sums larger than software expects, and from the range.  So the gains are measured twice, the second time
    with the targets divided by the mean gain.
    """
    await measure_offsets(ctl, pixels)
    found = await measure_gains(ctl, pixels, targets)
    common = float(found[:, 1].mean()) / (1 << CALIBRATED_FRACTION_BITS)
    if common > 0:
        found = await measure_gains(ctl, pixels, np.rint(targets / common).astype(np.int64))
    await ctl.configure(CALIBRATION=calibration_register(apply=1))
    return found
