"""The input codes of the rows, in two banks; the scan over all of them and the walk over those that are not zero."""

from functools import reduce
from operator import add, or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bits import lowest, number
from hw.macro.pipeline import LUT_MEMORY, Pipeline, Staged
from hw.macro.timing import power_bits, scan_stages
from hw.numerics import times
from spec.params import HwParams

NIBBLE = 4


def square(pipe: Pipeline, code: Staged) -> Staged:
    """A code's square without a multiplier: those of its halves from tables, and the product of the halves."""
    low, high = code[:NIBBLE], code[NIBBLE:]
    table = Array([Const(k * k, 2 * NIBBLE) for k in range(1 << NIBBLE)])
    halves = pipe.apply(lambda a, b: Cat(table[a], table[b]), low, high).reg()
    rest = pipe.apply(lambda a, b: _product(a, b) << (NIBBLE + 1), low, high).reg()
    return (halves + rest).reg()


def _product(a: Value, b: Value) -> Value:
    """A product of few bits, likewise."""
    copies = [Mux(b[k], a, 0) << k for k in range(len(b))]
    return reduce(add, copies) if copies else Const(0, 1)


class RowCodes(wiring.Component):
    """Two banks of codes: the shadow bank is loaded through `dac_*` at any time, `swap` makes it the active one.

    `start` begins a pass over the bank that is active in the next cycle.  A scan reads one word of codes per cycle; `power`, the sum of the codes'
    squares, holds from the cycle after `scanned` until the next start.  Behind it, words with codes that are not zero are
    walked over: `valid` offers a row, its code, and the number of a word of its columns, rows and words ascending.  Codes
    beyond the last row are left out.  `done` is 1 in a cycle after the last of them, until the next start.
    Where bit-serial encoding is built in, `serial` 1 makes bit `plane` of each code the code; both hold in a pass.
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
                "scanned": Out(1),
                "power": Out(power_bits(p)),
                "done": Out(1),
                "valid": Out(1),
                "row": Out(p.row_bits),
                "code": Out(p.dac_bits),
                "word": Out(range(max(2, p.macro_words))),
                **({"serial": In(1), "plane": In(p.plane_bits)} if p.bit_serial else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self.found = Signal(data.StructLayout({"valid": 1, "ends": 1, "entry": self._word_layout()}))
        self._scan(m)
        self._walk(m)
        return m

    def _word_layout(self):
        """A word that has codes other than zero: which they are, the codes, its number."""
        p = self.params
        return data.StructLayout(
            {
                "pending": p.dac_load_lanes,
                "codes": data.ArrayLayout(p.dac_bits, p.dac_load_lanes),
                "number": range(max(2, p.row_words)),
            }
        )

    def _banks(self, m):
        """The memory of both banks, loaded; its read port, and which bank is active."""
        m.submodules.banks = banks = Memory(
            shape=len(Value.cast(self.dac_codes)), depth=2 << len(self.dac_word), init=[]
        )
        active = Signal()
        with m.If(self.swap):
            m.d.sync += active.eq(~active)
        write = banks.write_port()
        m.d.comb += [
            write.addr.eq(Cat(self.dac_word, ~active)),
            write.data.eq(self.dac_codes),
            write.en.eq(self.dac_valid),
        ]
        return banks.read_port(domain="comb"), active

    def _scan(self, m):
        """Every word of the active bank, one per cycle: its power, and its place among those to walk over."""
        p = self.params
        scanning, running, place = Signal(), Signal(), Signal.like(self.dac_word)
        last = place == p.row_words - 1
        with m.If(self.start):
            m.d.sync += [scanning.eq(1), running.eq(1), place.eq(0), self.power.eq(0)]
        with m.Else():
            with m.If(scanning):
                m.d.sync += [place.eq(place + 1), scanning.eq(~last)]
            with m.If(self.scanned):
                m.d.sync += running.eq(0)

        # Both ports of the banks never meet, so no tool adds logic for that (see StateMemory).
        read, active = self._banks(m)
        fetched = Signal(self.dac_codes.shape().size, reset_less=True)
        m.d.comb += read.addr.eq(Cat(place, active))
        with m.If(scanning):
            m.d.sync += fetched.eq(read.data)

        pipe = Pipeline(m, running)
        number, ends = pipe.stage(place), pipe.valid(scanning & last)
        word = pipe.stage(fetched, 1).reg()
        codes = [
            pipe.apply(lambda word, number, k=k: self._driven(word, number, k), word, number).reg()
            for k in range(p.dac_load_lanes)
        ]
        total = pipe.total([square(pipe, code) for code in codes])
        if total.depth != scan_stages(p):
            raise ValueError(f"scan_stages is {scan_stages(p)}, the pipeline has {total.depth} stages")
        valid = pipe.valid(scanning)
        m.d.comb += self.scanned.eq(ends.at(total.depth))
        with m.If(valid.at(total.depth)):
            m.d.sync += self.power.eq(self.power + total.value)

        pending = pipe.apply(lambda *codes: Cat(code != 0 for code in codes), *codes).reg()
        any_pending = pipe.apply(lambda valid, pending: valid & pending.any(), valid, pending).reg()
        m.d.comb += [
            self.found.valid.eq(any_pending.value),
            self.found.ends.eq(ends.at(any_pending.depth)),
            self.found.entry.pending.eq(pending.at(any_pending.depth)),
            self.found.entry.number.eq(number.at(any_pending.depth)),
            Value.cast(self.found.entry.codes).eq(Cat(code.at(any_pending.depth) for code in codes)),
        ]

    def _driven(self, word, number, lane):
        """What a code of a word drives its row with; nothing where there is no row."""
        p = self.params
        code = word[lane * p.dac_bits : (lane + 1) * p.dac_bits]
        if p.bit_serial:
            code = Mux(self.serial, code.bit_select(self.plane, 1), code)
        if lane < p.dac_load_lanes - (p.row_words * p.dac_load_lanes - p.rows):
            return code
        return Mux(number == p.row_words - 1, 0, code)

    def _walk(self, m):
        """The rows of the words that were found, one after the other; each for `macro_words` cycles."""
        p = self.params
        found, entry = self.found, Signal.like(self.found.entry)
        m.submodules.words = memory = Memory(
            shape=entry.shape(), depth=max(2, p.row_words), init=[], attrs=LUT_MEMORY
        )
        write, read = memory.write_port(), memory.read_port(domain="comb")
        stored, taken = (Signal(range(p.row_words + 1), name=name) for name in ("stored", "taken"))
        ready, every = Signal(), Signal()  # `entry` is the next word; all words have been found
        walked = Signal.like(entry)
        place = Signal.like(self.word)
        row_ends, word_ends = Signal(), Signal()
        chosen = lowest(walked.pending)
        m.d.comb += [
            write.addr.eq(stored),
            write.data.eq(found.entry),
            write.en.eq(found.valid),
            read.addr.eq(taken),
            row_ends.eq((walked.pending != 0) & (place == p.macro_words - 1)),
            word_ends.eq((walked.pending == 0) | (row_ends & (walked.pending == chosen))),
        ]
        with m.If(found.valid):
            m.d.sync += stored.eq(stored + 1)
        with m.If(~ready | word_ends):
            m.d.sync += [ready.eq(taken != stored), entry.eq(read.data)]
            with m.If(taken != stored):
                m.d.sync += taken.eq(taken + 1)
        with m.If(word_ends):
            m.d.sync += [walked.eq(entry), walked.pending.eq(Mux(ready, entry.pending, 0))]
        with m.Elif(row_ends):
            m.d.sync += walked.pending.eq(walked.pending ^ chosen)
        with m.If(walked.pending != 0):
            m.d.sync += place.eq(Mux(row_ends, 0, place + 1))
        m.d.sync += [
            self.valid.eq(walked.pending != 0),
            self.word.eq(place),
            self.row.eq(times(walked.number, p.dac_load_lanes) + number(chosen)),
            self.code.eq(_chosen(chosen, [walked.codes[k] for k in range(p.dac_load_lanes)])),
            self.done.eq(every & (taken == stored) & ~ready & (walked.pending == 0) & ~self.start),
        ]
        with m.If(self.start):
            m.d.sync += [stored.eq(0), taken.eq(0), every.eq(0)]
        with m.Elif(found.ends):
            m.d.sync += every.eq(1)


def _chosen(onehot, values):
    """The one of the values that a bit is set for."""
    return reduce(or_, (Mux(onehot[k], value, 0) for k, value in enumerate(values)))
