"""Program-verify and conductance-tuned updates on the golden array: decisions of the controller, reads, single pulses.

The controller's half, `model.controller.verify`, sees readings only.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.controller.verify import CAPPED, PULSE, UNRESPONSIVE, VerifySettings, begin, verify
from model.device.array import GoldenArray, macro_state
from model.device.macro import read_cell, strobe_pair
from model.jit import kernel
from model.record import Strobes
from spec.device_image import Readout
from spec.errors import InputError
from spec.numerics import MASK32
from spec.registers import VERIFY_WAYS

_PLUS, _PAIR = int(Readout.PLUS), int(Readout.PAIR)


class Tally(NamedTuple):
    """What has been done: readings, pulses, those on G+ among them, cells or pairs given up, rows of the log."""

    reads: int
    pulses: int
    plus: int
    capped: int
    unresponsive: int
    logged: int


_NOTHING = Tally(0, 0, 0, 0, 0, 0)


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


def _log(kept: bool) -> np.ndarray:
    """Strobes, int32[n, 4]: row, column, device (0 G+, 1 G-), depress.  It grows as needed; one of no rows stays empty."""
    return np.zeros((64 if kept else 0, 4), np.int32)


@kernel
def _read(state, events, row, column, kind, averages):
    """The sum of `averages` readings; events: the macro's counts, int64[2]."""
    total = np.int64(0)
    for _ in range(averages):
        total += read_cell(state, row, column, kind, events[0])
        events[0] = (events[0] + 1) & MASK32
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
def _settle(state, events, row, column, kind, loop, reading, s, tally, log):
    """The loop of one cell or pair from its first reading on.  Returns the tally and the log."""
    reads, pulses, plus, capped, unresponsive, logged = tally
    while True:
        action, depress, loop = verify(s, loop, reading)
        if action != PULSE:
            capped += int(action == CAPPED)
            unresponsive += int(action == UNRESPONSIVE)
            return Tally(reads, pulses, plus, capped, unresponsive, logged), log
        strobe_pair(state, row, column, 1 - loop.active, loop.active, depress, events[1])
        events[1] = (events[1] + 1) & MASK32
        pulses += 1
        plus += 1 - loop.active
        if log.shape[0] != 0:
            log = _note(log, logged, row, column, loop.active, depress)
            logged += 1
        reading = _read(state, events, row, column, kind, s.averages)
        reads += s.averages


@kernel
def _to_target(state, events, row, column, kind, target, s, tally, log):
    """One cell or pair to its target.  A pair is tuned first by the cell that carries its sign."""
    if kind == _PAIR:
        loop = begin(target * s.averages, 1, 0 if target >= 0 else 1)
    else:
        loop = begin(target * s.averages, 0, kind - _PLUS)
    reading = _read(state, events, row, column, kind, s.averages)
    tally = _with_reads(tally, s.averages)
    return _settle(state, events, row, column, kind, loop, reading, s, tally, log)


@kernel
def _verify_row(state, events, row, targets, pairs, s, tally, log):
    """The cells or pairs of one row of a macro in order; targets int64 (columns, 2)."""
    for column in range(targets.shape[0]):
        if pairs:
            target = targets[column, 0] - targets[column, 1]
            tally, log = _to_target(state, events, row, column, _PAIR, target, s, tally, log)
        else:
            for minus in range(2):
                target, kind = targets[column, minus], _PLUS + minus
                tally, log = _to_target(state, events, row, column, kind, target, s, tally, log)
    return tally, log


@kernel
def _tune_row(state, events, row, up, down, steps, s, tally, log):
    """One row of a macro, as of `tune_row`.  The reading from which a target is taken is the first of the loop."""
    for column in range(up.shape[0]):
        if up[column] | down[column]:
            reading = _read(state, events, row, column, _PAIR, s.averages)
            tally = _with_reads(tally, s.averages)
            step = steps[0] if up[column] else -steps[1]
            loop = begin(reading + step * s.averages, 1, 0 if up[column] else 1)
            tally, log = _settle(state, events, row, column, _PAIR, loop, reading, s, tally, log)
    return tally, log


