"""The column sums of a read: what accumulates them, and those of them that the converters look at."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.pipeline import LUT_MEMORY
from spec.params import HwParams


def in_memory(p: HwParams) -> bool:
    """Whether the sums are kept in a memory, word by word: where a group of converters finds its columns in one word."""
    return p.macro_words > 1 and p.macro_lanes % p.adc_channels == 0 and not p.converter_errors


def column_sums(params: HwParams) -> "ColumnSums":
    """The sums in the form that takes fewest registers."""
    return SumMemory(params) if in_memory(params) else SumRegisters(params)


class ColumnSums(wiring.Component):
    """After `start` all sums are 0; in a cycle with `add` those of the columns in word `word` grow by `terms`.

    Words come in turn, 0 first.  `selected`, in cycles without `add`, are the sums of group `group`, one for each converter;
    those of columns beyond the last are junk.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "start": In(1),
                "add": In(1),
                "word": In(range(max(2, p.macro_words))),
                "terms": In(data.ArrayLayout(signed(p.sum_bits), p.macro_lanes)),
                "group": In(range(max(2, p.adc_groups))),
                "selected": Out(data.ArrayLayout(signed(p.sum_bits), p.adc_channels)),
                **self._more(p),
            }
        )

    def _more(self, p: HwParams) -> dict:
        return {}


class SumMemory(ColumnSums):
    """The sums of a word of columns in a word of LUT memory: no choice among all columns.

    A word is read in the cycle of its terms and written in the next, when it grows: there are two words or more, so that it is
    back before its next turn, and group 0, which converters see first, is back in time as well.
    """

    def elaborate(self, platform):
        p = self.params
        m = Module()
        sums = self.terms.shape()
        m.submodules.memory = memory = Memory(shape=sums.size, depth=p.macro_words, init=[], attrs=LUT_MEMORY)
        read, write = memory.read_port(domain="comb"), memory.write_port()
        groups = p.macro_lanes // p.adc_channels  # in a word
        new = Signal(range(p.macro_words + 1))  # words of which nothing has come yet
        with m.If(self.start):
            m.d.sync += new.eq(p.macro_words)
        with m.Elif(self.add & (new != 0)):
            m.d.sync += new.eq(new - 1)
        before, terms = Signal(sums), Signal(sums)
        m.d.sync += [
            before.eq(Mux(new == 0, read.data, 0)),
            terms.eq(self.terms),
            write.addr.eq(self.word),
            write.en.eq(self.add),
        ]
        m.d.comb += [
            read.addr.eq(Mux(self.add, self.word, self.group // groups)),
            *(
                total.eq(old + term)
                for total, old, term in zip(data.View(sums, write.data), before, terms, strict=True)
            ),
            self.selected.eq(_group(p, read.data, self.group % groups, groups)),
        ]
        return m


class SumRegisters(ColumnSums):
    """The sums in registers, which turn by the columns that a step has changed.

    Where the hardware has converter errors, `first` is the sum at place 0; with `turn` the sums turn by one place, and `seen`
    takes the place of the one that left.
    """

    def _more(self, p):
        single = signed(p.sum_bits)
        return {"first": Out(single), "turn": In(1), "seen": In(single)} if p.converter_errors else {}

    def elaborate(self, platform):
        p = self.params
        m = Module()
        sums = Signal(data.ArrayLayout(signed(p.sum_bits), p.macro_words * p.macro_lanes))
        grown = [total + term for total, term in zip(sums, self.terms, strict=False)]
        with m.If(self.start):
            m.d.sync += sums.eq(0)
        with m.Elif(self.add):
            m.d.sync += _turned(sums, grown)
        if p.converter_errors:
            m.d.comb += self.first.eq(sums[0])
            with m.If(self.turn):
                m.d.sync += _turned(sums, [self.seen])
        m.d.comb += self.selected.eq(_group(p, sums.as_value(), self.group, p.adc_groups))
        return m


def _turned(sums, changed: list[Value]):
    """The sums turned by the changed ones, which came first and go last."""
    kept = [*sums][len(changed) :]
    return sums.as_value().eq(Cat(*kept, *(value[: len(sums[0])] for value in changed)))


def _group(p: HwParams, sums: Value, group: Value, groups: int) -> Value:
    """The sums of one group of converters, of several that follow each other."""
    width = p.sum_bits * p.adc_channels
    return Array(sums[k * width : (k + 1) * width] for k in range(groups))[group]
