"""Raw inputs to row codes; the bias row and the padding of the last word are put in here."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import PIXEL_BITS, Codes, Pixels
from hw.numerics import saturate
from spec.numerics import round_shift
from spec.params import HwParams


class DacEncode(wiring.Component):
    """code = min(round_shift(pixel, 8 - dac_bits), full scale); the bias row is full scale, padding rows 0.

    i: words of raw inputs, `row_words` per sample.  o: words of codes.
    Latency 0, one word per cycle.  Golden: model/controller/dac_encode.py.
    """

    LATENCY = 0

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {"i": In(stream.Signature(Pixels(params))), "o": Out(stream.Signature(Codes(params)))}
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        word = Signal(range(max(2, p.row_words)))
        last = word == p.row_words - 1
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += word.eq(word + 1)
            with m.If(last):
                m.d.sync += word.eq(0)

        bias_lane = (p.rows - 1) % p.dac_load_lanes
        for lane in range(p.dac_load_lanes):
            encoded = saturate(
                round_shift(self.i.payload.pixels[lane], PIXEL_BITS - p.dac_bits), 0, p.dac_full_scale
            )
            m.d.comb += self.o.payload.codes[lane].eq(encoded)
            if lane >= bias_lane:
                with m.If(last):
                    m.d.comb += self.o.payload.codes[lane].eq(p.dac_full_scale if lane == bias_lane else 0)
        m.d.comb += [
            self.o.payload.label.eq(self.i.payload.label),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m
