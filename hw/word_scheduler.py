"""The pulse scheduler of compact hardware: operations word by word."""

from amaranth.hdl import Cat, Const, Mux, Signal

from hw.pulse_scheduler import PulseScheduler
from spec.params import HwParams


class WordScheduler(PulseScheduler):
    """As PulseScheduler, but operations are given in words, those of a transfer as they are scanned.

    Words without a pulse are left out, but for the last of a strobe.  A word takes two cycles, and one to be taken.
    """

    def __init__(self, params: HwParams):
        super().__init__(params)
        self._most_bits = 1

    def _most(self, m, so_far, count):
        """Whether a row has a pulse; how many strobes it takes is seen when they are scanned."""
        return so_far | count.any()

    def _scan(self, m, read, word, full, most, valid, operation):
        """Full banks, strobe by strobe and word by word; a word that was read stays until it is taken."""
        p = self.params
        strobe, row, bank = Signal(p.count_bits), Signal(p.row_bits), Signal()
        last, there, row_ends = Signal(), Signal(), Signal()
        following = Signal(p.count_bits)
        further = Signal()  # a word of this strobe has a pulse of the next
        any_pulse, waits, complete, again = Signal(), Signal(), Signal(), Signal()

        def exceed(strobe):
            """count > strobe or -count > strobe by one comparison: -count = ~count + 1."""
            return [
                Cat(count < 0, Mux(count < 0, ~count, count)[:-1]) > Cat(Const(0, 1), strobe)
                for count in read.data
            ]

        fires = exceed(strobe)
        m.d.comb += [
            last.eq(word == p.update_words - 1),
            any_pulse.eq(most[bank]),
            following.eq(strobe + 1),
            again.eq(further | Cat(exceed(following)).any()),
            waits.eq(full.bit_select(bank, 1)),
            read.addr.eq(Cat(word, bank)),
            there.eq(last | Cat(fires).any()),
            operation.row.eq(row),
            operation.word.eq(word),
            operation.up.eq(Cat(fire & (count >= 0) for fire, count in zip(fires, read.data, strict=True))),
            operation.down.eq(Cat(fire & (count < 0) for fire, count in zip(fires, read.data, strict=True))),
            operation.last.eq(last),
        ]
        with m.FSM():
            with m.State("ROW"):
                m.d.sync += [word.eq(0), strobe.eq(0), further.eq(0)]
                with m.If(complete):
                    m.d.comb += self.done.eq(1)
                    m.next = "DONE"
                with m.Elif(waits):
                    m.d.comb += row_ends.eq(~any_pulse)
                    with m.If(any_pulse):
                        m.next = "READ"
            with m.State("READ"):
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += [valid.eq(there), read.en.eq(0)]
                with m.If(self.o.ready | ~there):
                    m.d.sync += [word.eq(Mux(last, 0, word + 1)), further.eq(again & ~last)]
                    m.next = "READ"
                    with m.If(last):
                        m.d.sync += strobe.eq(following)
                        with m.If(~again):
                            m.d.comb += row_ends.eq(1)
                            m.next = "ROW"
            with m.State("DONE"):
                m.next = "DONE"  # until restart
        with m.If(row_ends):
            m.d.sync += [
                full.bit_select(bank, 1).eq(0),
                bank.eq(~bank),
                row.eq(row + 1),
                complete.eq(row == p.rows - 1),
            ]
