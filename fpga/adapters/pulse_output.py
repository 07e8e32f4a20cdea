"""The write lines on pins: a strobe, and select lines through shift registers that stand around it."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import cycles, idle_high
from fpga.adapters.pins import select_lines
from fpga.adapters.shift_register import ShiftRegister
from hw.interfaces import AMPLITUDE_BITS, WriteLines
from spec.converter_parts import Parts
from spec.params import HwParams

SELECT_CYCLES = 2
"""Least guard: in its first cycle the lines change and `ready` falls, in its last one that has to be seen."""


def least_guard(parts: Parts, clock_hz: float) -> int:
    """Guard times below this would let a strobe come before `ready` can fall, or before the outputs are on."""
    return max(SELECT_CYCLES, cycles(parts.register.enable, clock_hz))


class PulseOutput(wiring.Component):
    """Loads lines that select something when they differ from what the board has; passes strobes at loaded lines only.

    write: the write lines.  open: nothing else is under way in the array.  ready: a strobe may come; it falls in the
    cycle in which the lines change to others than the loaded ones, and during a strobe.  amplitude, set_amplitude,
    amplitude_set: of RowDac.  ser, srclk, rclk, oe_n, strobe: pins, registers.

    strobe, oe_n: `write.strobe`, and whether the lines select anything, one cycle later, through one register each: a
    strobe keeps its width, the outputs are on for the guard before and behind it.  A strobe that begins while `ready` is
    0 does not come out, nor does any part of it; one whose lines change ends.
    """

    def __init__(self, params: HwParams, parts: Parts, clock_hz: float):
        self.params = params
        self.register = ShiftRegister(parts.register, select_lines(params), clock_hz)
        super().__init__(
            {
                "write": In(WriteLines(params)),
                "open": In(1),
                "ready": Out(1),
                "amplitude": Out(AMPLITUDE_BITS),
                "set_amplitude": Out(1),
                "amplitude_set": In(1),
                "ser": Out(1),
                "srclk": Out(1),
                "rclk": Out(1),
                "oe_n": idle_high(),
                "strobe": Out(1),
            }
        )

    def elaborate(self, platform):
        m, write = Module(), self.write
        m.submodules.register = register = self.register
        lines = Cat((1 << write.row)[: self.params.rows], write.up, write.down, write.depress)
        loaded = Signal(select_lines(self.params))
        known, amplitude_known = Signal(), Signal()  # the board has what is said to be loaded
        lines_stand, amplitude_stands, stands, selects = Signal(), Signal(), Signal(), Signal()
        begins, before = Signal(), Signal()
        m.d.sync += before.eq(write.strobe)
        m.d.comb += [
            lines_stand.eq(known & (lines == loaded)),
            amplitude_stands.eq(amplitude_known & (write.amplitude == self.amplitude)),
            selects.eq(Cat(write.up, write.down).any()),
            stands.eq(~selects | (lines_stand & amplitude_stands)),
            begins.eq(self.open & write.strobe & ~before),
            register.bits.eq(loaded),
            *(getattr(self, name).eq(getattr(register, name)) for name in ("ser", "srclk", "rclk")),
        ]
        passes = Signal()
        m.d.sync += [self.strobe.eq(passes), self.oe_n.eq(~(self.open & selects & stands))]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.ready.eq(stands)
                with m.If(stands & begins):
                    m.d.comb += passes.eq(1)
                    m.next = "STROBE"
                with m.Elif(self.open & ~stands):
                    m.d.sync += [
                        loaded.eq(lines),
                        known.eq(lines_stand),
                        self.amplitude.eq(write.amplitude),
                        amplitude_known.eq(amplitude_stands),
                    ]
                    m.next = "START"
            with m.State("START"):
                m.d.comb += register.start.eq(~known)
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.set_amplitude.eq(~amplitude_known)
                with m.If(register.done):
                    m.d.sync += known.eq(1)
                with m.If(self.amplitude_set):
                    m.d.sync += amplitude_known.eq(1)
                with m.If(known & amplitude_known):
                    m.next = "IDLE"
            with m.State("STROBE"):
                m.d.comb += passes.eq(write.strobe & stands)
                with m.If(~passes):
                    m.next = "IDLE"
        return m
