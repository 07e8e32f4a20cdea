"""A memory of many words in slices, so that the choice among its blocks does not stand before other logic."""

from amaranth.hdl import Array, Module, Shape, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

SLICE = 8192
"""Words of a slice: few enough for a quick choice among the blocks of an FPGA that make it."""


class SlicedMemory(wiring.Component):
    """A word read and a word written in each cycle; a word that is both is read as it was.

    - `read_enable`, `read_address`: what is looked at next.
    - `advance`: gives `o` the word that was looked at last before this cycle.
    - `write_enable`, `write_address`, `write_data`.
    """

    def __init__(self, layout: data.Layout, depth: int):
        self._layout, self._depth = layout, depth
        address = Shape.cast(range(depth))
        super().__init__(
            {
                "read_enable": In(1),
                "read_address": In(address),
                "advance": In(1),
                "o": Out(layout),
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(layout),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = (SLICE - 1).bit_length()
        words = []
        for number, first in enumerate(range(0, self._depth, SLICE)):
            depth = max(2, min(SLICE, self._depth - first))
            memory = m.submodules[f"slice_{number}"] = Memory(shape=self._layout, depth=depth, init=[])
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.en.eq(self.read_enable),
                read.addr.eq(self.read_address),
                write.en.eq(self.write_enable & (self.write_address[bits:] == number)),
                write.addr.eq(self.write_address),
                write.data.eq(self.write_data),
            ]
            words.append(word := Signal(self._layout, name=f"word_{number}"))
            with m.If(self.advance):
                m.d.sync += word.eq(read.data)
        if len(words) == 1:
            m.d.comb += self.o.eq(words[0])
            return m
        looked_at, chosen = (
            Signal(unsigned((len(words) - 1).bit_length()), name=n) for n in ("looked_at", "chosen")
        )
        with m.If(self.read_enable):
            m.d.sync += looked_at.eq(self.read_address[bits:])
        with m.If(self.advance):
            m.d.sync += chosen.eq(looked_at)
        m.d.comb += self.o.as_value().eq(Array(word.as_value() for word in words)[chosen])
        return m
