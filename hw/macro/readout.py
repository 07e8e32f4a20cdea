"""Reads out the states of one pair."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.macro.state_memory import StateRead, devices
from spec.params import HwParams


class Readout(wiring.Component):
    """`plus` and `minus` are the states of the pair (`row`, `column`), which is taken in the cycle of `start`.

    `done` is 1 in the last cycle; the states then hold until the next readout.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "row": In(p.row_bits),
                "column": In(p.column_bits),
                "state": Out(StateRead(p)),
                "plus": Out(p.state_bits),
                "minus": Out(p.state_bits),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        lane = Signal(p.column_bits)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.state.address.eq(self.row * p.macro_words), lane.eq(self.column)]
                with m.If(self.start):
                    m.next = "WORD"
            with m.State("WORD"):  # the column's word and lane, without a divider
                with m.If(lane >= p.macro_lanes):
                    m.d.sync += [lane.eq(lane - p.macro_lanes), self.state.address.eq(self.state.address + 1)]
                with m.Else():
                    m.d.comb += self.state.enable.eq(1)
                    m.next = "READ"
            with m.State("READ"):
                states = devices(p, self.state.data)
                m.d.sync += [self.plus.eq(Array(states[::2])[lane]), self.minus.eq(Array(states[1::2])[lane])]
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m
