"""Program-verify and conductance-tuned updates on the golden array: decisions of the controller, reads, single pulses.

The controller's half, `model.controller.verify`, sees readings only.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from model.controller.verify import CAPPED, PULSE, UNRESPONSIVE, VerifySettings, begin, verify
from model.device.array import GoldenArray
from model.device.macro import Events, GoldenMacro, read_cell, strobe
from model.jit import kernel
from model.record import Strobes
from spec.device_image import Readout
from spec.errors import InputError
from spec.registers import VERIFY_WAYS

_PLUS, _PAIR = int(Readout.PLUS), int(Readout.PAIR)
_MASK32 = 0xFFFFFFFF


class Tally(NamedTuple):
    """What has been done: the macro's events, pulses on G+ among them, cells or pairs given up, rows of the log."""

    reads: int
    pulses: int
    plus: int
    capped: int
    unresponsive: int
    logged: int


@dataclass(frozen=True)
class VerifyCost:
    """What the transfer took."""

    pulses: int
    """Each a write slot of its own: a pulse on one cell, then a read."""
    reads: int
    capped: int
    """Cells or pairs left outside the tolerance after as many pulses as they may have."""
    unresponsive: int
    """Cells or pairs left because they did not move."""
    pulses_up: int
    """Those on G+."""

    @property
    def given_up(self) -> int:
        """Cells or pairs left outside the tolerance."""
        return self.capped + self.unresponsive


def no_log() -> np.ndarray:
    """A log that stays empty."""
    return np.zeros((0, 4), np.int32)


def new_log() -> np.ndarray:
    """A log of strobes, int32[n, 4]: row, column, device (0 G+, 1 G-), depress.  It grows as needed."""
    return np.zeros((64, 4), np.int32)


@kernel
def _read(state, row, column, kind, averages, event):
    """The sum of `averages` readings."""
    total = np.int64(0)
    for k in range(averages):
        total += read_cell(state, row, column, kind, (event + k) & _MASK32)
    return total


@kernel
def _with_reads(tally, reads):
    reads = tally.reads + reads
    return Tally(reads, tally.pulses, tally.plus, tally.capped, tally.unresponsive, tally.logged)


@kernel
def _note(log, logged, row, column, device, depress):
    """The log with one more row, if it is kept."""
    if logged == log.shape[0]:
        larger = np.zeros((2 * logged, 4), np.int32)
        larger[:logged] = log
        log = larger
    log[logged, 0], log[logged, 1], log[logged, 2], log[logged, 3] = row, column, device, depress
    return log


@kernel
def _settle(state, row, column, kind, loop, reading, s, masks, tally, log):
    """The loop of one cell or pair from its first reading on.  Returns the tally and the log."""
    reads, pulses, plus, capped, unresponsive, logged = tally
    while True:
        action, depress, loop = verify(s, loop, reading)
        if action != PULSE:
            capped += int(action == CAPPED)
            unresponsive += int(action == UNRESPONSIVE)
            return Tally(reads, pulses, plus, capped, unresponsive, logged), log
        masks[loop.active, column] = 1
        strobe(state, row, masks[0], masks[1], depress, pulses & _MASK32)
        masks[loop.active, column] = 0
        pulses += 1
        plus += 1 - loop.active
        if log.shape[0] != 0:
            log = _note(log, logged, row, column, loop.active, depress)
            logged += 1
        reading = _read(state, row, column, kind, s.averages, reads)
        reads += s.averages


@kernel
def _to_target(state, row, column, kind, target, s, masks, tally, log):
    """One cell or pair to its target.  A pair is tuned first by the cell that carries its sign."""
    if kind == _PAIR:
        loop = begin(target * s.averages, 1, 0 if target >= 0 else 1)
    else:
        loop = begin(target * s.averages, 0, kind - _PLUS)
    reading = _read(state, row, column, kind, s.averages, tally.reads)
    tally = _with_reads(tally, s.averages)
    return _settle(state, row, column, kind, loop, reading, s, masks, tally, log)


