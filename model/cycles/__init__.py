"""Cycles of a run: predicts the counters CYCLES, ELAPSED and STRETCH of the hardware, exactly.

The kernels walk the controller's handshakes and timers cycle by cycle, without any data: what flows are counts of
the golden model's record (`work`).  The host is never late: a word of samples, and a count, target or wanted code, in
each cycle, every result taken at once.
"""

from collections.abc import Callable

import numpy as np

from model.controller.counters import TIMES
from model.controller.settings import settings, verify_settings
from model.cycles.state import STATE, Constants, Flow, empty_pipes
from model.cycles.walk import walk
from model.cycles.work import (
    Array,
    Gathered,
    Work,
    emulated_array,
    fullest_banks,
    ideal_array,
    reads_serially,
    times,
    transfer_work,
    verify_work,
    work_of,
)
from model.cycles.writing import walk_writing
from spec.errors import InputError
from spec.params import HwParams
from spec.registers import Mode, reset_value

__all__ = [
    "Array",
    "Gathered",
    "Work",
    "emulated_array",
    "fullest_banks",
    "ideal_array",
    "is_modelled",
    "predict",
    "transfer_work",
    "verify_work",
    "work_of",
]

LANE_LATENCY = 6
"""Stages of an update lane; held against hw/update_lane.py by a test."""
LEAST_QUEUE = 3
"""Least depth of the commit queue; held against hw/commit_queue.py by a test."""
FEWEST = 16
"""Cells up to which a verify run is walked through in any case."""
WRITING = (Mode.TRANSFER, Mode.VERIFY)
"""Modes of runs without samples."""


def is_modelled(params: HwParams) -> bool:
    """Whether `predict` knows this hardware."""
    return not (params.analog_upper or params.compact)


def predict(
    params: HwParams, mode: Mode, registers: dict[str, int], work: Work, array: Array
) -> dict[str, int]:
    """CYCLES, ELAPSED and STRETCH of one run.  registers: by name, the reset value where one is missing.

    Raises `InputError` for mode DEBUG, in which no run is, for an analog upper layer and for compact hardware.
    """
    if mode is Mode.DEBUG:
        raise InputError("no run is in this mode", key="mode")
    if params.analog_upper:
        raise InputError("the cycles of an analog upper layer are not modelled", key="upper_layer")
    if params.compact:
        raise InputError("the cycles of compact hardware are not modelled", key="compact")
    p = params
    serial = reads_serially(p, registers) and mode not in WRITING
    integrate, pulse = times(p, registers)
    guard = max(p.guard_min_cycles, registers.get("GUARD", reset_value("GUARD")))
    constants = Constants(
        train=int(mode in (Mode.TRAIN, Mode.TUNE)), depth=p.commit_depth, slots=p.input_slots, row_words=p.row_words,
        groups=p.adc_groups, conversion=p.conversion_cycles, weight_words=p.weight_words, classes=p.classes,
        words=p.update_words, queue=max(LEAST_QUEUE, p.queue_depth), stages=LANE_LATENCY + 3,
        samples=len(work.updates), integrate_cycles=integrate, pulse=pulse, guard=guard,
        planes=p.dac_bits if serial else 1, serial=int(serial), calibrated=p.calibration,
        tune=int(mode is Mode.TUNE), verifies=int(mode is Mode.VERIFY),
        averages=verify_settings(registers).averages, columns=p.columns, rows=p.rows,
        taught=int(mode in (Mode.TRAIN, Mode.TUNE) and settings(p, registers).teacher), channels=p.adc_channels,
        update_columns=p.update_columns, macro_columns=p.macro_columns,
    )  # fmt: skip
    flow = Flow(
        work.hidden, work.updates, work.rows, work.pulsed, work.words, work.strobes, work.loops, work.pairs,
        array.integrate, array.strobe, array.readout,
    )  # fmt: skip
    if mode is Mode.VERIFY and len(work.loops) > FEWEST and _steady(array):
        return _added_up(constants, flow)
    return _counted(walk_writing if mode in WRITING else walk, constants, flow)


def _counted(kernel: Callable, constants: Constants, flow: Flow) -> dict[str, int]:
    """The counters after a walk through all cycles."""
    state = np.zeros(1, STATE)[0]
    kernel(state, constants, flow, empty_pipes(constants))
    return {name: int(state[name.lower()]) for name in TIMES}


def _steady(array: Array) -> bool:
    """Whether all strobes, and all readings, take the same time."""
    return all(len(times) == 0 or times.min() == times.max() for times in (array.strobe, array.readout))


def _added_up(constants: Constants, flow: Flow) -> dict[str, int]:
    """Of a verify run whose cells are treated alike: one comes after the other, so each adds a time, and so does each pulse."""

    def of(*loops: int) -> dict[str, int]:
        few = flow._replace(loops=np.array(loops, np.int64), readout_time=flow.readout_time[: len(loops)])
        return _counted(walk_writing, constants, few)

    cells, pulses = len(flow.loops), int(flow.loops.sum())
    one, two = of(0), of(0, 0)
    pulsed = of(1, 0) if pulses else two
    return {
        name: one[name] + (cells - 1) * (two[name] - one[name]) + pulses * (pulsed[name] - two[name])
        for name in TIMES
    }
