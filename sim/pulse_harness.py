"""A block of pins with one transfer for each of its cycles, so that the bench of all blocks can play it."""

# Ports are members of the signature, which mypy does not see.
# mypy: disable-error-code="attr-defined"

from amaranth.hdl import EnableInserter, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class PinsHarness(wiring.Component):
    """`i`: the inputs of one cycle, `o`: the outputs in that cycle.  The block stands still between transfers.

    Members of the payloads are the block's pins, named as they are in Verilog.
    """

    def __init__(self, block: wiring.Component):
        self.params = block.params
        self.block = block
        pins = {"__".join(path): (m, pin) for path, m, pin in self.block.signature.flatten(self.block)}
        self._pins = {name: pin for name, (_, pin) in pins.items()}
        layouts = {
            flow: data.StructLayout({name: m.shape for name, (m, _) in pins.items() if m.flow is flow})
            for flow in (In, Out)
        }
        super().__init__({"i": In(stream.Signature(layouts[In])), "o": Out(stream.Signature(layouts[Out]))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = EnableInserter(self.i.valid & self.o.ready)(self.block)
        m.d.comb += [self.i.ready.eq(self.o.ready), self.o.valid.eq(self.i.valid)]
        m.d.comb += [self._pins[name].eq(self.i.payload[name]) for name, _ in self.i.payload.shape()]
        m.d.comb += [self.o.payload[name].eq(self._pins[name]) for name, _ in self.o.payload.shape()]
        return m
