"""The golden array: the macros of a grid, each a `GoldenMacro` with its own part of the layer, its own seed and counts.

Compiled code takes an `ArrayState`: the states of all macros in a few flat arrays, of which the macros' own are
views.  So one compilation serves every grid, and the kernels of `model.device.macro` do all the work.
"""

from typing import NamedTuple

import numpy as np

from model.controller.pulse_route import pulse_route
from model.device.cell import MacroState
from model.device.effects.age import Wait
from model.device.effects.inl import bend_sums
from model.device.effects.state import JoinedEffects, join, macro_effects
from model.device.effects.surroundings import Surroundings
from model.device.macro import Events, GoldenMacro, integrate, strobe, strobe_masks, strobe_pair
from model.jit import kernel
from spec.device_image import DeviceImage
from spec.grid import macro_image, tiles
from spec.numerics import MASK32
from spec.params import HwParams


class ArrayState(NamedTuple):
    """`MacroState` of one macro after the other, and where each is."""

    g: np.ndarray  # uint16[cells]
    diff: np.ndarray  # int16[pairs]
    quantiles: np.ndarray  # uint32[cells]
    stuck: np.ndarray  # uint8[cells]
    words: np.ndarray  # int64[macros, IMAGE_WORDS]
    errors: np.ndarray  # int64[2 * converters], or empty
    places: np.ndarray
    """int64[macros, 8]: row of macros, first row, first column, rows, columns, first pair, first error, converters that err."""
    state_bits: int
    read_shift: int
    pulses: np.ndarray  # uint32[cells]
    effects: JoinedEffects | None


@kernel
def macro_state(array, k):
    """The state of macro k: views, no copies."""
    rows, columns, first = array.places[k, 3], array.places[k, 4], array.places[k, 5]
    end = first + rows * columns
    error, channels = array.places[k, 6], array.places[k, 7]
    return MacroState(
        array.g[2 * first : 2 * end].reshape(rows, columns, 2),
        array.diff[first:end].reshape(rows, columns),
        array.quantiles[2 * first : 2 * end].reshape(rows, columns, 2),
        array.stuck[2 * first : 2 * end].reshape(rows, columns, 2),
        array.words[k],
        array.errors[error : error + 2 * channels].reshape(2, channels),
        array.state_bits,
        array.read_shift,
        array.pulses[2 * first : 2 * end].reshape(rows, columns, 2),
        macro_effects(array.effects, k, first, rows, columns),
    )


@kernel
def array_integrate(array, first, codes, full, events, sums):
    """A read of all macros: codes unsigned (rows), 0..full; sums int32 (grid_rows, columns); events int64 (macros, 2), counted.

    first: the state of macro 0; if it is alone, it is all that is needed, and views take time.
    """
    if array.places.shape[0] == 1:
        integrate(first, codes, full, events[0, 0], sums[0])
        events[0, 0] = (events[0, 0] + 1) & MASK32
        return
    for k in range(array.places.shape[0]):
        along, row, column = array.places[k, 0], array.places[k, 1], array.places[k, 2]
        rows, columns = array.places[k, 3], array.places[k, 4]
        own = sums[along, column : column + columns]
        integrate(macro_state(array, k), codes[row : row + rows], full, events[k, 0], own)
        events[k, 0] = (events[k, 0] + 1) & MASK32


@kernel
def array_bend(effects, places, sums, lsb, adc_bits):
    """Sums of a read, int32 (grid_rows, columns), as converters of this LSB misplace them, in place (`bend_sums`).

    effects, places: of the array; nothing more, so that without effects nothing is passed on.
    """
    if effects is None:
        return
    for k in range(places.shape[0]):
        along, column, columns = places[k, 0], places[k, 2], places[k, 4]
        own = sums[along, column : column + columns]
        bend_sums(effects.tables.bend, effects.channel_shape[k], own, lsb, adc_bits)


