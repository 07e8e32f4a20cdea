"""The converters' analog half: comparators on the held column sums."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import LSB_BITS
from hw.macro.read_unit import column_sums, sums_bits
from spec.params import HwParams


class Converters(wiring.Component):
    """`compare[k]` = (2 * sum >= (2 * trial[k] - 1) * lsb) for column group * adc_channels + k.

    Combinational, then `cmp_latency_cycles` registers.  Bits of columns beyond the last are junk.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "sums": In(sums_bits(p)),
                "lsb": In(LSB_BITS),
                "group": In(range(max(2, p.adc_groups))),
                "trial": In(data.ArrayLayout(signed(p.adc_bits), p.adc_channels)),
                "compare": Out(p.adc_channels),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        sums = column_sums(p, self.sums)
        selected = [Signal(signed(p.sum_bits), name=f"sum{k}") for k in range(p.adc_channels)]
        with m.Switch(self.group):
            for group in range(p.adc_groups):
                with m.Case(group):
                    first = group * p.adc_channels
                    for k in range(min(p.adc_channels, p.columns - first)):
                        m.d.comb += selected[k].eq(sums[first + k])
        compare = Signal(p.adc_channels)
        for k in range(p.adc_channels):
            m.d.comb += compare[k].eq((selected[k] << 1) >= ((self.trial[k] << 1) - 1) * self.lsb)
        for stage in range(p.cmp_latency_cycles):
            delayed = Signal(p.adc_channels, name=f"compare_delayed{stage}")
            m.d.sync += delayed.eq(compare)
            compare = delayed
        m.d.comb += self.compare.eq(compare)
        return m
