"""Strobes in order: in transfer from pulse counts, in training from the commit queue."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.interfaces import Count, operation
from spec.params import HwParams


class PulseScheduler(wiring.Component):
    """One operation per strobe; the strobes of a row as model/controller/pulse_scheduler.py.

    - `transfer`: take `counts`, else pass `online` through; changed only between runs.
    - `counts`: a transfer's pulse counts, `rows * columns` of them, row by row.
    - `depress`: polarity of a transfer's operations, constant during it.
    - `o`: the operations.
    - `done`: one cycle of 1 when a transfer's counts have been consumed and its last operation has been taken.
    - `restart`: forget a transfer, finished or not; given before each one.

    Strobe k of a row pulses the pairs whose |count| exceeds k.  The counts of two rows are kept, in words of
    `update_columns`: one row loads while the other is scanned once per strobe, and the next strobe is found while
    the last one waits to be taken.
    Latency: none for `online`; in transfer a row's first operation comes `update_words + LATENCY` cycles after its
    last count.  Throughput: one count per cycle, one strobe per `update_words` cycles, two at least.
    """

    LATENCY = 5

    def __init__(self, params: HwParams):
        self.params = params
        self._most_bits = params.count_bits  # of what is kept of a row beside its counts
        super().__init__(
            {
                "counts": In(stream.Signature(Count(params))),
                "online": In(stream.Signature(operation(params))),
                "transfer": In(1),
                "depress": In(1),
                "restart": In(1),
                "o": Out(stream.Signature(operation(params))),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.params
        word = Signal(range(max(2, p.update_words)))
        m.submodules.store = store = Memory(
            shape=data.ArrayLayout(signed(p.count_bits), p.update_columns), depth=2 << len(word), init=[]
        )
        full, most = Signal(2), Signal(data.ArrayLayout(unsigned(self._most_bits), 2))
        self._load(m, store.write_port(granularity=1), full, most)
        valid, found = Signal(), Signal(operation(p))
        self._scan(m, store.read_port(), word, full, most, valid, found)
        with m.If(self.transfer):
            m.d.comb += [
                self.o.valid.eq(valid),
                self.o.payload.eq(found),
                self.o.payload.depress.eq(self.depress),
            ]
        with m.Else():
            m.d.comb += [
                self.o.valid.eq(self.online.valid),
                self.o.payload.eq(self.online.payload),
                self.online.ready.eq(self.o.ready),
            ]
        return ResetInserter(self.restart)(m)

    def _load(self, m, write, full, most):
        """Counts into the bank that is not full, with what `_most` makes of them."""
        p = self.params
        bank, word, lane = (
            Signal(),
            Signal(range(max(2, p.update_words))),
            Signal(range(max(2, p.update_columns))),
        )
        column, row, loaded = Signal(p.column_bits), Signal(p.row_bits), Signal()
        count = self.counts.payload.count[: p.count_bits].as_signed()
        so_far, with_this = (Signal(self._most_bits, name=name) for name in ("so_far", "with_this"))
        m.d.comb += [
            self.counts.ready.eq(self.transfer & ~loaded & ~full.bit_select(bank, 1)),
            write.addr.eq(Cat(word, bank)),
            [lane_data.eq(count) for lane_data in write.data],
            write.en.eq((self.counts.valid & self.counts.ready) << lane),
            with_this.eq(self._most(m, so_far, count)),
        ]
        with m.If(self.counts.valid & self.counts.ready):
            row_ends, word_ends = column == p.columns - 1, lane == p.update_columns - 1
            m.d.sync += [
                column.eq(Mux(row_ends, 0, column + 1)),
                lane.eq(Mux(row_ends | word_ends, 0, lane + 1)),
                word.eq(Mux(row_ends, 0, word + word_ends)),
                so_far.eq(Mux(row_ends, 0, with_this)),
            ]
            with m.If(row_ends):
                m.d.sync += [
                    bank.eq(~bank),
                    row.eq(row + 1),
                    loaded.eq(row == p.rows - 1),
                    most[bank].eq(with_this),
                    full.bit_select(bank, 1).eq(1),
                ]

    def _most(self, m, so_far, count) -> Value:
        """The largest magnitude of a row with one more count."""
        negative, more, magnitude = Signal(), Signal(), Signal(self._most_bits)
        m.d.comb += [
            negative.eq(count < 0),
            magnitude.eq(Mux(negative, -count, count)),
            # Of either sign, so that the comparison does not wait for the magnitude.
            more.eq(Mux(negative, (so_far + count) < 0, count > so_far)),
        ]
        return Mux(more, magnitude, so_far)

    def _scan(self, m, read, word, full, most, valid, operation):
        """Full banks, word by word and strobe by strobe, into operations; each waits in a register until it is taken."""
        p = self.params
        token = data.StructLayout({"valid": 1, "last": 1, "strobe": p.count_bits, "row": p.row_bits})
        issued, read_out, compared = (Signal(token, name=name) for name in ("issued", "read_out", "compared"))
        counts = Signal.like(read.data)
        bank, advance, finished, row = Signal(), Signal(), Signal(), Signal(p.row_bits)
        ups, downs = (Signal(p.update_words * p.update_columns, name=name) for name in ("ups", "downs"))
        m.d.comb += [
            advance.eq(~(finished & valid)),
            read.en.eq(advance),
            read.addr.eq(Cat(word, bank)),
        ]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(advance):
            m.d.sync += [read_out.eq(issued), counts.eq(read.data), compared.eq(read_out)]
            m.d.sync += [finished.eq(compared.valid & compared.last)]
            with m.If(compared.valid):
                m.d.sync += [
                    row.eq(compared.row),
                    ups.eq(Cat(ups, (count > compared.strobe for count in counts))[p.update_columns :]),
                    downs.eq(
                        Cat(downs, (count + compared.strobe < 0 for count in counts))[p.update_columns :]
                    ),
                ]
            with m.If(finished):
                m.d.sync += [
                    valid.eq(1),
                    operation.row.eq(row),
                    operation.up.eq(ups[: p.columns]),
                    operation.down.eq(downs[: p.columns]),
                ]
        self._phases(
            m, advance, issued, word, bank, full, most, ~(read_out.valid | compared.valid | finished | valid)
        )

    def _phases(self, m, advance, issued, word, bank, full, most, taken):
        """Row after row the words of its strobes; after the last row the report."""
        p = self.params
        left = Signal(p.count_bits)  # strobes of the row, with the present one
        most_now, waits, row_ends, complete = Signal(p.count_bits), Signal(), Signal(), Signal()
        m.d.comb += [most_now.eq(most[bank]), waits.eq(full.bit_select(bank, 1))]
        with m.FSM():
            with m.State("ROW"):
                m.d.sync += [
                    word.eq(0),
                    left.eq(most_now),
                    issued.strobe.eq(0),
                    issued.last.eq(p.update_words == 1),
                ]
                with m.If(complete):
                    m.next = "REPORT"
                with m.Elif(waits & (most_now == 0)):
                    m.d.comb += row_ends.eq(1)
                with m.Elif(waits):
                    m.d.sync += issued.valid.eq(1)
                    m.next = "STROBES"
            with m.State("STROBES"):
                with m.If(advance & ~issued.last):
                    m.d.sync += [word.eq(word + 1), issued.last.eq(word + 2 == p.update_words)]
                with m.Elif(advance):
                    m.d.sync += [word.eq(0), issued.last.eq(p.update_words == 1)]
                    m.d.sync += [issued.strobe.eq(issued.strobe + 1), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.d.sync += issued.valid.eq(0)
                        m.d.comb += row_ends.eq(1)
                        m.next = "ROW"
            with m.State("REPORT"):
                with m.If(taken):
                    m.d.comb += self.done.eq(1)
                    m.next = "DONE"
            with m.State("DONE"):
                m.next = "DONE"  # until restart
        with m.If(row_ends):
            m.d.sync += [
                full.bit_select(bank, 1).eq(0),
                bank.eq(~bank),
                issued.row.eq(issued.row + 1),
                complete.eq(issued.row == p.rows - 1),
            ]