@kernel
def array_strobe(array, first, row, up, down, polarity, events):
    """One pulse on the selected cells of a row of the layer; arguments as of `strobe`, first and events as above.

    Only macros with a selected cell get it; a macro that is alone gets every one.
    """
    if array.places.shape[0] == 1:
        strobe(first, row, up, down, polarity, events[0, 1])
        events[0, 1] = (events[0, 1] + 1) & MASK32
        return
    for k in range(array.places.shape[0]):
        first_row, column = array.places[k, 1], array.places[k, 2]
        rows, columns = array.places[k, 3], array.places[k, 4]
        own_up, own_down = up[column : column + columns], down[column : column + columns]
        if pulse_route(row, own_up, own_down, first_row, rows):
            strobe(macro_state(array, k), row - first_row, own_up, own_down, polarity, events[k, 1])
            events[k, 1] = (events[k, 1] + 1) & MASK32


@kernel
def array_strobes(array, first, row, up, down, polarity, times, events):
    """`array_strobe` with one pair of masks after the other, `times` each; up, down: uint8 (n, columns)."""
    for k in range(up.shape[0]):
        for _ in range(times):
            array_strobe(array, first, row, up[k], down[k], polarity, events)


@kernel
def array_strobes_pair(array, first, row, column, plus, minus, polarity, times, events):
    """`array_strobe` of the cells of one pair, those of `plus` and `minus` that are nonzero, so many times."""
    k = macro_at(array.places, row, column)
    state = first if k == 0 else macro_state(array, k)
    row, column = row - array.places[k, 1], column - array.places[k, 2]
    for _ in range(times):
        strobe_pair(state, row, column, plus, minus, polarity, events[k, 1])
        events[k, 1] = (events[k, 1] + 1) & MASK32


@kernel
def macro_at(places, row, column):
    """The macro that has a pair of the layer."""
    for k in range(places.shape[0]):
        if 0 <= row - places[k, 1] < places[k, 3] and 0 <= column - places[k, 2] < places[k, 4]:
            return k
    return -1


