"""Successive approximation: the digital half of the column converters."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from hw.column_adc import Control, emit, ports
from spec.params import HwParams


class SarAdc(wiring.Component):
    """Converts the held column sums, `adc_channels` columns of every macro at a time; ports: hw/column_adc.py.

    Each channel tries one bit after the other, the highest first.  A bit takes sar_settle_cycles + cmp_latency_cycles.
    Golden: model/controller/column_adc.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(ports(params))

    def elaborate(self, platform):
        p, m = self.params, Module()
        highest, settle = 1 << (p.adc_bits - 1), p.trial_cycles - 1
        bit = Signal(p.adc_bits, init=highest)  # one-hot, the bit on trial
        wait = Signal(range(max(2, p.trial_cycles)), init=settle)
        offset = [Signal(p.adc_bits, name=f"offset_{k}") for k in range(p.converters)]  # code + 2**(bits-1)
        tried = [Signal(p.adc_bits, name=f"tried_{k}") for k in range(p.converters)]
        for k in range(p.converters):
            m.d.comb += self.trial[k].eq(_to_code(offset[k] | bit))
            m.d.comb += tried[k].eq(Mux(self.compare[k], offset[k] | bit, offset[k]))
        before_last = bit[1] if settle == 0 else bit[0] & (wait == 1)
        # Where a trial settles, the cycle of the start, which comes late, ends none.
        works = self.running if settle else self.busy
        control = Control(m, self, bit[0] & (wait == 0), before_last, works)
        with m.If(self.busy & (wait != 0)):
            m.d.sync += wait.eq(wait - 1)
        with m.If(works & (wait == 0)):
            with m.If(~bit[0]):
                m.d.comb += self.new_trial.eq(1)
                m.d.sync += [bit.eq(bit >> 1), wait.eq(settle)]
                m.d.sync += [o.eq(t) for o, t in zip(offset, tried, strict=True)]
            with m.Elif(control.group_ends):
                m.d.comb += self.new_trial.eq(1)
                m.d.sync += emit(p, self.o, self._codes(tried), self.group)
                m.d.sync += [bit.eq(highest), wait.eq(settle), *(o.eq(0) for o in offset)]
        return m

    def _codes(self, tried):
        """Codes of the channels; -2**(bits-1) is clipped to -Q."""
        return [Mux(t == 0, -self.params.adc_limit, _to_code(t)) for t in tried]


def _to_code(offset_binary):
    """Offset binary to two's complement: the top bit inverted."""
    return Cat(offset_binary[:-1], ~offset_binary[-1]).as_signed()
