"""The analog upper layer of the golden system: a second array that hidden codes drive, and that may be trained.

Its pulses are not deferred: those of sample n are on its array before it reads sample n + 1.
"""

from typing import NamedTuple

import numpy as np

from model.controller.column_adc import column_adc
from model.controller.settings import Settings, settings
from model.controller.transposed_delta import transposed_delta
from model.device.array import ArrayState, GoldenArray, macro_state
from model.device.effects.inl import bend
from model.device.macro import integrate_transposed
from model.jit import kernel
from model.layer import ControllerState, commit, convert, new_state, update
from model.record import Strobes
from model.trace import Log, copied, rows_log
from spec.device_image import DeviceImage
from spec.grid import macro_image, upper_tile
from spec.numerics import MASK32, UPPER_SEED
from spec.params import HwParams
from spec.registers import fields_of, reset_value

_OF_UPPER = {"LSB": "UPPER_LSB", "THRESHOLD": "UPPER_THRESHOLD", "X_THRESHOLD": "UPPER_X_THRESHOLD"}
"""Registers of the upper array's own, by those whose place they take."""


class UpperState(NamedTuple):
    """What `run_samples` needs of the upper layer."""

    s: Settings
    state: ControllerState
    array: ArrayState
    events: np.ndarray  # int64[1, 2]
    pulses: Log
    tally: (
        np.ndarray
    )  # int64[3]: rows with pulses in `pulses`; of the run so far, reads and output codes at a limit
    rows: np.ndarray  # int64[n]: rows with pulses of each sample
    sums: np.ndarray  # int32[1, classes], scratch
    unseen: np.ndarray  # int32[0, classes]: the place for codes that nobody looks at
    trains_first: int
    trains_last: int
    transposed: int
    """1: the errors of the hidden units come from transposed reads."""
    backward_lsb: int
    transposed_rows: int


@kernel
def output_error(target, rival, classes, delta_bits):
    """Errors of the output units, int32[classes]: as large as there are, up for the target, down for its rival."""
    error = np.zeros(classes, np.int32)
    error[target] = (1 << (delta_bits - 1)) - 1
    error[rival] = -error[target]
    return error


@kernel
def upper_read(u, codes):
    """Output codes of one read, int32[classes]."""
    full = (1 << u.s.dac_bits) - 1
    macro = macro_state(u.array, 0)
    u.tally[1] += 1
    logits, _ = convert(
        u.s, u.state.channels, u.array, macro, codes, full, u.events, u.sums, u.unseen, u.unseen
    )
    for code in logits:
        u.tally[2] += abs(code) == (1 << (u.s.adc_bits - 1)) - 1
    return logits


@kernel
def transposed_error(u, hidden, target, rival, delta_bits):
    """The errors of the hidden units from transposed reads, `transposed_rows` rows each."""
    full, macro = (1 << u.s.dac_bits) - 1, macro_state(u.array, 0)
    codes, sums = np.zeros(hidden.shape[0], np.int32), np.empty(u.sums.shape[1], np.int32)
    for first in range(0, hidden.shape[0], u.transposed_rows):
        integrate_transposed(macro, target, rival, first, full, u.events[0, 0], sums)
        u.events[0, 0] = (u.events[0, 0] + 1) & MASK32
        u.tally[1] += 1
        bend(macro.effects, sums, u.backward_lsb, u.s.adc_bits)
        of_rows = column_adc(sums, u.backward_lsb, u.s.adc_bits)
        for k in range(min(u.transposed_rows, hidden.shape[0] - first)):
            codes[first + k] = of_rows[k]
    return transposed_delta(codes, hidden, full, delta_bits)


@kernel
def upper_update(u, codes, error, sample, k):
    """One sample's pulses on the upper array; error: of `output_error` or `teacher_delta`; `k`: its place in the chunk."""
    first = u.tally[0]
    last = update(u.s, u.state, codes, error, sample, 0, u.pulses, first)
    commit(u.state, u.array, macro_state(u.array, 0), 0, u.events, u.pulses, first)
    u.tally[0], u.rows[k] = last, last - first


def upper_array(params: HwParams, image: DeviceImage) -> GoldenArray:
    """The upper layer's array.  `image`: that of the first layer, whose device it shares."""
    return GoldenArray(params.upper, macro_image(image, upper_tile(params).place))


class UpperArray:
    """The upper layer's array and memories.  `image`: that of the first layer, whose device it shares."""

    def __init__(self, params: HwParams, image: DeviceImage):
        self.params = params
        self.array = upper_array(params, image)
        self.state = new_state(params.upper)

    def prepare(self, registers: dict[str, int], samples: int) -> UpperState:
        """For a run of `samples` with the registers of the controller, by name."""

        def value(name: str) -> int:
            return registers.get(name, reset_value(name))

        own = registers | {name: value(other) for name, other in _OF_UPPER.items()}
        own["UPDATE_SEED"] = value("UPDATE_SEED") ^ UPPER_SEED
        own.pop("ENCODING", None)
        own.pop("CALIBRATION", None)
        p = self.params.upper
        trained = {f.name: value("TRAINED") >> low & 1 for f, low in fields_of("TRAINED")}
        return UpperState(
            s=settings(p, own),
            state=self.state,
            array=self.array.state,
            events=self.array.events,
            pulses=rows_log(samples * p.rows, p.columns),
            tally=np.zeros(3, np.int64),
            rows=np.zeros(samples, np.int64),
            sums=np.zeros((1, p.columns), np.int32),
            unseen=np.zeros((0, p.columns), np.int32),
            trains_first=trained["first"],
            trains_last=trained["last"],
            transposed=value("BACKWARD") * self.params.transposed_upper,
            backward_lsb=max(1, value("BACKWARD_LSB")),
            transposed_rows=self.params.transposed_rows,
        )

    def finish(self, u: UpperState) -> Strobes:
        """Take over what a chunk of the run has left; returns its strobes."""
        self.array.reset(u.events)
        strobes = copied(u.pulses, int(u.tally[0]))
        u.tally[0] = 0
        return strobes
