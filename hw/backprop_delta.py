"""The error carried back through the upper layer's weights."""

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.interfaces import Deltas, Verdict, Weight
from hw.numerics import saturate
from spec.params import HwParams


class BackpropDelta(wiring.Component):
    """`update_columns` errors per two cycles, as model/controller/backprop_delta.py.

    - `i`: the verdicts of samples that update, and of no others.
    - `weights`: a copy of the upper layer's, stored at once, always ready; given while no sample is in flight.
    - `o`: `update_words` words of errors in column order, 0 beyond the last column, `last` on the final one.

    delta_j = saturate(w_j,target - w_j,rival) where column j is active, else 0.  A memory word holds one class's weights
    of `update_columns` columns, so a word of errors takes two reads.
    Latency: `LATENCY` cycles to the first word.  Throughput: a word per two cycles, `cycles` per sample.
    """

    LATENCY = 6

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(Verdict(params))),
                "weights": In(stream.Signature(Weight(params))),
                "o": Out(stream.Signature(Deltas(params))),
            }
        )

    @classmethod
    def cycles(cls, params: HwParams) -> int:
        """Cycles from one verdict taken to the next, no word waiting."""
        return 2 * params.update_words + cls.LATENCY - 2

    def elaborate(self, platform):
        m = Module()
        p = self.params
        m.submodules.memory = memory = Memory(
            shape=data.ArrayLayout(signed(p.weight_bits), p.update_columns),
            depth=p.classes * p.update_words,
            init=[],
        )
        read = memory.read_port()
        self._store_weights(m, memory.write_port(granularity=1))
        advance = Signal()
        m.d.comb += read.en.eq(advance)
        active = Signal(p.update_words * p.update_columns)
        step = data.StructLayout({"target": 1, "rival": 1, "last": 1})
        steps = [Signal(step, name=f"step_{stage}") for stage in range(4)]
        with m.If(advance):
            m.d.sync += [now.eq(before) for before, now in pairwise(steps)]
        self._phases(m, advance, read.addr, steps[0], steps[-1], active)
        self._subtract(m, advance, read.data, steps, active)
        return m

    def _store_weights(self, m, write):
        """Weight (unit, class): lane unit % update_columns of the class's word unit // update_columns."""
        p = self.params
        weight = self.weights.payload
        lane, has_error = weight.unit % p.update_columns, weight.unit < p.columns  # the bias has none
        m.d.comb += [
            self.weights.ready.eq(1),
            write.addr.eq(weight.klass * p.update_words + weight.unit // p.update_columns),
            [stored.eq(weight.value) for stored in write.data],
            write.en.eq((self.weights.valid & has_error) << lane),
        ]

    def _phases(self, m, advance, address, step, done, active):
        """Word after word, the target's weights and then the rival's."""
        p = self.params
        word = Signal(range(max(2, p.update_words)))
        target, rival = Signal(address.shape()), Signal(address.shape())
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                verdict = self.i.payload
                m.d.sync += [
                    word.eq(0),
                    target.eq(verdict.target * p.update_words),
                    rival.eq(verdict.rival * p.update_words),
                    active.eq(verdict.active),
                ]
                with m.If(self.i.valid):
                    m.next = "TARGET"
            with m.State("TARGET"):
                m.d.comb += [address.eq(target), step.target.eq(1)]
                with m.If(advance):
                    m.next = "RIVAL"
            with m.State("RIVAL"):
                m.d.comb += [address.eq(rival), step.rival.eq(1), step.last.eq(word == p.update_words - 1)]
                with m.If(advance):
                    m.d.sync += [word.eq(word + 1), target.eq(target + 1), rival.eq(rival + 1)]
                    m.next = "TARGET"
                    with m.If(step.last):
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                with m.If(advance & done.last):
                    m.next = "IDLE"
        with m.If(advance & done.rival):
            m.d.sync += active.eq(active >> p.update_columns)

    def _subtract(self, m, advance, weights, steps, active):
        """The two words to one word of errors, which waits in the output until it is taken."""
        p = self.params
        fetched, done = steps[1], steps[-1]
        word = data.ArrayLayout(signed(p.weight_bits), p.update_columns)
        target, rival = Signal(word), Signal(word)
        difference = Signal(data.ArrayLayout(signed(p.weight_bits + 1), p.update_columns))
        m.d.comb += advance.eq(~(done.rival & self.o.valid & ~self.o.ready))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            with m.If(fetched.target):
                m.d.sync += target.eq(weights)
            with m.If(fetched.rival):
                m.d.sync += rival.eq(weights)
            m.d.sync += [d.eq(t - r) for d, t, r in zip(difference, target, rival, strict=True)]
            with m.If(done.rival):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.last.eq(done.last)]
                for k, d in enumerate(difference):
                    error = saturate(d, -p.delta_limit, p.delta_limit)
                    m.d.sync += self.o.payload.deltas[k].eq(Mux(active[k], error, 0))
