"""The converters' analog half: comparators on the held column sums."""

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import LSB_BITS
from spec.params import HwParams


class Converters(wiring.Component):
    """`compare[k]` = (2 * sums[k] >= (2 * trial[k] - 1) * lsb); it takes `cmp_latency_cycles` registers."""

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "sums": In(data.ArrayLayout(signed(p.sum_bits), p.adc_channels)),
                "lsb": In(LSB_BITS),
                "trial": In(data.ArrayLayout(signed(p.adc_bits), p.adc_channels)),
                "compare": Out(p.adc_channels),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        # The first register is where it halves the way: behind selection and product.
        compare = Signal(p.adc_channels)
        for k in range(p.adc_channels):
            # Both sides raised by lsb: what waits for the trial is then a product alone.
            raised, reference = (self.sums[k] << 1) + self.lsb, (self.trial[k] * self.lsb) << 1
            if p.cmp_latency_cycles:
                raised, reference = (_delayed(m, value) for value in (raised, reference))
            m.d.comb += compare[k].eq(raised >= reference)
        for _ in range(p.cmp_latency_cycles - 1):
            compare = _delayed(m, compare)
        m.d.comb += self.compare.eq(compare)
        return m


def _delayed(m, value):
    """A value one cycle later."""
    value = Value.cast(value)
    register = Signal(value.shape())
    m.d.sync += register.eq(value)
    return register
