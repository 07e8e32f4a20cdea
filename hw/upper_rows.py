"""Hidden codes as the input codes of an analog upper layer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import Codes, HiddenCodes
from spec.params import HwParams


class UpperRows(wiring.Component):
    """Passes the groups of hidden codes as words of row codes, with the bias row at full scale behind the last.

    i: hidden codes.  o: words of `HwParams.upper`, their label 0.  The bias row has a word of its own where the groups
    are full.  Latency 0; one word per cycle.
    Golden: model/controller/upper_rows.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {"i": In(stream.Signature(HiddenCodes(params))), "o": Out(stream.Signature(Codes(params.upper)))}
        )

    def elaborate(self, platform):
        m = Module()
        bias, lanes = self.params.columns % self.params.adc_channels, self.o.payload.codes
        m.d.comb += [lane.eq(code) for lane, code in zip(lanes, self.i.payload.codes, strict=True)]
        m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        full = self.params.upper.dac_full_scale
        if bias:
            with m.If(self.i.payload.last):
                m.d.comb += lanes[bias].eq(full)
            return m
        appends = Signal()  # the bias row's word is due
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += appends.eq(self.i.payload.last)
        with m.If(appends):
            m.d.comb += [self.o.valid.eq(1), self.i.ready.eq(0)]
            m.d.comb += [lane.eq(full if k == 0 else 0) for k, lane in enumerate(lanes)]
            with m.If(self.o.ready):
                m.d.sync += appends.eq(0)
        return m
