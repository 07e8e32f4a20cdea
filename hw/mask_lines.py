"""Masks out of words: the array's end of compact hardware's write lines."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hw.interfaces import MacroPort, WordLines, WriteLines
from spec.params import HwParams


def with_word(params: HwParams, mask, first, word, bits) -> Value:
    """A mask of all words after one was stored; with `first` the others become 0."""
    lanes = params.update_columns
    return Cat(
        Mux(word == number, bits, Mux(first, 0, mask[number * lanes : (number + 1) * lanes]))[:lanes]
        for number in range(params.update_words)
    )


def mask(params: HwParams, name: str) -> Signal:
    """A mask of whole words; bits beyond the last column are 0."""
    return Signal(params.update_words * params.update_columns, name=name)


class MaskLines(wiring.Component):
    """`words` to whole masks on `write`, which stand from the cycle after a load; nothing else is delayed."""

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__({"words": In(WordLines(params)), "write": Out(WriteLines(params))})
        self.up_stored, self.down_stored = mask(params, "up"), mask(params, "down")

    def elaborate(self, platform):
        m, p, words = Module(), self.params, self.words
        for name, stored in (("up", self.up_stored), ("down", self.down_stored)):
            with m.If(words.load):
                m.d.sync += stored.eq(with_word(p, stored, words.first, words.word, getattr(words, name)))
            m.d.comb += getattr(self.write, name).eq(Mux(words.select, stored[: p.columns], 0))
        m.d.comb += [
            getattr(self.write, name).eq(getattr(words, name))
            for name in ("row", "depress", "amplitude", "strobe")
        ]
        return m


class EntryMasks(wiring.Component):
    """Whole masks `up`, `down` of an entry whose words come one by one (`taken`), in the cycle of its `last`."""

    def __init__(self, params: HwParams):
        self.params = params
        lanes = params.update_columns
        super().__init__(
            {
                "taken": In(1),
                "word": In(params.update_word_bits),
                "up_word": In(lanes),
                "down_word": In(lanes),
                "last": In(1),
                "up": Out(params.columns),
                "down": Out(params.columns),
            }
        )

    def elaborate(self, platform):
        m, p = Module(), self.params
        first = Signal(init=1)
        with m.If(self.taken):
            m.d.sync += first.eq(self.last)
        for name in ("up", "down"):
            stored = mask(p, f"{name}_words")
            whole = with_word(p, stored, first, self.word, getattr(self, f"{name}_word"))
            with m.If(self.taken):
                m.d.sync += stored.eq(whole)
            m.d.comb += getattr(self, name).eq(whole[: p.columns])
        return m


def connect_macro(m, params: HwParams, name: str, controller, macro) -> None:
    """A controller's port to a macro, whose masks are whole ones."""
    if not params.compact:
        connect(m, controller, macro)
        return
    m.submodules[f"{name}_masks"] = masks = MaskLines(params)
    connect(m, controller.write, masks.words)
    connect(m, masks.write, macro.write)
    for member, flow in ((member, value.flow) for member, value in MacroPort(params).members.items()):
        if member != "write":
            ends = getattr(macro, member), getattr(controller, member)
            sink, source = ends if flow is Out else reversed(ends)
            m.d.comb += sink.eq(source)
