"""The golden macro: a crossbar of compiled devices, bit for bit the arithmetic of `spec.device_image`.

The kernels take a `MacroState` (a namedtuple of arrays and integers), so that other compiled code can pass it
on; `GoldenMacro` is the friendly face.  Events are the macro's own 32-bit counts: the first integrate or
strobe after `reset` is number 0.
"""

from typing import NamedTuple

import numpy as np

import model.jit  # noqa: F401  (lets the kernels call the rules of spec.numerics by name)
from model.device.cell import MacroState, cell_range, pulse, share_left, update_difference
from model.device.effects.disturb import half_select
from model.device.effects.inl import driven_sums
from model.device.effects.state import new_effects
from model.device.effects.wear import alive
from model.device.effects.wires import seen
from model.device.effects.write import strobe_factor
from model.jit import kernel
from spec.device_image import (
    GAIN_FRACTION_BITS,
    READ_NOISE_SHIFT,
    DeviceImage,
    Readout,
    offset,
)
from spec.numerics import (
    DOMAIN_CONVERTER,
    DOMAIN_READ,
    DOMAIN_STATIC,
    DOMAIN_STUCK,
    DOMAIN_WRITE,
    GAUSS,
    GAUSS_FRACTION_BITS,
    GAUSS_INDEX_BITS,
    MASK32,
    cell_index,
    draw,
    event_key,
    isqrt,
    saturate,
)
from spec.params import HwParams

_STUCK_THRESHOLD, _STUCK_LOW = offset("stuck_threshold"), offset("stuck_low")
_STUCK_HIGH, _READ_NOISE, _SEED = offset("stuck_high"), offset("read_noise"), offset("seed")

_PLUS, _MINUS = int(Readout.PLUS), int(Readout.MINUS)

_GAUSS = np.array(GAUSS, np.int64)
_GAUSS_MASK = (1 << GAUSS_INDEX_BITS) - 1
_SUM_MAX = (1 << 31) - 1


@kernel
def draw_static(state):
    """Fill `quantiles` and `stuck` from the generator."""
    rows, columns, _ = state.g.shape
    static_key = event_key(state.words[_SEED], DOMAIN_STATIC, 0)
    stuck_key = event_key(state.words[_SEED], DOMAIN_STUCK, 0)
    for row in range(rows):
        for column in range(columns):
            for minus in range(2):
                index = cell_index(row, column, minus, columns)
                state.quantiles[row, column, minus] = draw(static_key, index)
                low_bits = draw(stuck_key, index) & 0xFFFF
                state.stuck[row, column, minus] = 1 if low_bits < state.words[_STUCK_THRESHOLD] else 0


@kernel
def erased_state(state, row, column, minus):
    """The state after an erase: the lowest, or where a stuck cell is held."""
    lo, s, hi = cell_range(state, row, column, minus)
    if state.stuck[row, column, minus] == 0:
        return lo
    index = cell_index(row, column, minus, state.g.shape[1])
    b = draw(event_key(state.words[_SEED], DOMAIN_STUCK, 0), index)
    r = (b >> 16) & 255
    if r < state.words[_STUCK_LOW]:
        return lo
    if r < state.words[_STUCK_LOW] + state.words[_STUCK_HIGH]:
        return hi
    return min(lo + ((s * (b >> 24)) >> 8), hi)


@kernel
def erase(state):
    """Every cell to its erased state, but those at the end of their life."""
    rows, columns, _ = state.g.shape
    for row in range(rows):
        for column in range(columns):
            for minus in range(2):
                if alive(share_left(state, row, column, minus)):
                    state.g[row, column, minus] = erased_state(state, row, column, minus)
            update_difference(state, row, column)


@kernel
def load(state, states):
    """Put int64 `states` (rows, columns, 2) into the cells, clipped to their ranges; stuck cells hold."""
    rows, columns, _ = state.g.shape
    for row in range(rows):
        for column in range(columns):
            for minus in range(2):
                if state.stuck[row, column, minus] == 0:
                    lo, _, hi = cell_range(state, row, column, minus)
                    state.g[row, column, minus] = saturate(np.int64(states[row, column, minus]), lo, hi)
            update_difference(state, row, column)


