"""Select lines through a chain of shift registers with a storage register."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import cycles, timer
from spec.converter_parts import ShiftRegisterPart


class ShiftRegister(wiring.Component):
    """`start` for one cycle, while `idle`: `bits` go out, the last first, and appear on the outputs together.

    clock_hz: of this design.  Bit k comes to output k of the chain, that of the register next to `ser` first.  done: for
    one cycle, when the outputs stand.  ser, srclk, rclk: pins, registers.
    Latency: `latency` cycles from start to done.
    """

    def __init__(self, part: ShiftRegisterPart, lines: int, clock_hz: float):
        self.part, self.lines = part, -(-lines // part.outputs) * part.outputs
        # A bit comes from `ser` half a period before its edge, from the register before at the chain's delay after one.
        self.half = cycles(max(part.high, part.low, part.setup, (part.chain + part.setup) / 2), clock_hz)
        self.latch = cycles(max(part.latch_setup, part.latch_high), clock_hz)
        self.settle = cycles(part.valid, clock_hz)
        self.latency = 2 * self.lines * self.half + 2 * self.latch + self.settle
        super().__init__(
            {
                "start": In(1),
                "bits": In(lines),
                "idle": Out(1),
                "done": Out(1),
                "ser": Out(1),
                "srclk": Out(1),
                "rclk": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = Signal(self.lines)
        left = Signal(range(self.lines))  # bits after this one
        wait = timer(max(self.half, self.latch, self.settle), "wait")
        m.d.comb += self.ser.eq(word[-1])
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                with m.If(self.start):
                    m.d.sync += [word.eq(self.bits), left.eq(self.lines - 1), wait.eq(self.half - 1)]
                    m.next = "LOW"
            with m.State("LOW"):
                with m.If(wait == 0):
                    m.d.sync += [self.srclk.eq(1), wait.eq(self.half - 1)]
                    m.next = "HIGH"
            with m.State("HIGH"):
                with m.If(wait == 0):
                    m.d.sync += [self.srclk.eq(0), word.eq(Cat(0, word[:-1])), left.eq(left - 1)]
                    m.d.sync += wait.eq(self.half - 1)
                    m.next = "LOW"
                    with m.If(left == 0):
                        m.d.sync += wait.eq(self.latch - 1)
                        m.next = "BEFORE_LATCH"
            with m.State("BEFORE_LATCH"):
                with m.If(wait == 0):
                    m.d.sync += [self.rclk.eq(1), wait.eq(self.latch - 1)]
                    m.next = "LATCH"
            with m.State("LATCH"):
                with m.If(wait == 0):
                    m.d.sync += [self.rclk.eq(0), wait.eq(self.settle - 1)]
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(wait == 0):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
        return m
