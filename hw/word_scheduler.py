"""The pulse scheduler of compact hardware: operations word by word."""

from amaranth.hdl import Cat, Signal
from amaranth.lib import data

from hw.pulse_scheduler import PulseScheduler


class WordScheduler(PulseScheduler):
    """As PulseScheduler, but operations are given in words, those of a transfer as they are scanned.

    Words without a pulse are left out, but for the last of a strobe.
    """

    def _scan(self, m, read, word, full, most, valid, operation):
        """Full banks, word by word and strobe by strobe, each into the register of the output."""
        p = self.params
        token = data.StructLayout({"valid": 1, "last": 1, "strobe": p.count_bits, "row": p.row_bits})
        issued, compared, compared_word = Signal(token), Signal(token), Signal.like(word)
        bank, advance = Signal(), Signal()
        ups = Cat(count > compared.strobe for count in read.data)
        downs = Cat(-count > compared.strobe for count in read.data)
        m.d.comb += [
            advance.eq(~valid | self.o.ready),
            read.en.eq(advance),
            read.addr.eq(Cat(word, bank)),
        ]
        with m.If(advance):
            m.d.sync += [
                compared.eq(issued),
                compared_word.eq(word),
                valid.eq(compared.valid & (compared.last | ups.any() | downs.any())),
                operation.row.eq(compared.row),
                operation.word.eq(compared_word),
                operation.up.eq(ups),
                operation.down.eq(downs),
                operation.last.eq(compared.last),
            ]
        self._phases(m, advance, issued, word, bank, full, most, ~(compared.valid | valid))
