"""Results that wait for the host."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.interfaces import Result
from spec.params import HwParams


class ResultQueue(wiring.Component):
    """A queue of results in a memory; when it is full, `i` waits.  Latency: 3 cycles; throughput of `o`: a result every third.

    slots: how many it keeps, a power of 2.
    """

    def __init__(self, params: HwParams, slots: int):
        self.slots = slots
        self._place_bits = exact_log2(slots)
        layout = stream.Signature(Result(params))
        super().__init__({"i": In(layout), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        memory: Memory = Memory(shape=self.i.payload.shape(), depth=self.slots, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        written, taken = Signal(self._place_bits + 1), Signal(self._place_bits + 1)
        takes, there = self.o.valid & self.o.ready, Signal()  # there: the memory has one, read or not
        m.d.comb += [
            self.i.ready.eq(written != taken ^ self.slots),
            write.addr.eq(written),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & self.i.ready),
            read.addr.eq(taken),
        ]
        m.d.sync += [
            written.eq(written + write.en),
            taken.eq(taken + takes),
            there.eq((written != taken) & ~takes),
            self.o.valid.eq(there & ~takes),
            self.o.payload.eq(read.data),
        ]
        return m
