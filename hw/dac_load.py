"""Loads a sample's codes into the array's shadow row register, one read ahead."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spec.params import HwParams


class DacLoad(wiring.Component):
    """Passes `row_words` words to the row port, then waits until they are swapped into the array.

    i: words of a sample.  dac_*: the row port of MacroPort.  loaded: the shadow register holds a whole sample.
    swap: the array takes it over (integrate, of the first plane).  Latency 0; one word per cycle and one cycle per sample.
    Golden: model/controller/dac_load.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        codes = data.ArrayLayout(params.dac_bits, params.dac_load_lanes)
        super().__init__(
            {
                "i": In(stream.Signature(codes)),
                "dac_valid": Out(1),
                "dac_ready": In(1),
                "dac_word": Out(range(max(2, params.row_words))),
                "dac_codes": Out(codes),
                "loaded": Out(1),
                "swap": In(1),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        last = self.dac_word == p.row_words - 1
        word = Signal.like(self.dac_word)
        m.d.comb += [self.dac_word.eq(word), self.dac_codes.eq(self.i.payload)]
        with m.FSM():
            with m.State("LOAD"):
                m.d.comb += [self.dac_valid.eq(self.i.valid), self.i.ready.eq(self.dac_ready)]
                with m.If(self.i.valid & self.dac_ready):
                    m.d.sync += word.eq(Mux(last, 0, word + 1))
                    with m.If(last):
                        m.next = "LOADED"
            with m.State("LOADED"):
                m.d.comb += self.loaded.eq(1)
                with m.If(self.swap):
                    m.next = "LOAD"
        return m
