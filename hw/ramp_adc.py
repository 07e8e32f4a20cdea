"""Single-slope conversion: the digital half of column converters that share one ramp."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring

from hw.column_adc import Control, emit, ports
from spec.params import HwParams


class RampAdc(wiring.Component):
    """Converts the held column sums, `adc_channels` columns of every macro at a time; ports: hw/column_adc.py.

    All channels get the same trial code, which counts from -Q+1 up to Q; each keeps the last code at which its
    comparator was 1, or -Q.  A step takes sar_settle_cycles + cmp_latency_cycles.
    Golden: model/controller/column_adc.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(ports(params))

    def elaborate(self, platform):
        p, m = self.params, Module()
        settle = p.trial_cycles - 1
        ramp = Signal(signed(p.adc_bits), init=1 - p.adc_limit)
        wait = Signal(range(max(2, p.trial_cycles)), init=settle)
        codes = [Signal(signed(p.adc_bits), name=f"code_{k}", init=-p.adc_limit) for k in range(p.converters)]
        reached = [Mux(self.compare[k], ramp, codes[k]) for k in range(p.converters)]
        m.d.comb += [trial.eq(ramp) for trial in self.trial]
        before_last = ramp == p.adc_limit - (settle == 0)
        if settle:
            before_last &= wait == 1
        control = Control(m, self, (ramp == p.adc_limit) & (wait == 0), before_last, self.busy)
        with m.If(self.busy):
            with m.If(wait != 0):
                m.d.sync += wait.eq(wait - 1)
            with m.Elif(ramp != p.adc_limit):
                m.d.comb += self.new_trial.eq(1)
                m.d.sync += [ramp.eq(ramp + 1), wait.eq(settle)]
                m.d.sync += [code.eq(value) for code, value in zip(codes, reached, strict=True)]
            with m.Elif(control.group_ends):
                m.d.comb += self.new_trial.eq(1)
                m.d.sync += emit(p, self.o, reached, self.group)
                m.d.sync += [ramp.eq(ramp.init), wait.eq(settle), *(code.eq(code.init) for code in codes)]
        return m
