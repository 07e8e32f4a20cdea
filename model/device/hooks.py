"""The golden macro's kernels as C functions, for simulators: the device arithmetic has one text, in model.device.macro.

Each takes a macro's arrays as the pointers and sizes of `arguments`, in that order, before its own arguments.
"""

import numba
import numpy as np
from numba import types

from model.device.cell import MacroState
from model.device.macro import erase, integrate, integrate_transposed, read_cell, strobe
from spec.device_image import IMAGE_WORDS

_I64 = types.int64
_MACRO = (
    types.CPointer(types.uint16), types.CPointer(types.int16), types.CPointer(types.uint32),
    types.CPointer(types.uint8), types.CPointer(types.int64), types.CPointer(types.int64), _I64, _I64, _I64, _I64, _I64,
)  # fmt: skip
_BYTES = types.CPointer(types.uint8)


def arguments(state: MacroState) -> list[int]:
    """Addresses of g, diff, quantiles, stuck, words and errors; rows, columns, channels, state_bits, read_shift.

    The caller keeps `state` alive for as long as the addresses are used.
    """
    arrays = (state.g, state.diff, state.quantiles, state.stuck, state.words, state.errors)
    sizes = (*state.diff.shape, state.errors.shape[1], state.state_bits, state.read_shift)
    return [*(array.ctypes.data for array in arrays), *sizes]


@numba.njit
def _state(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift):
    cells = (rows, columns, 2)
    return MacroState(
        numba.carray(g, cells),
        numba.carray(diff, (rows, columns)),
        numba.carray(quantiles, cells),
        numba.carray(stuck, cells),
        numba.carray(words, (IMAGE_WORDS,)),
        numba.carray(errors, (2, channels)),
        state_bits,
        read_shift,
        None,  # nobody counts the pulses
        None,  # the RTL has no effects of the model
    )


@numba.cfunc(types.void(*_MACRO), cache=True)
def erase_hook(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift):
    """Every cell to its erased state."""
    erase(_state(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift))


@numba.cfunc(types.void(*_MACRO, _BYTES, _I64, _I64, types.CPointer(types.int32)), cache=True)
def integrate_hook(
    g,
    diff,
    quantiles,
    stuck,
    words,
    errors,
    rows,
    columns,
    channels,
    state_bits,
    read_shift,
    codes,
    full,
    event,
    sums,
):
    """codes: uint8[rows], 0..full; event: the integrate's number; sums: int32[columns], written."""
    state = _state(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift)
    integrate(state, numba.carray(codes, (rows,)), full, event, numba.carray(sums, (columns,)))


@numba.cfunc(types.void(*_MACRO, _I64, _I64, _I64, _I64, _I64, _I64, types.CPointer(types.int32)), cache=True)
def integrate_transposed_hook(
    g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift,
    raised, lowered, first_row, full, event, converters, sums,
):  # fmt: skip
    """Columns, first row, full scale; event: the integrate's number; sums: int32[converters], written."""
    state = _state(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift)
    integrate_transposed(state, raised, lowered, first_row, full, event, numba.carray(sums, (converters,)))


@numba.cfunc(types.void(*_MACRO, _I64, _BYTES, _BYTES, _I64, _I64), cache=True)
def strobe_hook(
    g,
    diff,
    quantiles,
    stuck,
    words,
    errors,
    rows,
    columns,
    channels,
    state_bits,
    read_shift,
    row,
    up,
    down,
    depress,
    event,
):
    """up, down: uint8[columns], non-zero selects; depress: 0 potentiates, 1 depresses; event: the strobe's number."""
    state = _state(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift)
    strobe(state, row, numba.carray(up, (columns,)), numba.carray(down, (columns,)), np.int64(depress), event)


@numba.cfunc(_I64(*_MACRO, _I64, _I64, _I64, _I64), cache=True)
def read_cell_hook(
    g,
    diff,
    quantiles,
    stuck,
    words,
    errors,
    rows,
    columns,
    channels,
    state_bits,
    read_shift,
    row,
    column,
    kind,
    event,
):
    """A noisy reading; kind: of `Readout`; event: the integrate's number."""
    state = _state(g, diff, quantiles, stuck, words, errors, rows, columns, channels, state_bits, read_shift)
    return read_cell(state, row, column, kind, event)
