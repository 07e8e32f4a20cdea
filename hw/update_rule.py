"""The update rules: what a sample adds to the update memory, and which cells then get a pulse."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.interfaces import Deltas, Entry, Row, Update
from hw.update_lane import DELTA_THRESHOLD_BITS, THRESHOLD_BITS, X_THRESHOLD_BITS, UpdateLane, unreachable
from spec.params import HwParams

SAMPLE_BITS = 32


class UpdateRule(wiring.Component):
    """One word of `update_columns` weights per cycle, as model/controller/update_rule.py.

    - `i`: whether the next sample updates; one per sample, in order.
    - `deltas`, `rows`: for each sample that updates, its `update_words` words and then its non-zero rows.
    - `o`: an entry per row with a pulse, in row order, then an `end` entry per sample.
    - `rule` (place in RULES; not looked at when one rule is built in), `threshold` (0 acts as 1), `double_first`,
      `double_second`, `x_threshold`, `delta_threshold` (0 acts as 1): constant during a run.
    - `restart`: the next sample is number 0; given between runs.
    - `clear`: set the update memory to 0, after the sample in hand if there is one; `busy` from the next cycle
      until it is done, `rows * update_words` cycles of sweep.  The memory has no reset.

    Per weight: see UpdateLane.  A word is read, worked on and written in a pipeline that stands still while a row's
    entry waits for the one before it.  No word is touched twice in a sample, and a sample starts after the last
    one's final write, so a word is never read before it is written.
    Latency: a row's entry comes `update_words + LATENCY` cycles after the row.  Throughput: see `cycles`.
    """

    LATENCY = UpdateLane.LATENCY + 3  # the memory's output, the bits of a row, its entry

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(Update(params))),
                "deltas": In(stream.Signature(Deltas(params))),
                "rows": In(stream.Signature(Row(params))),
                "o": Out(stream.Signature(Entry(params))),
                "rule": In(1),
                "threshold": In(THRESHOLD_BITS),
                "double_first": In(SAMPLE_BITS),
                "double_second": In(SAMPLE_BITS),
                "x_threshold": In(X_THRESHOLD_BITS),
                "delta_threshold": In(DELTA_THRESHOLD_BITS),
                "restart": In(1),
                "clear": In(1),
                "busy": Out(1),
            }
        )

    @classmethod
    def cycles(cls, params: HwParams, rows: int) -> int:
        """Cycles from one sample taken to the next, nothing waiting; `rows` of the sample, 0 when it does not update."""
        return params.update_words * (rows + 1) + cls.LATENCY + 2 if rows else 2

    def elaborate(self, platform):
        m = Module()
        p = self.params
        m.submodules.memory = memory = Memory(
            shape=data.ArrayLayout(signed(p.memory_bits), p.update_columns),
            depth=max(2, p.rows * p.update_words),
            init=[],
        )
        m.submodules.deltas = deltas = Memory(
            shape=data.ArrayLayout(signed(p.delta_bits), p.update_columns),
            depth=max(2, p.update_words),
            init=[],
        )
        read, write, delta_read = memory.read_port(), memory.write_port(), deltas.read_port()
        token = data.StructLayout(
            {"valid": 1, "last": 1, "row": p.row_bits, "code": p.dac_bits, "address": write.addr.shape()}
        )
        # Stage 0 addresses the memories, 1 has their outputs, the last writes.
        tokens = [Signal(token, name=f"token_{stage}") for stage in range(UpdateLane.LATENCY + 2)]
        advance, sweep = Signal(), Signal()
        word, sample = Signal(delta_read.addr.shape()), Signal(SAMPLE_BITS)
        with m.If(advance):
            m.d.sync += [now.eq(before) for before, now in pairwise(tokens)]
        m.d.comb += [
            read.en.eq(advance),
            read.addr.eq(tokens[0].address),
            delta_read.en.eq(advance),
            delta_read.addr.eq(word),
            write.en.eq(sweep | tokens[-1].valid),
            write.addr.eq(Mux(sweep, tokens[0].address, tokens[-1].address)),
        ]
        threshold = self._threshold(m, sample)
        moving = Signal()  # the lanes stand still while nothing is under way
        m.d.comb += moving.eq(advance & Cat(token.valid for token in tokens).any())
        stored, up, down = self._lanes(m, moving, threshold, read.data, delta_read.data, tokens[1].code)
        with m.If(~sweep):
            m.d.comb += write.data.eq(stored)
        drained = self._entries(m, advance, tokens, up, down)
        self._phases(m, advance, sweep, word, sample, tokens[0], deltas.write_port(), drained)
        return m

    def _lanes(self, m, advance, threshold, memory, deltas, code):
        """The lanes between the memories; returns the word to store and the pulse bits of its columns."""
        lanes = [UpdateLane(self.params) for _ in range(self.params.update_columns)]
        for k, lane in enumerate(lanes):
            m.submodules[f"lane_{k}"] = lane
            m.d.comb += [
                lane.advance.eq(advance),
                lane.memory.eq(memory[k]),
                lane.delta.eq(deltas[k]),
                lane.code.eq(code),
                lane.rule.eq(self.rule),
                lane.threshold.eq(threshold),
                lane.x_threshold.eq(self.x_threshold),
                lane.delta_threshold.eq(self.delta_threshold),
            ]
        return tuple(Cat(getattr(lane, name) for lane in lanes) for name in ("stored", "up", "down"))

    def _threshold(self, m, sample) -> Signal:
        """The sample's threshold, doubled where it is due; it settles before the sample's first sum."""
        limit = unreachable(self.params)
        doublings, threshold = Signal(range(3)), Signal(range(limit + 1))
        doubled = Mux(self.threshold == 0, 1, self.threshold) << doublings
        m.d.sync += [
            doublings.eq((sample >= self.double_first) + (sample >= self.double_second)),
            threshold.eq(Mux(doubled < limit, doubled, limit)),
        ]
        return threshold

    def _entries(self, m, advance, tokens, up, down) -> Signal:
        """Row by row, the words' pulse bits to an entry where there is any; returns whether nothing is under way."""
        p = self.params
        finished, pulsed, row = Signal(), Signal(), Signal(p.row_bits)
        ups, downs = (Signal(p.update_words * p.update_columns, name=name) for name in ("ups", "downs"))
        done = tokens[-1]
        m.d.comb += advance.eq(~(finished & pulsed & self.o.valid & ~self.o.ready))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += [
                finished.eq(done.valid & done.last),
                pulsed.eq((pulsed & ~finished) | (done.valid & (up.any() | down.any()))),
            ]
            with m.If(done.valid):
                m.d.sync += [
                    row.eq(done.row),
                    ups.eq(Cat(ups, up)[p.update_columns :]),
                    downs.eq(Cat(downs, down)[p.update_columns :]),
                ]
            with m.If(finished & pulsed):
                m.d.sync += [
                    self.o.valid.eq(1),
                    self.o.payload.end.eq(0),
                    self.o.payload.row.eq(row),
                    self.o.payload.up.eq(ups[: p.columns]),
                    self.o.payload.down.eq(downs[: p.columns]),
                ]
        drained = Signal()
        m.d.comb += drained.eq(~(Cat(token.valid for token in tokens).any() | finished))
        return drained

    def _phases(self, m, advance, sweep, word, sample, token, delta_write, drained):
        """A sample's deltas, the words of its rows, its end; between samples the sweep."""
        final, clear = Signal(), Signal()
        m.d.comb += [
            self.busy.eq(clear),
            delta_write.addr.eq(word),
            delta_write.data.eq(self.deltas.payload.deltas),
            delta_write.en.eq(self.deltas.valid & self.deltas.ready),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [word.eq(0), token.address.eq(0)]
                m.d.comb += self.i.ready.eq(~clear)
                with m.If(clear):
                    m.next = "SWEEP"
                with m.Elif(self.i.valid & self.i.payload.update):
                    m.next = "DELTAS"
                with m.Elif(self.i.valid):
                    m.next = "END"
            with m.State("SWEEP"):
                m.d.comb += sweep.eq(1)
                m.d.sync += token.address.eq(token.address + 1)
                with m.If(token.address == self.params.rows * self.params.update_words - 1):
                    m.d.sync += clear.eq(0)
                    m.next = "IDLE"
            with m.State("DELTAS"):
                m.d.comb += self.deltas.ready.eq(1)
                with m.If(self.deltas.valid):
                    m.d.sync += word.eq(Mux(self.deltas.payload.last, 0, word + 1))
                    with m.If(self.deltas.payload.last):
                        m.next = "ROWS"
            with m.State("ROWS"):
                with m.If(advance):
                    self._next_word(m, word, token, final)
                    with m.If(token.valid & token.last & final):
                        m.next = "END"
            with m.State("END"):
                with m.If(drained & (~self.o.valid | self.o.ready)):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(0), self.o.payload.end.eq(1)]
                    m.d.sync += sample.eq(sample + 1)
                    m.next = "IDLE"
        with m.If(self.restart):
            m.d.sync += sample.eq(0)
        with m.If(self.clear):
            m.d.sync += clear.eq(1)

    def _next_word(self, m, word, token, final):
        """The next word of the row in hand, or the first of the next row."""
        words = self.params.update_words
        with m.If(token.valid & ~token.last):
            m.d.sync += [
                word.eq(word + 1),
                token.address.eq(token.address + 1),
                token.last.eq(word + 2 == words),
            ]
        with m.Else():
            m.d.comb += self.rows.ready.eq(~(token.valid & final))
            row = self.rows.payload
            m.d.sync += [
                word.eq(0),
                token.valid.eq(self.rows.valid & self.rows.ready),
                token.last.eq(words == 1),
                token.row.eq(row.row),
                token.code.eq(row.code),
                token.address.eq(row.row * words),
                final.eq(row.last),
            ]
