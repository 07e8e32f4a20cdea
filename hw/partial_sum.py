"""Column codes of the layer: the codes of its macros along the rows added."""

from functools import reduce
from operator import add, or_

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import ColumnCodes, PartialCodes
from hw.numerics import popcount, saturate
from spec.params import HwParams


class PartialSum(wiring.Component):
    """sum over the rows of macros, clipped to -Q..Q, per column of the group.  Latency 0, one group per cycle.

    clipped: how many columns of the group on `i` are at full scale, or may be wrong because a partial code is: one is
    at Q, or one is at -Q and the sum is positive all the same.  A single row of macros costs no adder.
    Golden: model/controller/partial_sum.py.
    """

    LATENCY = 0

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(PartialCodes(params))),
                "o": Out(stream.Signature(ColumnCodes(params))),
                "clipped": Out(range(params.group_channels + 1)),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        clipped = []
        for k in range(p.group_channels):
            codes = [self.i.payload.codes[k + row * p.group_channels] for row in range(p.grid_rows)]
            m.d.comb += self.o.payload.codes[k].eq(self._total(codes))
            clipped.append(self._clipped(codes))
        m.d.comb += [
            self.clipped.eq(popcount(Cat(clipped))),
            self.o.payload.last.eq(self.i.payload.last),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m

    def _total(self, codes):
        limit = self.params.adc_limit
        return codes[0] if len(codes) == 1 else saturate(reduce(add, codes), -limit, limit)

    def _clipped(self, codes):
        limit = self.params.adc_limit
        if len(codes) == 1:
            return codes[0] == limit
        total = reduce(add, codes)
        high, low = (reduce(or_, (code == end for code in codes)) for end in (limit, -limit))
        return high | (total >= limit) | (low & (total > 0))
