"""Conversions of SPI ADCs that share clock and CS, each with a data line of its own: they sample at the same time."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import SKEW_NS, cycles, idle_high, timer
from spec.converter_parts import SpiAdcPart


class SpiAdc(wiring.Component):
    """`start` for one cycle, while `idle`: all ADCs sample and convert; `done` for one cycle, from then on `codes`.

    clock_hz: of this design.  sclk (idle 1), cs_n: pins, registers.  sdata: pins, one per ADC, taken in the cycle
    before SCLK falls, which is a whole period after the edge that brought the bit.  zeros: the leading zeros of all
    were zeros; a line that is stuck at 1 shows.  Latency: `latency` cycles from start to done; idle again after the part's
    quiet time.
    """

    def __init__(self, part: SpiAdcPart, adcs: int, clock_hz: float):
        self.part, self.adcs = part, adcs
        period = max(part.period, part.valid + SKEW_NS)
        self.half = cycles(max(period / 2, part.high, part.low, part.first_valid, part.cs_setup), clock_hz)
        self.latency = 2 * part.clocks * self.half
        self.gap = cycles(max(part.cs_high, part.release + part.quiet), clock_hz)
        super().__init__(
            {
                "start": In(1),
                "idle": Out(1),
                "done": Out(1),
                "codes": Out(data.ArrayLayout(part.code_bits, adcs)),
                "zeros": Out(1),
                "sclk": idle_high(),
                "cs_n": idle_high(),
                "sdata": In(adcs),
            }
        )

    def elaborate(self, platform):
        m, part = Module(), self.part
        clocks = Signal(range(part.clocks))  # falling edges after the next one
        wait = timer(max(self.half, self.gap), "wait")
        words = [Signal(part.clocks, name=f"word{k}") for k in range(self.adcs)]
        m.d.comb += [
            *(code.eq(word[: part.code_bits]) for code, word in zip(self.codes, words, strict=True)),
            self.zeros.eq(~Cat(word[part.code_bits :] for word in words).any()),
        ]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                with m.If(self.start):
                    m.d.sync += [self.cs_n.eq(0), clocks.eq(part.clocks - 1), wait.eq(self.half - 1)]
                    m.next = "HIGH"
            with m.State("HIGH"):
                with m.If(wait == 0):
                    m.d.sync += [self.sclk.eq(0), wait.eq(self.half - 1)]
                    m.d.sync += [w.eq(Cat(line, w[:-1])) for w, line in zip(words, self.sdata, strict=True)]
                    m.next = "LOW"
            with m.State("LOW"):
                with m.If(wait == 0):
                    m.d.sync += [self.sclk.eq(1), clocks.eq(clocks - 1), wait.eq(self.half - 1)]
                    m.next = "HIGH"
                    with m.If(clocks == 0):
                        m.d.comb += self.done.eq(1)
                        m.d.sync += [self.cs_n.eq(1), wait.eq(self.gap - 1)]
                        m.next = "QUIET"
            with m.State("QUIET"):
                with m.If(wait == 0):
                    m.next = "IDLE"
        return m
