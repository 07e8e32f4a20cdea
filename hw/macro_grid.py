"""A grid of macros as one array: what goes to which macro, and what comes back."""

from functools import reduce
from operator import and_

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.interfaces import MacroPort
from hw.numerics import within
from hw.pulse_route import PulseRoute
from spec.grid import Tile, tiles
from spec.params import HwParams


class MacroGrid(wiring.Component):
    """array: the macro port of the layer.  <tile name>: that of each macro.

    - rows: a word of codes goes to every macro along its row of macros, when all of them take it.
    - integrate, erase: to all macros in the same cycle.  A strobe goes where it selects a cell (PulseRoute), a readout
      or a reading to the macro that has the pair.  `ready` is that of all: each macro's falls in the cycle after its start, and the
      last to rise ends the operation; a macro that was not started keeps its own at 1.
    - converters: all macros are told the same group, and have their own part of `trial` and `compare`; a macro with
      fewer columns has fewer of both, and what its comparators say of a group beyond its last is not used.
    Nothing here is clocked: a grid takes no cycle more than one macro would.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "array": In(MacroPort(params)),
                **{tile.name: Out(MacroPort(tile.params)) for tile in tiles(params)},
            }
        )

    def elaborate(self, platform):
        m, array = Module(), self.array
        m.submodules.pulse_route = route = PulseRoute(self.params)
        connect(m, flipped(array.write), route.write)
        ports = [(tile, getattr(self, tile.name)) for tile in tiles(self.params)]
        for tile, port in ports:
            connect(m, getattr(route, tile.name), flipped(port.write))
            for name in ("integrate", "integrate_cycles", "lsb", "erase", *self._driving()):
                m.d.comb += getattr(port, name).eq(getattr(array, name))
            self._converters(m, tile, port)
            self._readout(m, tile, port)
        self._rows(m, ports)
        m.d.comb += array.ready.eq(reduce(and_, (port.ready for _, port in ports)))
        return m

    def _driving(self) -> list[str]:
        """Pins that say how rows are driven, as far as there are any."""
        return ["encoding"] * self.params.choose_encoding + ["plane"] * self.params.bit_serial

    def _rows(self, m, ports):
        array, first = self.array, 0
        for row in range(self.params.grid_rows):
            along = [(tile, port) for tile, port in ports if tile.row == row]
            words = along[0][0].params.row_words
            mine, ready = Signal(name=f"word_{row}"), Signal(name=f"words_ready_{row}")
            m.d.comb += [
                mine.eq(within(array.dac_word, slice(first, first + words))),
                ready.eq(reduce(and_, (port.dac_ready for _, port in along))),
            ]
            with m.If(mine):
                m.d.comb += array.dac_ready.eq(ready)
            for _, port in along:
                m.d.comb += [
                    port.dac_valid.eq(array.dac_valid & mine & ready),
                    port.dac_word.eq(array.dac_word - first),
                    port.dac_codes.eq(array.dac_codes),
                ]
            first += words

    def _converters(self, m, tile: Tile, port):
        first = tile.row * self.params.group_channels + tile.column * self.params.adc_channels
        own = range(first, first + tile.params.adc_channels)
        m.d.comb += [
            port.group.eq(self.array.group),
            *(trial.eq(self.array.trial[k]) for trial, k in zip(port.trial, own, strict=True)),
            Cat(self.array.compare[k] for k in own).eq(port.compare),
        ]

    def _readout(self, m, tile: Tile, port):
        array, mine = self.array, Signal(name=f"{tile.name}_pair")
        row, column = array.readout_row, array.readout_column
        m.d.comb += [
            mine.eq(within(row, tile.rows) & within(column, tile.columns)),
            port.readout.eq(array.readout & mine),
            port.readout_row.eq(row - tile.first_row),
            port.readout_column.eq(column - tile.first_column),
        ]
        found = ["readout_plus", "readout_minus"]
        if self.params.verify:
            m.d.comb += port.readout_kind.eq(array.readout_kind)
            found.append("reading")
        with m.If(mine):
            m.d.comb += [getattr(array, name).eq(getattr(port, name)) for name in found]
