"""The states of all cells: the words of the memory, its two ports, and the banks that it is made of."""

from amaranth.hdl import Array, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.pipeline import LUT_MEMORY
from hw.macro.timing import STATE_STAGES
from spec.params import HwParams

BANK_WORDS = 512
"""Words of a block of an FPGA's memory in its widest shape; a bank is as deep, or a multiple of it."""
MOST_BANKS = 8
SMALL_BANK_WORDS = 64
"""A last bank of so few words is left to memory of LUTs, for it would waste most of a row of blocks."""


def state_word_bits(p: HwParams) -> int:
    """Width of a word: the states of `macro_lanes` neighbouring columns of a row.

    A flat value, because each field of a layout becomes a wire of its own in the text that is written.
    """
    return 2 * p.macro_lanes * p.state_bits


def devices(p: HwParams, word: Value) -> list[Value]:
    """The states in a word: device 2 * lane is G+, 2 * lane + 1 its G-."""
    return [word[k : k + p.state_bits] for k in range(0, state_word_bits(p), p.state_bits)]


def state_depth(p: HwParams) -> int:
    """Words of the state memory; row * macro_words + word is the address.  Two at least: an address has a bit."""
    return max(2, p.rows * p.macro_words)


class StateRead(wiring.Signature):
    """A read of one word: `data` follows `STATE_STAGES` cycles after `enable` and holds until that of the next does."""

    def __init__(self, p: HwParams):
        super().__init__(
            {"enable": Out(1), "address": Out(range(state_depth(p))), "data": In(state_word_bits(p))}
        )


class StateWrite(wiring.Signature):
    """A write of one word in the cycle of `enable`.

    Of whole words: an enable per device would cost a simulator some thousand steps in each cycle.
    """

    def __init__(self, p: HwParams):
        super().__init__(
            {"enable": Out(1), "address": Out(range(state_depth(p))), "data": Out(state_word_bits(p))}
        )


def bank_depths(depth: int) -> list[int]:
    """How the words are split: banks of one power of two, and what is left of them."""
    size = BANK_WORDS
    while depth > size * MOST_BANKS:
        size *= 2
    return [min(size, depth - first) for first in range(0, depth, size)]


class StateMemory(wiring.Component):
    """One read port, one write port; a read in the cycle of a write is not made.

    Banks have no rounding of depths to powers of two, and each has a register behind it, before anything chooses
    between them.  A read port without a clock and a register that is never enabled in the cycle of a write are what
    tools make block memory of that has no logic for reads and writes that meet.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__({"read": In(StateRead(p)), "write": In(StateWrite(p))})

    def elaborate(self, platform):
        m = Module()
        width, depths = state_word_bits(self.params), bank_depths(state_depth(self.params))
        shift = (depths[0] - 1).bit_length()
        chosen = [Signal(range(max(2, len(depths))), name=f"bank{k}") for k in range(3)]
        place, stages = Signal(shift), Signal(STATE_STAGES - 1)
        m.d.sync += stages.eq(Cat(self.read.enable & ~self.write.enable, stages[:-1]))
        with m.If(self.read.enable):
            m.d.sync += [place.eq(self.read.address), chosen[0].eq(self.read.address >> shift)]
        store, store_place, store_bank = Signal(), Signal(shift), Signal.like(chosen[0])
        word = Signal(width)
        m.d.sync += store.eq(self.write.enable)
        with m.If(self.write.enable):
            m.d.sync += [
                store_place.eq(self.write.address),
                store_bank.eq(self.write.address >> shift),
                word.eq(self.write.data),
            ]

        outputs = []
        for number, depth in enumerate(depths):
            small = len(depths) > 1 and depth <= SMALL_BANK_WORDS
            m.submodules[f"bank{number}"] = memory = Memory(
                shape=width, depth=depth, init=[], attrs=LUT_MEMORY if small else {}
            )
            write, read = memory.write_port(), memory.read_port(domain="comb")
            fetched = Signal(width, name=f"fetched{number}", reset_less=True)
            output = Signal(width, name=f"output{number}", reset_less=True)
            m.d.comb += [
                write.addr.eq(store_place),
                write.data.eq(word),
                write.en.eq(store & (store_bank == number)),
                read.addr.eq(place),
            ]
            with m.If(stages[0] & ~store):
                m.d.sync += fetched.eq(read.data)
            with m.If(stages[1]):
                m.d.sync += output.eq(fetched)
            outputs.append(output)
        with m.If(stages[0]):
            m.d.sync += chosen[1].eq(chosen[0])
        with m.If(stages[1]):
            m.d.sync += chosen[2].eq(chosen[1])
        with m.If(stages[2]):
            m.d.sync += self.read.data.eq(Array(outputs)[chosen[2]])
        return m
