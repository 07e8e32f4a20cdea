"""The converters' analog half: comparators on the held column sums."""

from functools import reduce
from operator import sub

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import LSB_BITS
from hw.macro.pipeline import FACTOR_BITS, factors
from spec.params import HwParams

MULTIPLIER_BITS = FACTOR_BITS - 1
"""Of an unsigned factor beside a signed one."""


class Converters(wiring.Component):
    """`compare[k]` = (2 * sums[k] >= (2 * trial[k] - 1) * lsb); it takes `cmp_latency_cycles` registers.

    With any, a new `lsb` counts from the cycle after it: it changes between reads only.
    """

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
        # Registers where they divide the way best: behind the products, the comparison, and before the products.
        latency = p.cmp_latency_cycles
        before = int(latency > 2)
        lsb = _delayed(m, self.lsb, min(latency, 1))  # it holds long before it is needed, and comes from afar
        compares = []
        for k in range(p.adc_channels):
            # Both sides raised by lsb: what waits for the trial is then a product alone.
            raised = _delayed(m, (_delayed(m, self.sums[k], before) << 1) + lsb, min(latency, 1))
            trial = _delayed(m, self.trial[k], before)
            products = [
                (_delayed(m, trial * part, min(latency, 1)) << place + 1)
                for place, part in factors(lsb, MULTIPLIER_BITS)
            ]
            over = reduce(sub, products, raised)  # one carry chain, however many products
            compares.append(over >= 0)
        m.d.comb += self.compare.eq(_delayed(m, Cat(compares), max(latency - 1 - before, 0)))
        return m


def _delayed(m, value, cycles):
    """A value some cycles later; without a reset, its registers can be a multiplier's own."""
    for _ in range(cycles):
        register = Signal(Value.cast(value).shape(), reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value