@kernel
def pulse_pair(state, row, column, plus, minus, polarity, key, factor):
    """One pulse on G+ where `plus` is nonzero, on G- where `minus` is; key, factor: as of `pulse`."""
    if plus:
        pulse(state, row, column, 0, polarity, key, factor)
    if minus:
        pulse(state, row, column, 1, polarity, key, factor)
    update_difference(state, row, column)


@kernel
def strobe(state, row, up, down, polarity, event):
    """One pulse on the selected cells of a row.

    `up`, `down`: uint8 (columns), nonzero selects G+ / G- of the pair.
    `polarity`: 0 potentiates, 1 depresses.  `event`: the strobe's number, 0..2**32-1.
    """
    key = event_key(state.words[_SEED], DOMAIN_WRITE, event)
    factor = strobe_factor(state.effects, state.words[_SEED], event)
    for column in range(up.shape[0]):
        if up[column] | down[column]:
            pulse_pair(state, row, column, up[column], down[column], polarity, key, factor)
    half_select(state.effects, state, row, up, down, polarity, state.words[_SEED], event)


@kernel
def strobe_pair(state, row, column, plus, minus, polarity, event):
    """`strobe` of the cells of one pair, those of `plus` and `minus` that are nonzero."""
    key = event_key(state.words[_SEED], DOMAIN_WRITE, event)
    factor = strobe_factor(state.effects, state.words[_SEED], event)
    pulse_pair(state, row, column, plus, minus, polarity, key, factor)
    if state.effects is not None:
        up, down = np.zeros(state.g.shape[1], np.uint8), np.zeros(state.g.shape[1], np.uint8)
        up[column], down[column] = plus, minus
        half_select(state.effects, state, row, up, down, polarity, state.words[_SEED], event)


@kernel
def add_errors(state, full, sums):
    """The column sums as the erring converters see them, in place."""
    channels = state.errors.shape[1]
    for column in range(sums.shape[0]):
        offset, gain = state.errors[0, column % channels], state.errors[1, column % channels]
        total = np.int64(sums[column])
        total += ((total * gain) >> GAIN_FRACTION_BITS) + ((offset * full) >> READ_NOISE_SHIFT)
        sums[column] = saturate(total, -_SUM_MAX, _SUM_MAX)


@kernel
def integrate(state, codes, full, event, sums):
    """Column sums of one read, as the converters see them, into `sums`, int32 (columns).

    `codes`: unsigned integers (rows).  `full`: their full scale.  `event`: the integrate's number, 0..2**32-1.
    No sum leaves 32 bits (1024 rows x 255 x 4095, and the read noise of a 19-bit constant).
    """
    power = driven_sums(state.effects, state.diff, codes, full, sums)
    scale = isqrt(power) * state.words[_READ_NOISE]
    if scale != 0:
        key = event_key(state.words[_SEED], DOMAIN_READ, event)
        for column in range(sums.shape[0]):
            sums[column] += (_GAUSS[draw(key, column) & _GAUSS_MASK] * scale) >> READ_NOISE_SHIFT
    if state.errors.shape[1] != 0:
        add_errors(state, full, sums)


@kernel
def integrate_transposed(state, raised, lowered, first_row, full, event, sums):
    """Row sums of one transposed read, one for each converter, into `sums`, int32 (adc_channels): 0 beyond the last row.

    `raised`, `lowered`: the driven columns.  `first_row`: that of the first converter.  `full`, `event`: as in `integrate`.
    """
    rows = state.diff.shape[0]
    scale = isqrt(2 * full * full) * state.words[_READ_NOISE]
    key = event_key(state.words[_SEED], DOMAIN_READ, event)
    for k in range(sums.shape[0]):
        row = first_row + k
        sums[k] = 0
        if row < rows:
            swing = np.int64(state.diff[row, raised]) - np.int64(state.diff[row, lowered])
            noise = (_GAUSS[draw(key, k) & _GAUSS_MASK] * scale) >> READ_NOISE_SHIFT
            sums[k] = full * swing + noise