class GoldenArray:
    """All macros of a layer.  A shape, row or polarity that does not exist raises `ValueError`.

    Compiled code works on `state` and on a copy of `events`, which it hands back with `reset(events)`.
    """

    def __init__(self, params: HwParams, image: DeviceImage):
        self.params = params
        self.tiles = tiles(params)
        self.macros = [GoldenMacro(tile.params, macro_image(image, tile.place)) for tile in self.tiles]
        self.state = self._joined()
        self.surroundings = (
            Surroundings([macro.state for macro in self.macros], image.effects) if image.effects else None
        )
        """What time and wires do, where they do anything."""
        self.pulse_width = 1
        """Of the pulses of `strobe`: one of w widths does what w pulses do, noise included.  No other array has it."""

    def _joined(self) -> ArrayState:
        """The states of all macros as one, of which each becomes a view."""
        states = [macro.state for macro in self.macros]
        pairs = [tile.params.rows * tile.params.columns for tile in self.tiles]
        firsts = np.cumsum([0, *pairs[:-1]])
        joined = {
            name: np.concatenate([getattr(state, name).ravel() for state in states])
            for name in ("g", "diff", "quantiles", "stuck", "errors", "pulses")
        }
        channels = [state.errors.shape[1] for state in states]
        errors = 2 * np.cumsum([0, *channels[:-1]])
        places = [
            (t.row, t.first_row, t.first_column, t.params.rows, t.params.columns, first, error, n)
            for t, first, error, n in zip(self.tiles, firsts, errors, channels, strict=True)
        ]
        words = np.stack([state.words for state in states])
        state = ArrayState(
            **joined,
            words=words,
            places=np.array(places, np.int64),
            state_bits=states[0].state_bits,
            read_shift=states[0].read_shift,
            effects=join([state.effects for state in states]),
        )
        for k, macro in enumerate(self.macros):
            macro.state = macro_state(state, k)
        return state

    @property
    def events(self) -> np.ndarray:
        """Reads and strobes of each macro so far, int64 (macros, 2)."""
        return np.array([macro.events for macro in self.macros], np.int64)

    def reset(self, events: np.ndarray | None = None) -> None:
        """Set the event counts of all macros; the cells keep their states.

        Without counts the array is as new: no events, and no pulses on any cell.
        """
        if events is None:
            self.state.pulses[:] = 0
        counts = np.zeros((len(self.macros), 2), np.int64) if events is None else events
        for macro, (integrates, strobes) in zip(self.macros, counts.tolist(), strict=True):
            macro.reset(Events(integrates, strobes))

    def erase(self) -> None:
        """Every cell to its lowest state."""
        for macro in self.macros:
            macro.erase()

    def load(self, states: np.ndarray, pulses: np.ndarray | None = None) -> None:
        """Put states (rows, columns, 2) into the cells, as `GoldenMacro.load`, and the `pulses` that they have had (none)."""
        shape = (self.params.rows, self.params.columns, 2)
        if states.shape != shape:
            raise ValueError(f"states of shape {states.shape}, {shape} needed")
        for tile, macro in zip(self.tiles, self.macros, strict=True):
            own = (tile.rows, tile.columns)
            macro.load(states[own], None if pulses is None else pulses[own])

    def integrate(self, codes: np.ndarray, full: int = 0) -> np.ndarray:
        """Partial column sums, int32 (grid_rows, columns), of one read of `codes`, 0..full (rows).

        Without `full`, that of the rows.
        """
        codes = np.asarray(codes)
        if codes.shape != (self.params.rows,):
            raise ValueError(f"codes of shape {codes.shape}, ({self.params.rows},) needed")
        sums = np.empty((self.params.grid_rows, self.params.columns), np.int32)
        for tile, macro in zip(self.tiles, self.macros, strict=True):
            sums[tile.row, tile.columns] = macro.integrate(codes[tile.rows], full)
        return sums

    def strobe(self, row: int, up: np.ndarray, down: np.ndarray, polarity: int) -> None:
        """One pulse on G+ where `up` is set, on G- where `down` is; polarity 0 potentiates, 1 depresses."""
        up, down = strobe_masks(self.params, row, up, down, polarity)
        self.strobes(row, up[None], down[None], polarity)

    def strobes(self, row: int, up: np.ndarray, down: np.ndarray, polarity: int) -> None:
        """`strobe` with one pair of masks after the other, uint8[n, columns]."""
        events = self.events
        first, times = self.macros[0].state, self.pulse_width
        array_strobes(self.state, first, row, up, down, polarity, times, events)
        self.reset(events)

    def written(self, wait: Wait) -> None:
        """The array was written by a transfer or an epoch; where time has an effect, it passes before the next read."""
        if self.surroundings:
            self.surroundings.write(wait)

    def settle(self) -> None:
        """Call it before a run of reads: what time and wires do, where they do anything."""
        if self.surroundings:
            self.surroundings.settle()

    @property
    def refresh_samples(self) -> int:
        """Samples of a run after which to `settle` again; 0: never."""
        return self.surroundings.refresh_samples if self.surroundings else 0

    def _of_cells(self, name: str) -> np.ndarray:
        dtype = getattr(self.state, name).dtype
        cells = np.empty((self.params.rows, self.params.columns, 2), dtype)
        for tile, macro in zip(self.tiles, self.macros, strict=True):
            cells[tile.rows, tile.columns] = getattr(macro.state, name)
        return cells

    def conductances(self) -> np.ndarray:
        """A copy of the states, uint16 (rows, columns, 2); the last axis is G+, G-."""
        return self._of_cells("g")

    def pulses(self) -> np.ndarray:
        """A copy of the pulses on each cell since the beginning, uint32 (rows, columns, 2)."""
        return self._of_cells("pulses")

    @property
    def worst_cell_pulses(self) -> int:
        """The most pulses that a cell has had since the beginning."""
        return int(self.state.pulses.max())
