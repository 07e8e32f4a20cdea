"""One cell of the golden macro: its range, its step, a pulse on it, and what a read sees of its pair.

The arithmetic is that of `spec.device_image`; effects that only the model has come in by functions that are nothing where
there are none.
"""

from typing import NamedTuple

import numpy as np

import model.jit  # noqa: F401  (lets the kernels call the rules of spec.numerics by name)
from model.device.effects.labels import own_nodes
from model.device.effects.state import Effects
from model.device.effects.wear import alive, kept_share, top_of, worn
from model.device.effects.wires import seen
from model.device.effects.write import scaled
from model.jit import kernel
from spec.device_image import (
    NODE_SHIFT,
    REL_BITS,
    SCALE_FRACTION_BITS,
    STEP_FRACTION_BITS,
    offset,
)
from spec.numerics import GAUSS, GAUSS_FRACTION_BITS, GAUSS_INDEX_BITS, cell_index, draw, saturate

_UP_TABLE, _DOWN_TABLE = offset("up_table"), offset("down_table")
_SCALE_UP, _SCALE_DOWN = offset("scale_up"), offset("scale_down")
_SPAN, _INVERSE, _LOW = offset("span"), offset("inverse"), offset("low")
_NOISE_ADD, _NOISE_REL = offset("noise_add"), offset("noise_rel")

_GAUSS = np.array(GAUSS, np.int64)
_GAUSS_MASK = (1 << GAUSS_INDEX_BITS) - 1
_REL_MAX = (1 << REL_BITS) - 1
_NODE_MASK = (1 << NODE_SHIFT) - 1
_ROUND_DRAW_SHIFT = 32 - STEP_FRACTION_BITS  # stochastic rounding uses the top bits of the write draw


class MacroState(NamedTuple):
    """All of a macro but its event counts.  Last axis of the cell arrays: 0 is G+, 1 is G-."""

    g: np.ndarray
    """State of each cell, uint16 (rows, columns, 2)."""
    diff: np.ndarray
    """What a read sees: (g+ >> r) - (g- >> r), int16 (rows, columns); kept up by whatever moves a cell."""
    quantiles: np.ndarray
    """Static draw of each cell, uint32 (rows, columns, 2); its bytes are q_up, q_down, q_span, q_low."""
    stuck: np.ndarray
    """1 where the cell never moves, uint8 (rows, columns, 2)."""
    words: np.ndarray
    """The device image, int64 (IMAGE_WORDS)."""
    errors: np.ndarray
    """Offset (before the input codes' full scale) and gain of each converter, int64 (2, adc_channels); (2, 0): none."""
    state_bits: int
    read_shift: int
    """r = state_bits - read_bits."""
    pulses: np.ndarray | None
    """Pulses on each cell so far, stuck ones too, uint32 (rows, columns, 2); None: nobody counts."""
    effects: Effects | None
    """What only the golden model has; None: the macro is as the RTL's."""


@kernel
def cell_range(state, row, column, minus):
    """Lowest state, range and highest state of one cell: (lo, s, hi)."""
    a = np.int64(state.quantiles[row, column, minus])
    lo = state.words[_LOW + ((a >> 24) & 255)]
    s = state.words[_SPAN + ((a >> 16) & 255)]
    return lo, s, min(lo + s, (1 << state.state_bits) - 1)


@kernel
def update_difference(state, row, column):
    """Bring `diff` of one pair up to date after `g` changed."""
    plus = seen(state.effects, row, column, 0, np.int64(state.g[row, column, 0])) >> state.read_shift
    minus = seen(state.effects, row, column, 1, np.int64(state.g[row, column, 1])) >> state.read_shift
    state.diff[row, column] = plus - minus


@kernel
def count(pulses, row, column, minus):
    """One more pulse on a cell, where somebody counts."""
    if pulses is not None:
        pulses[row, column, minus] += np.uint32(1)


@kernel
def pulses_of(pulses, row, column, minus):
    """Pulses on a cell so far; 0 where nobody counts."""
    if pulses is None:
        return np.int64(0)
    return np.int64(pulses[row, column, minus])


@kernel
def share_left(state, row, column, minus):
    """What wear has left of a cell's step and range (`kept_share`)."""
    return kept_share(state.effects, row, column, minus, pulses_of(state.pulses, row, column, minus))


@kernel
def moves(state, row, column, minus):
    """Whether anything but `load` moves the cell: it is not stuck and not at the end of its life."""
    return state.stuck[row, column, minus] == 0 and alive(share_left(state, row, column, minus))


@kernel
def mean_step(state, row, column, minus, polarity, lo):
    """The nominal step of a cell where it is, and its own: (mean, step), in 1/65536 of its range, 12 fraction bits."""
    words = state.words
    a = np.int64(state.quantiles[row, column, minus])
    g = np.int64(state.g[row, column, minus])
    rel = min(((g - lo) * words[_INVERSE + ((a >> 16) & 255)]) >> state.state_bits, _REL_MAX)
    n = rel >> NODE_SHIFT
    if polarity == 0:
        table, scale = _UP_TABLE + n, words[_SCALE_UP + (a & 255)]
    else:
        table, scale = _DOWN_TABLE + n, words[_SCALE_DOWN + ((a >> 8) & 255)]
    low, high = own_nodes(state.effects, row, column, minus, polarity, n, words[table], words[table + 1])
    mean = low + (((high - low) * (rel & _NODE_MASK)) >> NODE_SHIFT)
    return mean, (mean * scale) >> SCALE_FRACTION_BITS


@kernel
def pulse(state, row, column, minus, polarity, key, factor):
    """One pulse on one cell, which is counted; `key` is the strobe's event key, `factor` of `strobe_factor`."""
    words = state.words
    kept = share_left(state, row, column, minus)
    count(state.pulses, row, column, minus)
    if state.stuck[row, column, minus] == 0 and alive(kept):
        lo, s, hi = cell_range(state, row, column, minus)
        mean, step = mean_step(state, row, column, minus, polarity, lo)
        step = worn(kept, scaled(factor, step))
        g = np.int64(state.g[row, column, minus])
        h = draw(key, cell_index(row, column, minus, state.g.shape[1]))
        sigma = words[_NOISE_ADD] + ((mean * words[_NOISE_REL]) >> SCALE_FRACTION_BITS)
        noise = (_GAUSS[h & _GAUSS_MASK] * sigma) >> GAUSS_FRACTION_BITS
        d = (((step if polarity == 0 else -step) + noise) * s) >> REL_BITS
        top = top_of(kept, lo, s, hi)
        state.g[row, column, minus] = saturate(
            g + ((d + (h >> _ROUND_DRAW_SHIFT)) >> STEP_FRACTION_BITS), lo, top
        )


@kernel
def nudge(state, row, column, minus, polarity, shift, fraction):
    """A cell moves by 2**-shift of its own step, without noise; `fraction`: 12 random bits that round."""
    lo, s, hi = cell_range(state, row, column, minus)
    kept = share_left(state, row, column, minus)
    step = worn(kept, mean_step(state, row, column, minus, polarity, lo)[1])
    d = ((step if polarity == 0 else -step) * s) >> (REL_BITS + shift)
    g = np.int64(state.g[row, column, minus])
    top = top_of(kept, lo, s, hi)
    state.g[row, column, minus] = saturate(g + ((d + fraction) >> STEP_FRACTION_BITS), lo, top)
    update_difference(state, row, column)