def converter_errors(params: HwParams, image: DeviceImage) -> np.ndarray:
    """The static draws of `MacroState.errors`."""
    errors = np.zeros((2, params.adc_channels if params.converter_errors else 0), np.int64)
    key = event_key(image.section("seed")[0], DOMAIN_CONVERTER, 0)
    for channel in range(errors.shape[1]):
        h = draw(key, channel)
        first, second = GAUSS[h & _GAUSS_MASK], GAUSS[(h >> GAUSS_INDEX_BITS) & _GAUSS_MASK]
        errors[0, channel] = first * image.section("converter_offset")[0]
        errors[1, channel] = (second * image.section("converter_gain")[0]) >> GAUSS_FRACTION_BITS
    return errors


@kernel
def read_cell(state, row, column, kind, event):
    """One reading, in state codes, of a cell or of a pair's difference; `kind` as `Readout`, `event` as in `integrate`.

    Its noise is that of the read circuit on one row, in the same units as in `integrate`.
    """
    key = event_key(state.words[_SEED], DOMAIN_READ, event)
    noise = _GAUSS[draw(key, column) & _GAUSS_MASK] * state.words[_READ_NOISE]
    noise = (noise << state.read_shift) >> READ_NOISE_SHIFT
    plus = seen(state.effects, row, column, 0, np.int64(state.g[row, column, 0]))
    minus = seen(state.effects, row, column, 1, np.int64(state.g[row, column, 1]))
    if kind == _PLUS:
        return plus + noise
    if kind == _MINUS:
        return minus + noise
    return plus - minus + noise


def empty_state(params: HwParams, image: DeviceImage) -> MacroState:
    """A macro's arrays, static draws done, cells erased.  Raises `ValueError` if the state widths differ."""
    if image.state_bits != params.state_bits:
        raise ValueError(f"the image has {image.state_bits}-bit states, the hardware {params.state_bits}")
    shape = (params.rows, params.columns, 2)
    state = MacroState(
        g=np.zeros(shape, np.uint16),
        diff=np.zeros(shape[:2], np.int16),
        quantiles=np.zeros(shape, np.uint32),
        stuck=np.zeros(shape, np.uint8),
        words=np.array(image.words, np.int64),
        errors=converter_errors(params, image),
        state_bits=params.state_bits,
        read_shift=params.state_bits - params.read_bits,
        pulses=np.zeros(shape, np.uint32),
        effects=new_effects(params, image),
    )
    draw_static(state)
    erase(state)
    return state


class Events(NamedTuple):
    """The macro's own counts, each modulo 2**32."""

    integrates: int
    strobes: int


_NO_EVENTS = Events(0, 0)


def strobe_masks(
    params: HwParams, row: int, up: np.ndarray, down: np.ndarray, polarity: int
) -> tuple[np.ndarray, np.ndarray]:
    """The masks of a strobe as uint8 (columns), 0 or 1.  Raises `ValueError` for a strobe that cannot be."""
    up, down = (np.asarray(mask).astype(bool).view(np.uint8) for mask in (up, down))
    if up.shape != (params.columns,) or down.shape != up.shape:
        raise ValueError(f"masks of shape {up.shape} and {down.shape}, ({params.columns},) needed")
    if not 0 <= row < params.rows or polarity not in (0, 1):
        raise ValueError(f"no row {row} of {params.rows}, or polarity {polarity} is not 0 or 1")
    return up, down


