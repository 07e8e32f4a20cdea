"""The compiled device inside the macro: tables in small memories, constants in registers, both loaded at run time."""

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.interfaces import ImageWord
from spec.device_image import IMAGE_WORDS, SECTIONS, offset

BY_NAME = {section.name: section for section in SECTIONS}
CONSTANTS = tuple(section for section in SECTIONS if section.depth == 1)


class ImageBus(wiring.Signature):
    """Words of a device image: `word` is written in the cycle with `valid` 1."""

    def __init__(self):
        super().__init__({"valid": Out(1), "word": Out(ImageWord())})


class Block(NamedTuple):
    """Where neighbouring sections lie in the image: address of the first word, words, width of a word."""

    start: int
    depth: int
    bits: int


def block(names: Sequence[str]) -> Block:
    """The block of the sections `names`.  Raises `ValueError` if they are not neighbours of one width."""
    ends = [offset(name) + BY_NAME[name].depth for name in names]
    if ends[:-1] != [offset(name) for name in names[1:]] or len({BY_NAME[name].bits for name in names}) > 1:
        raise ValueError(f"sections {', '.join(names)} are not neighbours of one width")
    return Block(offset(names[0]), ends[-1] - offset(names[0]), BY_NAME[names[0]].bits)


class TableRead(NamedTuple):
    """A read port of a table: `data` follows one cycle after `en`, and holds until the next."""

    addr: Signal
    en: Signal
    data: Signal


class DeviceTable(wiring.Component):
    """A block of sections as one memory.  Ask for read ports before elaboration; no read while an image is loaded."""

    def __init__(self, names: Sequence[str]):
        self.block = block(names)
        self.ports: list[TableRead] = []
        super().__init__({"image": In(ImageBus())})

    def read_port(self) -> TableRead:
        bits, place = self.block.bits, range(self.block.depth)
        self.ports.append(TableRead(Signal(place), Signal(), Signal(bits, reset_less=True)))
        return self.ports[-1]

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.block.bits, depth=self.block.depth, init=[])
        write = memory.write_port()
        place = (self.image.word.address - self.block.start)[: ceil_log2(IMAGE_WORDS) + 1]
        store = Signal()
        m.d.sync += store.eq(self.image.valid & (place < self.block.depth))
        with m.If(self.image.valid):
            m.d.sync += [write.addr.eq(place), write.data.eq(self.image.word.value)]
        m.d.comb += write.en.eq(store)
        for port in self.ports:  # without a clock, as in StateMemory
            read = memory.read_port(domain="comb")
            m.d.comb += read.addr.eq(port.addr)
            with m.If(port.en & ~store):
                m.d.sync += port.data.eq(read.data)
        return m


class DeviceConstants(wiring.Component):
    """The sections of one word as registers, each an output of its name.  A word is there two cycles after its own."""

    def __init__(self):
        super().__init__(
            {"image": In(ImageBus())} | {section.name: Out(section.bits) for section in CONSTANTS}
        )

    def elaborate(self, platform):
        m = Module()
        value = Signal.like(self.image.word.value)
        m.d.sync += value.eq(self.image.word.value)
        for section in CONSTANTS:
            hit = Signal(name=f"hit_{section.name}")
            m.d.sync += hit.eq(self.image.valid & (self.image.word.address == offset(section.name)))
            with m.If(hit):
                m.d.sync += getattr(self, section.name).eq(value)
        return m
