"""Behind the gate of a grid: the write lines of the layer to those of its macros."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import WriteLines
from hw.numerics import within
from spec.grid import tiles
from spec.params import HwParams


class PulseRoute(wiring.Component):
    """Each macro gets its own columns of the masks where the row is one of its own, else the inhibit level, row 0.

    write: of PulseGate.  <tile name>: of a macro.  A macro has the strobe only while a cell of it is selected, so that
    one without stays ready.  There is nothing but gates here: as the lines stand still from before a strobe until
    after it, a strobe comes through without a glitch, and PulseGate's rules hold for every macro.
    Golden: model/controller/pulse_route.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "write": In(WriteLines(params)),
                **{tile.name: Out(WriteLines(tile.params)) for tile in tiles(params)},
            }
        )

    def elaborate(self, platform):
        m, write = Module(), self.write
        for tile in tiles(self.params):
            own = getattr(self, tile.name)
            mine = Signal(name=f"{tile.name}_row")
            m.d.comb += [
                mine.eq(within(write.row, tile.rows)),
                own.row.eq(Mux(mine, write.row - tile.first_row, 0)),
                own.up.eq(Mux(mine, write.up[tile.columns], 0)),
                own.down.eq(Mux(mine, write.down[tile.columns], 0)),
                own.depress.eq(write.depress),
                own.amplitude.eq(write.amplitude),
                own.strobe.eq(write.strobe & (own.up | own.down).any()),
            ]
        return m
