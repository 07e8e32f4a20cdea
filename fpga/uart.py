"""UART: bytes on two pins, 8 data bits, no parity, one stop bit."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from spec.errors import InputError

DATA_BITS = 8
FRAME_BITS = DATA_BITS + 2
"""Bits on the line for one byte: start, data, stop."""
RATE_TOLERANCE = 0.02
"""A receiver samples the last of 10 bits half a bit from its edge; the two ends share the error."""
DIVISOR_MIN = 4
"""Fewer cycles per bit cannot be sampled in the middle."""


RECEIVED = data.StructLayout({"data": unsigned(DATA_BITS), "error": 1})
"""One byte from the line; `error`: its stop bit was missing."""


def divisor(clock_hz: float, baud: int) -> int:
    """Clock cycles per bit.  Raises InputError where no whole number comes near enough to the rate."""
    cycles = max(1, round(clock_hz / baud))
    error = abs(clock_hz / cycles / baud - 1)
    if cycles < DIVISOR_MIN or error > RATE_TOLERANCE:
        raise InputError(
            f"{baud} baud cannot be made from {clock_hz / 1e6:g} MHz: {cycles} cycles per bit are off by "
            f"{error:.1%} (at least {DIVISOR_MIN} cycles, at most {RATE_TOLERANCE:.0%})",
            key="baud",
        )
    return cycles


class UartReceiver(wiring.Component):
    """Bytes from the pin `rx` (asynchronous, idle 1).

    divisor: clock cycles per bit, at least DIVISOR_MIN.  o: one byte each, never held back, so it has to be taken.
    A start bit that is gone in its middle is a glitch and ignored.  After a missing stop bit the line has to be idle
    before the next byte.  Latency: a byte comes 2 cycles of the synchroniser after the middle of its stop bit.
    """

    def __init__(self, divisor: int):
        if divisor < DIVISOR_MIN:
            raise ValueError(f"{divisor} cycles per bit are fewer than {DIVISOR_MIN}")
        self.divisor = divisor
        super().__init__({"rx": In(1), "o": Out(stream.Signature(RECEIVED, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        level = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, level, init=1)
        timer = Signal(range(self.divisor))  # cycles until the next sample
        count = Signal(range(DATA_BITS))
        sample = timer == 0
        m.d.sync += timer.eq(timer - 1)
        with m.If(sample):
            m.d.sync += timer.eq(self.divisor - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += timer.eq(self.divisor // 2 - 1)
                with m.If(~level):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += count.eq(0)
                with m.If(sample):
                    m.next = "DATA"
                    with m.If(level):
                        m.next = "IDLE"
            with m.State("DATA"):
                with m.If(sample):
                    byte = self.o.payload.data
                    m.d.sync += [byte.eq(Cat(byte[1:], level)), count.eq(count + 1)]
                    with m.If(count == DATA_BITS - 1):
                        m.next = "STOP"
            with m.State("STOP"):
                m.d.comb += [self.o.valid.eq(sample), self.o.payload.error.eq(~level)]
                with m.If(sample):
                    m.next = "IDLE"
                    with m.If(~level):
                        m.next = "RELEASE"
            with m.State("RELEASE"):
                with m.If(level):
                    m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes to the pin `tx` (idle 1), which is a register.

    divisor: clock cycles per bit.  Throughput: one byte in FRAME_BITS * divisor cycles.
    """

    def __init__(self, divisor: int):
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(unsigned(DATA_BITS))), "tx": Out(1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self.divisor))
        left = Signal(range(FRAME_BITS))  # bits after the one on the line
        line = Signal(FRAME_BITS, init=(1 << FRAME_BITS) - 1)
        m.d.comb += [self.tx.eq(line[0]), self.i.ready.eq((left == 0) & (timer == 0))]
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(left != 0):
            m.d.sync += [line.eq(Cat(line[1:], 1)), left.eq(left - 1), timer.eq(self.divisor - 1)]
        with m.Elif(self.i.valid):
            m.d.sync += [
                line.eq(Cat(0, self.i.payload, 1)),
                left.eq(FRAME_BITS - 1),
                timer.eq(self.divisor - 1),
            ]
        return m