@kernel
def _in_layer(log, first, last, row, column):
    """Rows of the log from a macro's rows and columns to the layer's, in which the macro begins at (row, column)."""
    for k in range(first, last):
        log[k, 0] += row
        log[k, 1] += column


@kernel
def verify_all(array, events, targets, pairs, s, tally, log):
    """All cells, or all pairs, of a layer in row order; targets int64 (rows, columns, 2), of a pair the difference counts.

    events: counts of the array's macros, int64 (macros, 2), brought up to date.
    """
    for row in range(targets.shape[0]):
        for k in range(array.places.shape[0]):
            first_row, column = array.places[k, 1], array.places[k, 2]
            rows, columns = array.places[k, 3], array.places[k, 4]
            if first_row <= row < first_row + rows:
                logged, own = tally.logged, targets[row, column : column + columns]
                state = macro_state(array, k)
                tally, log = _verify_row(state, events[k], row - first_row, own, pairs, s, tally, log)
                _in_layer(log, logged, tally.logged, first_row, column)
    return tally, log


@kernel
def tune_row(array, events, row, up, down, steps, s, tally, log):
    """One row of online updates: the difference of each pair to where it was read, and one nominal step further.

    up, down: uint8 (columns), the devices that open-loop training would pulse, which are tried first.
    steps: state codes (up, down).  events: as of `verify_all`.
    """
    for k in range(array.places.shape[0]):
        first_row, column = array.places[k, 1], array.places[k, 2]
        rows, columns = array.places[k, 3], array.places[k, 4]
        if first_row <= row < first_row + rows:
            logged, own = tally.logged, slice(column, column + columns)
            state = macro_state(array, k)
            tally, log = _tune_row(
                state, events[k], row - first_row, up[own], down[own], steps, s, tally, log
            )
            _in_layer(log, logged, tally.logged, first_row, column)
    return tally, log


def _strobes(log: np.ndarray, columns: int) -> Strobes:
    """The strobes of a log, in order."""
    row, column, device, depress = log.T
    masks = np.zeros((2, len(log), columns), np.uint8)
    masks[device, np.arange(len(log)), column] = 1
    return Strobes(row.copy(), masks[0], masks[1], depress.astype(np.uint8))


class Tuner:
    """The commits of a tune run: `steps` are the state codes (up, down) of a nominal step.

    reads, capped, unresponsive: of the run so far.
    """

    def __init__(self, array: GoldenArray, settings: VerifySettings, steps: tuple[int, int]):
        self.array, self.settings, self.steps = array, settings, steps
        self.reads = self.capped = self.unresponsive = 0
        self._log = _log(True)

    def commit(self, rows: np.ndarray, up: np.ndarray, down: np.ndarray) -> Strobes:
        """The rows of one sample in order, int[n] with masks uint8[n, columns]; returns the strobes."""
        events, tally, log = self.array.events, _NOTHING, self._log
        for k, row in enumerate(rows):
            row_of = (self.array.state, events, int(row), up[k], down[k])
            tally, log = tune_row(*row_of, self.steps, self.settings, tally, log)
        self.array.reset(events)
        self.reads += tally.reads
        self.capped += tally.capped
        self.unresponsive += tally.unresponsive
        self._log = log
        return _strobes(log[: tally.logged], self.array.params.columns)


def verify_array(
    array: GoldenArray, targets: np.ndarray, way: str, settings: VerifySettings, *, logged: bool = False
) -> tuple[VerifyCost, Strobes]:
    """Bring every cell (`way` "cell"), or every pair's difference ("pair"), near its target, in row order.

    targets: state codes, int[rows, columns, 2], of the layer.  The array is not erased before.
    Returns the cost and, where they are `logged`, the strobes: of a large array they take much memory.
    Raises `InputError`.
    """
    if way not in VERIFY_WAYS:
        raise InputError(f"{way!r} is not one of {', '.join(VERIFY_WAYS)}", key="verify")
    events, targets, log = array.events, np.ascontiguousarray(targets, np.int64), _log(logged)
    tally, log = verify_all(array.state, events, targets, way == "pair", settings, _NOTHING, log)
    array.reset(events)
    cost = VerifyCost(tally.pulses, tally.reads, tally.capped, tally.unresponsive, tally.plus)
    return cost, _strobes(log[: tally.logged], array.params.columns)
