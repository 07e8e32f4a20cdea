"""Gives each upper-layer weight of the host its place."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import Weight
from spec.params import HwParams


class WeightLoad(wiring.Component):
    """Counts weights class by class, unit by unit, from `rewind` on.

    valid, value: one weight (no way to refuse it: what takes `o` is always ready).  o: with its place.
    Latency 0, one weight per cycle.  Golden: model/controller/weight_load.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "valid": In(1),
                "value": In(params.weight_bits),
                "rewind": In(1),
                "o": Out(stream.Signature(Weight(params))),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        place = self.o.payload
        unit, klass = Signal(place.unit.shape()), Signal(place.klass.shape())
        last_class = klass == p.classes - 1
        m.d.comb += [
            self.o.valid.eq(self.valid),
            place.unit.eq(unit),
            place.klass.eq(klass),
            place.value.eq(self.value.as_signed()),
        ]
        with m.If(self.rewind):
            m.d.sync += [unit.eq(0), klass.eq(0)]
        with m.Elif(self.valid):
            m.d.sync += [klass.eq(Mux(last_class, 0, klass + 1)), unit.eq(unit + last_class)]
        return m
