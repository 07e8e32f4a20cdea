"""The queue between the update rule, which runs ahead, and the array, which applies a sample at its time."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hw.interfaces import entry, operation
from spec.params import HwParams

LEAST_DEPTH = 3
"""A buffered FIFO of two has a memory of one word, whose address has no bits: no legal Verilog vector."""


class CommitQueue(wiring.Component):
    """A FIFO of `queue_depth` entries (`LEAST_DEPTH` at least) that lets one sample out per `start`.

    - `i`: entries (compact hardware: their words, here and in the depth), an `end` after each sample's rows.
    - `start`: commit the next sample, one pulse while not `busy` (the order of reads and commits is
      model/controller/commit_queue.py).
    - `o`: its rows as operations that potentiate.
    - `busy`: from the cycle after `start` until the sample's last operation has been taken and its end consumed.

    Latency: 2 cycles from `i` to `o` in an empty queue; `o` is valid in the cycle after `start` when the entry has
    waited.  Throughput: one operation per cycle; a sample takes its operations and one cycle for its end.
    """

    LATENCY = 2

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(entry(params))),
                "o": Out(stream.Signature(operation(params))),
                "start": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layout = entry(self.params)
        depth = max(LEAST_DEPTH, self.params.queue_depth)
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=layout.size, depth=depth)
        first, full = Signal(layout), Signal()  # full: as ~fifo.w_rdy, from a register
        comes, goes = self.i.valid & self.i.ready, fifo.r_rdy & fifo.r_en
        m.d.sync += full.eq((full | ((fifo.level == depth - 1) & comes)) & ~goes)
        m.d.comb += [
            fifo.w_data.eq(Value.cast(self.i.payload)),
            fifo.w_en.eq(self.i.valid & self.i.ready),
            self.i.ready.eq(~full),
            Value.cast(first).eq(fifo.r_data),
            self.o.payload.row.eq(first.row),
            self.o.payload.up.eq(first.up),
            self.o.payload.down.eq(first.down),
        ]
        if self.params.compact:
            m.d.comb += [self.o.payload.word.eq(first.word), self.o.payload.last.eq(first.last)]
        with m.FSM():
            with m.State("HOLD"):
                with m.If(self.start):
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.comb += [
                    self.busy.eq(1),
                    self.o.valid.eq(fifo.r_rdy & ~first.end),
                    fifo.r_en.eq(first.end | self.o.ready),
                ]
                with m.If(fifo.r_rdy & first.end):
                    m.next = "HOLD"
        return m