@kernel
def verify_all(state, targets, pairs, s, tally, log):
    """All cells, or all pairs, in row order; targets int64 (rows, columns, 2), of a pair the difference counts."""
    rows, columns, _ = targets.shape
    masks = np.zeros((2, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            if pairs:
                target = targets[row, column, 0] - targets[row, column, 1]
                tally, log = _to_target(state, row, column, _PAIR, target, s, masks, tally, log)
            else:
                for minus in range(2):
                    target = targets[row, column, minus]
                    tally, log = _to_target(state, row, column, _PLUS + minus, target, s, masks, tally, log)
    return tally, log


@kernel
def tune_row(state, row, up, down, steps, s, masks, tally, log):
    """One row of online updates: the difference of each pair to where it was read, and one nominal step further.

    up, down: uint8 (columns), the devices that open-loop training would pulse, which are tried first.
    steps: state codes (up, down).  The reading from which the target is taken is the first of the loop.
    """
    for column in range(up.shape[0]):
        if up[column] | down[column]:
            reading = _read(state, row, column, _PAIR, s.averages, tally.reads)
            tally = _with_reads(tally, s.averages)
            step = steps[0] if up[column] else -steps[1]
            loop = begin(reading + step * s.averages, 1, 0 if up[column] else 1)
            tally, log = _settle(state, row, column, _PAIR, loop, reading, s, masks, tally, log)
    return tally, log


def strobes_of(log: np.ndarray, columns: int) -> Strobes:
    """The strobes of a log, in order."""
    row, column, device, depress = log.T
    masks = np.zeros((2, len(log), columns), np.uint8)
    masks[device, np.arange(len(log)), column] = 1
    return Strobes(row.copy(), masks[0], masks[1], depress.astype(np.uint8))


class Tuner:
    """The commits of a tune run: `steps` are the state codes (up, down) of a nominal step.

    reads, capped, unresponsive: of the run so far.
    """

    def __init__(self, macro: GoldenMacro, settings: VerifySettings, steps: tuple[int, int]):
        self.macro, self.settings, self.steps = macro, settings, steps
        self.reads = self.capped = self.unresponsive = 0
        self._masks = np.zeros((2, macro.params.columns), np.uint8)
        self._log = new_log()

    def commit(self, rows: np.ndarray, up: np.ndarray, down: np.ndarray) -> Strobes:
        """The rows of one sample in order, int[n] with masks uint8[n, columns]; returns the strobes."""
        before = self.macro.events
        tally, log = Tally(*before, 0, 0, 0, 0), self._log
        for k, row in enumerate(rows):
            run_of = (self.macro.state, int(row), up[k], down[k], self.steps, self.settings, self._masks)
            tally, log = tune_row(*run_of, tally, log)
        self.macro.reset(Events(tally.reads, tally.pulses))
        self.reads += tally.reads - before.integrates
        self.capped += tally.capped
        self.unresponsive += tally.unresponsive
        self._log = log
        return strobes_of(log[: tally.logged], self.macro.params.columns)


def verify_logged(
    macro: GoldenMacro, targets: np.ndarray, way: str, settings: VerifySettings, log: np.ndarray
) -> tuple[VerifyCost, np.ndarray]:
    """`verify_transfer` with the strobes: `log` is `new_log()`, or `no_log()` for none.  Returns the cost and the log."""
    if way not in VERIFY_WAYS:
        raise InputError(f"{way!r} is not one of {', '.join(VERIFY_WAYS)}", key="verify")
    before = macro.events
    targets = np.ascontiguousarray(targets, np.int64)
    start = Tally(before.integrates, before.strobes, 0, 0, 0, 0)
    tally, log = verify_all(macro.state, targets, way == "pair", settings, start, log)
    macro.reset(Events(tally.reads, tally.pulses))
    pulses, reads = tally.pulses - before.strobes, tally.reads - before.integrates
    return VerifyCost(pulses, reads, tally.capped, tally.unresponsive, tally.plus), log[: tally.logged]


def verify_transfer(
    macro: GoldenMacro, targets: np.ndarray, way: str, settings: VerifySettings
) -> VerifyCost:
    """Bring every cell (`way` "cell"), or every pair's difference ("pair"), near its target.

    targets: state codes, int[rows, columns, 2].  The macro is not erased before.  Raises `InputError`.
    """
    return verify_logged(macro, targets, way, settings, no_log())[0]


def verify_array(array: GoldenArray, targets: np.ndarray, way: str, settings: VerifySettings) -> VerifyCost:
    """`verify_transfer` on every macro of a layer, one after the other; targets int[rows, columns, 2] of the layer."""
    costs = [
        verify_transfer(macro, targets[tile.rows, tile.columns], way, settings)
        for tile, macro in zip(array.tiles, array.macros, strict=True)
    ]
    return VerifyCost(*(sum(getattr(cost, f.name) for cost in costs) for f in fields(VerifyCost)))
