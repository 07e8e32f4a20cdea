"""Hidden codes: column codes clipped at zero."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import ColumnCodes, HiddenCodes
from hw.numerics import popcount
from spec.params import HwParams


class Activation(wiring.Component):
    """max(code, 0) per channel; the code is clipped at Q already.  Latency 0, one group per cycle.

    clipped: how many codes of the group on `i` are at full scale Q.  Golden: model/controller/activation.py.
    """

    LATENCY = 0

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(ColumnCodes(params))),
                "o": Out(stream.Signature(HiddenCodes(params))),
                "clipped": Out(range(params.group_channels + 1)),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        for k in range(p.group_channels):
            code = self.i.payload.codes[k]
            m.d.comb += self.o.payload.codes[k].eq(Mux(code < 0, 0, code))
        m.d.comb += [
            self.clipped.eq(popcount(Cat(code == p.adc_limit for code in self.i.payload.codes))),
            self.o.payload.last.eq(self.i.payload.last),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m
