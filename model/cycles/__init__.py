"""Cycles of a run: predicts the counters CYCLES, ELAPSED and STRETCH of the hardware, exactly.

The kernel walks the controller's handshakes and timers cycle by cycle, without any data: what flows are counts of
the golden model's record.  The host is never late: a word of samples in each cycle, every result taken at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.controller.settings import BIT_SERIAL, integrate_cycles, settings
from model.cycles.state import STATE, Constants, Flow, empty_pipes
from model.cycles.walk import walk
from spec.errors import InputError
from spec.params import HwParams
from spec.registers import Mode, reset_value

LANE_LATENCY = 6
"""Stages of an update lane; held against hw/update_lane.py by a test."""
LEAST_QUEUE = 3
"""Least depth of the commit queue; held against hw/commit_queue.py by a test."""


@dataclass(frozen=True)
class Array:
    """Times of the array in cycles: how many `ready` is low in an integrate of each sample, in each strobe."""

    integrate: np.ndarray  # int64[samples]
    strobe: np.ndarray  # int64[strobes]


@dataclass(frozen=True)
class Work:
    """What the samples of a run do."""

    hidden: np.ndarray  # int64[samples, adc_groups]: hidden codes that are not zero
    updates: np.ndarray  # int64[samples]: 0 or 1
    rows: np.ndarray  # int64[samples, row_words]: input codes that are not zero; the bias row is one
    pulsed: np.ndarray  # uint8[samples, rows]: whether the k-th non-zero row of an updating sample has pulses
    words: np.ndarray  # int64[samples]: words of errors in the fullest bank of the update memory


def _times(params: HwParams, registers: dict[str, int]) -> tuple[int, int]:
    """Cycles of an integration and a pulse as the hardware takes them."""
    return integrate_cycles(params, registers), max(1, registers.get("PULSE", reset_value("PULSE")))


def ideal_array(params: HwParams, registers: dict[str, int], work: Work) -> Array:
    """The fastest array that keeps to the port: ready again in the first cycle without a strobe."""
    integrate, pulse = _times(params, registers)
    strobe = pulse - 1  # ready falls in the cycle after the rising strobe
    return Array(
        np.full(len(work.updates), integrate, np.int64), np.full(int(work.pulsed.sum()), strobe, np.int64)
    )


def emulated_array(
    params: HwParams,
    registers: dict[str, int],
    trace: dict,
    integrate_latency: Callable,
    strobe_latency: Callable,
) -> Array:
    """The emulated array; its formulas are those of hw/macro/timing.py.  trace: of a golden run."""
    integrate, pulse = _times(params, registers)
    c = params.columns
    return Array(
        np.array([integrate_latency(params, integrate, list(codes)) for codes in trace["codes"]], np.int64),
        np.array([strobe_latency(params, pulse, e[1 : c + 1], e[c + 1 :]) for e in trace["entry"]], np.int64),
    )


def work_of(params: HwParams, trace: dict) -> Work:
    """The work of a golden run with all stages traced (`GoldenController.run(..., trace=True)`)."""
    check_alone(params)
    n, p = len(trace["codes"]), params
    codes = np.zeros((n, p.row_words * p.dac_load_lanes), np.int64)
    codes[:, : p.rows] = np.array(trace["codes"])
    hidden = np.zeros((n, p.adc_groups * p.adc_channels), np.int64)
    hidden[:, : p.columns] = np.array(trace["hidden"])
    pulsed = np.zeros((n, p.rows), np.uint8)
    for sample, entry in zip(trace.get("entry_sample", ()), trace["entry"], strict=True):
        pulsed[sample, np.count_nonzero(codes[sample, : entry[0]])] = 1
    updates = np.array([v[0] for v in trace["verdict"]], np.int64)
    words = np.ones(n, np.int64)
    words[updates == 1] = [fullest_bank(params, delta) for delta in trace["delta"]]
    return Work(
        (hidden != 0).reshape(n, p.adc_groups, -1).sum(axis=2),
        updates,
        (codes != 0).reshape(n, p.row_words, -1).sum(axis=2),
        pulsed,
        words,
    )


def fullest_bank(params: HwParams, delta: np.ndarray) -> int:
    """Words in which the fullest bank of the update memory has an error, 1 at least; delta: int[columns]."""
    p = params
    padded = np.zeros(p.update_words * p.update_columns, np.int64)
    padded[: p.columns] = delta
    has_error = padded.reshape(p.update_words, p.update_banks, p.bank_columns).any(axis=2)
    return max(1, int(has_error.sum(axis=0).max()))


def check_alone(params: HwParams) -> None:
    """Raise `InputError` for a grid of macros, whose groups of columns are not walked here, and an analog upper layer."""
    if params.analog_upper:
        raise InputError("the cycles of an analog upper layer are not modelled", key="upper_layer")
    if params.macros > 1:
        text = f"a grid of {params.grid_rows} x {params.grid_columns} macros: times are predicted for one"
        raise InputError(text, key="macro_rows")


def predict(
    params: HwParams, mode: Mode, registers: dict[str, int], work: Work, array: Array
) -> dict[str, int]:
    """CYCLES, ELAPSED and STRETCH of one run.  registers: by name, the reset value where one is missing.

    Raises `InputError` for what the model does not hold: bit-serial reads, calibration, grids of macros, and runs other
    than INFER and TRAIN.
    """
    if mode not in (Mode.INFER, Mode.TRAIN):
        raise InputError(f"the cycles of {mode.name} are not predicted", key="mode")
    p = params
    check_alone(p)
    if settings(p, registers).encoding == BIT_SERIAL:
        raise InputError("the cycles of bit-serial reads are not modelled", key="ENCODING")
    if p.calibration:
        raise InputError("the cycles of a controller with calibration are not modelled", key="calibration")
    integrate, pulse = _times(params, registers)
    guard = max(p.guard_min_cycles, registers.get("GUARD", reset_value("GUARD")))
    constants = Constants(
        train=int(mode is Mode.TRAIN), depth=p.commit_depth, slots=p.input_slots, row_words=p.row_words,
        groups=p.adc_groups, conversion=p.conversion_cycles, weight_words=p.weight_words, classes=p.classes,
        words=p.update_words, queue=max(LEAST_QUEUE, p.queue_depth), stages=LANE_LATENCY + 3,
        samples=len(work.updates), integrate_cycles=integrate, pulse=pulse, guard=guard,
    )  # fmt: skip
    flow = Flow(work.hidden, work.updates, work.rows, work.pulsed, work.words, array.integrate, array.strobe)
    state = np.zeros(1, STATE)[0]
    walk(state, constants, flow, empty_pipes(constants))
    return {
        "CYCLES": int(state["cycles"]),
        "ELAPSED": int(state["elapsed"]),
        "STRETCH": int(state["stretch"]),
    }
