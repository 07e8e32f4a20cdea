"""A memory that is read or written in a cycle, never both: what the large RAM blocks of small FPGAs are."""

from math import ceil

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

SPRAM_BITS = 16
SPRAM_DEPTH = 1 << 14


class SinglePort(wiring.Component):
    """`depth` words of `width` bits, without initial values.

    write: store `data` at `address`.  read: its word is on `q` in the next cycle, and only there.  Not both at once.
    On an iCE40 UP5K the memory is SB_SPRAM256KA cells, elsewhere whatever the tools infer.
    """

    def __init__(self, width: int, depth: int):
        self.width, self.depth = width, depth
        super().__init__(
            {
                "address": In(range(max(2, depth))),
                "read": In(1),
                "write": In(1),
                "data": In(width),
                "q": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if getattr(platform, "device", "") == "iCE40UP5K":
            self._spram(m)
        else:
            m.submodules.words = memory = Memory(shape=self.width, depth=max(2, self.depth), init=[])
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.addr.eq(self.address),
                read.en.eq(self.read),
                write.addr.eq(self.address),
                write.data.eq(self.data),
                write.en.eq(self.write),
                self.q.eq(read.data),
            ]
        return m

    def _spram(self, m):
        """A row of cells for every `SPRAM_DEPTH` of their words, which hold two of ours where these are short.

        The row and the half that were read are remembered.
        """
        halves = 2 * self.width <= SPRAM_BITS
        part, address = (self.address[0], self.address >> 1) if halves else (Const(0), self.address)
        data: Value = self.data
        nibbles: Value = Const(0xF, 4)
        if halves:
            data = Cat(self.data, Const(0, SPRAM_BITS // 2 - self.width)).replicate(2)
            nibbles = Cat((~part).replicate(2), part.replicate(2))
        within = Signal(SPRAM_DEPTH.bit_length() - 1)
        row = address >> len(within)
        m.d.comb += within.eq(address)
        rows = ceil(self.depth / (SPRAM_DEPTH * (1 + halves)))
        was, was_part = Signal(range(max(2, rows))), Signal()
        m.d.sync += [was.eq(row), was_part.eq(part)]
        for number in range(rows):
            words = []
            for low in range(0, self.width, SPRAM_BITS):
                word = Signal(SPRAM_BITS, name=f"word_{number}_{low}")
                words.append(word)
                m.submodules[f"spram_{number}_{low}"] = Instance(
                    "SB_SPRAM256KA",
                    i_ADDRESS=within,
                    i_DATAIN=(data >> low)[:SPRAM_BITS],
                    i_MASKWREN=nibbles,
                    i_WREN=self.write,
                    i_CHIPSELECT=(self.read | self.write) & (row == number),
                    i_CLOCK=ClockSignal(),
                    i_STANDBY=Const(0),
                    i_SLEEP=Const(0),
                    i_POWEROFF=Const(1),  # active low
                    o_DATAOUT=word,
                )
            with m.If(was == number):
                m.d.comb += self.q.eq(Mux(was_part, words[0][SPRAM_BITS // 2 :], Cat(words)))
