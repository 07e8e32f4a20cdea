"""What an erase or one pulse does to a cell: the arithmetic of `spec.device_image`, one cell per cycle."""

from amaranth.hdl import Cat, Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.device_tables import BY_NAME, DeviceTable, ImageBus
from hw.macro.event_keys import Keys
from hw.macro.pipeline import Pipeline
from hw.macro.timing import LANE_STAGES
from spec.device_image import (
    NODE_SHIFT,
    NODES,
    REL_BITS,
    SCALE_FRACTION_BITS,
    STEP_FRACTION_BITS,
)
from spec.numerics import GAUSS, GAUSS_BITS, GAUSS_FRACTION_BITS, GAUSS_INDEX_BITS, cell_index, draw
from spec.params import HwParams

DRAW_BITS = 32
ROUND_SHIFT = DRAW_BITS - STEP_FRACTION_BITS  # stochastic rounding takes the top bits of the write draw
HELD_SHIFT = 8
SECTION = 12
"""Stages that share an enable."""


def _byte(word, number):
    """One of the four random bytes of a cell."""
    return word[8 * number : 8 * number + 8]


class WriteLane(wiring.Component):
    """The new state of a cell whose state is `g`, `LANE_STAGES` enabled cycles later.

    With `erase` its erased state, else its state after one pulse of polarity `depress`; `store` is 0 for a pulse on
    a stuck cell.  `device` is the cell's number in its word (odd: G-) and goes along.  `keys`, `erase`, `depress` and the constants hold meanwhile,
    and `enable` until the last cell is through.  Formulas: `spec.device_image`.  One cell per cycle.
    """

    CONSTANTS = ("noise_add", "noise_rel", "stuck_threshold", "stuck_low", "stuck_high")

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "image": In(ImageBus()),
                "keys": In(Keys()),
                "erase": In(1),
                "depress": In(1),
                "enable": In(1),
                "valid": In(1),
                "row": In(p.row_bits),
                "column": In(p.column_bits),
                "g": In(p.state_bits),
                "device": In(range(2 * p.macro_lanes)),
                "store": Out(1),
                "value": Out(p.state_bits),
                "value_device": Out(range(2 * p.macro_lanes)),
            }
            | {name: In(BY_NAME[name].bits) for name in self.CONSTANTS}
        )

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.enable, SECTION)
        cell = cell_index(self.row, self.column, self.device[0], self.params.columns)
        index = pipe.stage(cell).reg()
        static, stuck, write = (
            draw(key, index).reg() for key in (self.keys.static, self.keys.stuck, self.keys.write)
        )
        lo = self._lookup(m, pipe, ("low",), _byte(static, 3))
        span = self._lookup(m, pipe, ("span",), _byte(static, 2))
        full = (1 << self.params.state_bits) - 1
        hi = pipe.apply(lambda top: Mux(top > full, full, top)[: len(self.value)], (lo + span).reg()).reg()

        is_stuck = pipe.apply(lambda b, threshold: b[:16] < threshold, stuck, self.stuck_threshold).reg()
        erased = self._erased(pipe, is_stuck, stuck, lo, span, hi)
        moved = self._pulsed(m, pipe, static, write, lo, span, hi)
        value = pipe.apply(lambda e, a, b: Mux(e, a, b), self.erase, erased, moved).reg()
        if value.depth != LANE_STAGES:
            raise ValueError(f"LANE_STAGES is {LANE_STAGES}, the pipeline has {value.depth} stages")
        m.d.comb += [
            self.value.eq(value.value),
            self.store.eq(pipe.valid(self.valid).at(value.depth) & (self.erase | ~is_stuck.at(value.depth))),
            self.value_device.eq(pipe.stage(self.device).at(value.depth)),
        ]
        return m

    def _lookup(self, m, pipe, sections, *addresses):
        """Reads a table of the image, once per address (a Staged value); one result or a tuple of them."""
        m.submodules[sections[0]] = table = DeviceTable(sections)
        m.d.comb += [table.image.valid.eq(self.image.valid), table.image.word.eq(self.image.word)]
        results = tuple(pipe.lookup(table.read_port(), address) for address in addresses)
        return results if len(results) > 1 else results[0]

    def _erased(self, pipe, is_stuck, stuck, lo, span, hi):
        """The erased state: the lowest, or where a stuck cell is held."""
        between = self._clipped(pipe, (lo + ((span * _byte(stuck, 3)) >> HELD_SHIFT)).reg(), lo, hi)
        low_or_high = pipe.apply(
            lambda low, high: low + high, pipe.stage(self.stuck_low), self.stuck_high
        ).reg()
        r = _byte(stuck, 2)
        low = pipe.apply(lambda r, low: r < low, r, self.stuck_low).reg()
        held = pipe.apply(lambda r, low_or_high: r < low_or_high, r, low_or_high).reg()
        place = pipe.apply(
            lambda low, held, lo, hi, between: Mux(low, lo, Mux(held, hi, between)),
            low,
            held,
            lo,
            hi,
            between,
        ).reg()
        return pipe.apply(lambda is_stuck, place, lo: Mux(is_stuck, place, lo), is_stuck, place, lo).reg()

    def _pulsed(self, m, pipe, static, write, lo, span, hi):
        """The state after one pulse."""
        m.submodules.gauss = gauss = Memory(shape=signed(GAUSS_BITS), depth=len(GAUSS), init=GAUSS)
        z = pipe.lookup(gauss.read_port(), write[:GAUSS_INDEX_BITS])
        rounding = write[ROUND_SHIFT:]
        g = pipe.stage(self.g)

        inverse = self._lookup(m, pipe, ("inverse",), _byte(static, 2))
        above = (g - lo).reg()[: len(self.g)]  # never negative: a cell stays in its range
        product = (above * inverse) >> self.params.state_bits
        largest = (1 << REL_BITS) - 1
        rel = pipe.apply(lambda x: Mux(x > largest, largest, x)[:REL_BITS], product).reg()
        node = (rel >> NODE_SHIFT) + Mux(self.depress, NODES, 0)
        here, there = self._lookup(m, pipe, ("up_table", "down_table"), node, node + 1)
        between = ((there - here).reg() * rel[:NODE_SHIFT]) >> NODE_SHIFT
        mean = (here + between).reg()[: BY_NAME["up_table"].bits]

        quantile = pipe.apply(
            lambda a: Cat(Mux(self.depress, _byte(a, 1), _byte(a, 0)), self.depress), static
        )
        scale = self._lookup(m, pipe, ("scale_up", "scale_down"), quantile)
        size = (mean * scale) >> SCALE_FRACTION_BITS
        step = pipe.apply(lambda size: Mux(self.depress, -size, size), size).reg()
        sigma = (((mean * self.noise_rel) >> SCALE_FRACTION_BITS) + self.noise_add).reg()
        noise = (z * sigma) >> GAUSS_FRACTION_BITS
        d = ((step + noise).reg() * span) >> REL_BITS
        moved = (g + ((d + rounding).reg() >> STEP_FRACTION_BITS)).reg()
        return self._clipped(pipe, moved, lo, hi)

    def _clipped(self, pipe, state, lo, hi):
        """A state within the cell's range: compared, then chosen."""
        below = pipe.apply(lambda state, lo: state < lo, state, lo).reg()
        above = pipe.apply(lambda state, hi: state > hi, state, hi).reg()
        return pipe.apply(
            lambda below, above, state, lo, hi: Mux(below, lo, Mux(above, hi, state))[: len(self.value)],
            below,
            above,
            state,
            lo,
            hi,
        ).reg()