class GoldenMacro:
    """The golden answer to the macro port.  A shape, row or polarity that does not exist raises `ValueError`.

    Compiled code works on `state` directly and then hands its event counts back with `reset(events)`.
    """

    def __init__(self, params: HwParams, image: DeviceImage):
        self.params = params
        self.image = image
        self.state = empty_state(params, image)
        self.events = _NO_EVENTS

    def reset(self, events: Events = _NO_EVENTS) -> None:
        """Set the event counts; the cells keep their states (the array is non-volatile)."""
        self.events = Events(events[0] & MASK32, events[1] & MASK32)

    def erase(self) -> None:
        """Every cell to its lowest state (stuck cells hold theirs); the event counts go on."""
        erase(self.state)

    def load(self, states: np.ndarray, pulses: np.ndarray | None = None) -> None:
        """Put a snapshot of `conductances()`, or states that a float model made of one, into the cells.

        `pulses`: what `pulses()` was then; else the cells have had none.
        """
        if states.shape != self.state.g.shape:
            raise ValueError(f"states of shape {states.shape}, {self.state.g.shape} needed")
        load(self.state, np.asarray(states, np.int64))
        if self.state.pulses is not None:
            self.state.pulses[:] = 0 if pulses is None else pulses

    def integrate(self, codes: np.ndarray, full: int = 0) -> np.ndarray:
        """Column sums, int32 (columns), of one read of `codes`, 0..full (rows); without `full`, that of the rows."""
        full = full or self.params.dac_full_scale
        codes = np.asarray(codes)
        if codes.shape != (self.params.rows,):
            raise ValueError(f"codes of shape {codes.shape}, ({self.params.rows},) needed")
        if codes.min() < 0 or codes.max() > full:
            raise ValueError(f"codes {codes.min()}..{codes.max()} leave 0..{full}")
        sums = np.empty(self.params.columns, np.int32)
        integrate(self.state, codes, full, self.events.integrates, sums)
        self.reset(self.events._replace(integrates=self.events.integrates + 1))
        return sums

    def integrate_transposed(self, raised: int, lowered: int, first_row: int) -> np.ndarray:
        """Row sums, int32 (adc_channels), of rows `first_row` on with two columns driven; it counts as an integrate.

        Those beyond the last row are 0.
        """
        p = self.params
        if not (0 <= raised < p.columns and 0 <= lowered < p.columns):
            raise ValueError(f"no column {raised} or {lowered} of {p.columns}")
        if not 0 <= first_row < p.rows:
            raise ValueError(f"no row {first_row} of {p.rows}")
        sums = np.empty(p.adc_channels, np.int32)
        event = self.events.integrates
        integrate_transposed(self.state, raised, lowered, first_row, p.dac_full_scale, event, sums)
        self.reset(self.events._replace(integrates=event + 1))
        return sums

    def strobe(self, row: int, up: np.ndarray, down: np.ndarray, polarity: int) -> None:
        """One pulse on G+ where `up` is set, on G- where `down` is; polarity 0 potentiates, 1 depresses."""
        up, down = strobe_masks(self.params, row, up, down, polarity)
        strobe(self.state, row, up, down, polarity, self.events.strobes)
        self.reset(self.events._replace(strobes=self.events.strobes + 1))

    def read_cell(self, row: int, column: int, kind: Readout) -> int:
        """One noisy reading of a cell or of a pair's difference; it counts as an integrate."""
        if not (0 <= row < self.params.rows and 0 <= column < self.params.columns):
            raise ValueError(f"no pair ({row}, {column}) in {self.params.rows} x {self.params.columns}")
        if kind not in (Readout.PLUS, Readout.MINUS, Readout.PAIR):
            raise ValueError(f"{kind!r} is no reading")
        reading = read_cell(self.state, row, column, int(kind), self.events.integrates)
        self.reset(self.events._replace(integrates=self.events.integrates + 1))
        return int(reading)

    def conductances(self) -> np.ndarray:
        """A copy of the states, uint16 (rows, columns, 2); the last axis is G+, G-."""
        return self.state.g.copy()

    def pulses(self) -> np.ndarray:
        """A copy of the pulses on each cell so far, uint32 (rows, columns, 2)."""
        return np.array(self.state.pulses)
