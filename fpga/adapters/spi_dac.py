"""Frames to SPI DACs that share clock and data, each with a SYNC line of its own."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import cycles, idle_high, timer
from spec.converter_parts import SpiDacPart

FRAME_BITS = 32
COMMAND_LOW, ADDRESS_LOW, CODE_END = 24, 20, 20
"""Lowest bits of command and address; the code ends below the latter."""
NIBBLE_BITS = 4


class Command(enum.Enum, shape=NIBBLE_BITS):
    """What a frame does; the others of the part are not used."""

    LOAD = 0
    """Code into the input register of a channel; its output stays until LDAC."""
    WRITE = 3
    """Code into the input register of a channel and to its output at once."""
    RESET = 7
    """As after power-on: outputs at zero scale."""


class Frame(data.StructLayout):
    """chip: which DAC; channel: of that chip; code: left-aligned, of the part's `code_bits`."""

    def __init__(self, part: SpiDacPart, chips: int):
        super().__init__(
            {
                "chip": range(max(2, chips)),
                "command": Command,
                "channel": NIBBLE_BITS,
                "code": part.code_bits,
            }
        )


class SpiDac(wiring.Component):
    """One frame after the other, most significant bit first; a bit is put out as SCLK rises, the DAC takes it as it falls.

    clock_hz: of this design, from which the part's times become cycles.  i: frames.  idle: no frame is under way, and the
    outputs may be updated by LDAC.  sclk (idle 0), din, sync_n (one per chip): pins, all registers.
    Throughput: a frame in `latency` cycles, after which `i` is ready again.
    """

    def __init__(self, part: SpiDacPart, chips: int, clock_hz: float):
        self.part, self.chips = part, chips
        slowest = max(part.period / 2, part.high, part.low, part.sync_setup, part.setup, part.hold)
        self.half = cycles(slowest, clock_hz)
        self.gap = cycles(max(part.sync_high, part.ignore, part.ldac_after), clock_hz)
        self.latency = 2 * FRAME_BITS * self.half + self.gap + 1
        super().__init__(
            {
                "i": In(stream.Signature(Frame(part, chips))),
                "idle": Out(1),
                "sclk": Out(1),
                "din": Out(1),
                "sync_n": idle_high(chips),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = Signal(FRAME_BITS)  # the bit on `din` and those after it
        bits = Signal(range(FRAME_BITS))  # after this one
        wait = timer(max(self.half, self.gap), "wait")
        frame = self.i.payload
        m.d.comb += self.din.eq(word[-1])
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.i.ready.eq(1), self.idle.eq(1)]
                with m.If(self.i.valid):
                    m.d.sync += [
                        self.sync_n.eq(~(1 << frame.chip)),
                        word.eq(
                            (frame.command.as_value() << COMMAND_LOW)
                            | (frame.channel << ADDRESS_LOW)
                            | (frame.code << (CODE_END - self.part.code_bits))
                        ),
                        bits.eq(FRAME_BITS - 1),
                        self.sclk.eq(1),
                        wait.eq(self.half - 1),
                    ]
                    m.next = "HIGH"
            with m.State("HIGH"):
                with m.If(wait == 0):
                    m.d.sync += [self.sclk.eq(0), wait.eq(self.half - 1)]
                    m.next = "LOW"
            with m.State("LOW"):
                with m.If(wait == 0):
                    m.d.sync += [word.eq(Cat(0, word[:-1])), bits.eq(bits - 1)]
                    m.d.sync += [self.sclk.eq(1), wait.eq(self.half - 1)]
                    m.next = "HIGH"
                    with m.If(bits == 0):
                        m.d.sync += [self.sclk.eq(0), self.sync_n.eq(-1), wait.eq(self.gap - 1)]
                        m.next = "GAP"
            with m.State("GAP"):
                with m.If(wait == 0):
                    m.next = "IDLE"
        return m
