"""The input codes of the rows, in two banks, and the walk over those that are not zero."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bits import lowest, number
from spec.params import HwParams


class RowCodes(wiring.Component):
    """Two banks of codes: the shadow bank is loaded through `dac_*` at any time, `swap` makes it the active one.

    Walk: `start` begins a pass over the active bank.  `valid` offers a row with its code, rows ascending, until
    `take`; rows with code 0 are left out, and so are codes beyond the last row.  `done` is 1 in the last cycle.
    Where bit-serial encoding is built in, `serial` 1 makes bit `plane` of each code the code; both hold in a walk.
    A row is offered 2 cycles after `start` at the soonest, then one per cycle; a word of zeros costs one cycle.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "dac_valid": In(1),
                "dac_word": In(range(max(2, p.row_words))),
                "dac_codes": In(data.ArrayLayout(p.dac_bits, p.dac_load_lanes)),
                "swap": In(1),
                "start": In(1),
                "done": Out(1),
                "valid": Out(1),
                "take": In(1),
                "row": Out(p.row_bits),
                "code": Out(p.dac_bits),
                **({"serial": In(1), "plane": In(p.plane_bits)} if p.bit_serial else {}),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        codes = data.ArrayLayout(p.dac_bits, p.dac_load_lanes)
        m.submodules.banks = banks = Memory(shape=codes, depth=2 << len(self.dac_word), init=[])
        write, read = banks.write_port(), banks.read_port()

        active = Signal()
        with m.If(self.swap):
            m.d.sync += active.eq(~active)
        m.d.comb += [
            write.addr.eq(Cat(self.dac_word, ~active)),
            write.data.eq(self.dac_codes),
            write.en.eq(self.dac_valid),
        ]

        fetched = self._driven(m, read.data)
        # `word` is walked over while the memory's output holds the next one, `ahead` in number.
        word, pending = Signal(codes), Signal(p.dac_load_lanes)
        current, ahead = Signal.like(self.dac_word), Signal(range(p.row_words + 1))
        chosen = lowest(pending)
        empty = Signal()  # no row is left in the word after this cycle
        m.d.comb += [
            empty.eq((pending == 0) | (self.take & (pending == chosen))),
            self.valid.eq(pending != 0),
            self.row.eq(current * p.dac_load_lanes + number(chosen)),
            self.code.eq(word[number(chosen)]),  # type: ignore[index]  # a layout may be indexed by a value
            read.addr.eq(Cat((ahead + 1)[: len(self.dac_word)], active)),
            read.en.eq(0),  # a read port is enabled unless told otherwise
        ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [read.addr.eq(Cat(Const(0, len(self.dac_word)), active)), read.en.eq(self.start)]
                with m.If(self.start):
                    m.d.sync += [ahead.eq(0), pending.eq(0)]
                    m.next = "WALK"
            with m.State("WALK"):
                with m.If(self.take):
                    m.d.sync += pending.eq(pending ^ chosen)
                with m.If(empty & (ahead == p.row_words)):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
                with m.Elif(empty):
                    m.d.comb += read.en.eq(1)
                    m.d.sync += [word.eq(fetched), current.eq(ahead), ahead.eq(ahead + 1)]
                    m.d.sync += pending.eq(self._non_zero(fetched, ahead))
        return m

    def _driven(self, m, codes):
        """The codes as they drive their rows."""
        if not self.params.bit_serial:
            return codes
        driven = Signal(codes.shape())
        for lane in range(self.params.dac_load_lanes):
            code = codes[lane]
            m.d.comb += driven[lane].eq(Mux(self.serial, code.bit_select(self.plane, 1), code))
        return driven

    def _non_zero(self, codes, word):
        """One bit per code of a word: it is not zero, and its row exists."""
        p = self.params
        spare = p.row_words * p.dac_load_lanes - p.rows
        every = (1 << p.dac_load_lanes) - 1
        exists = Mux(word == p.row_words - 1, every >> spare, every)
        return exists & Cat(codes[lane] != 0 for lane in range(p.dac_load_lanes))
