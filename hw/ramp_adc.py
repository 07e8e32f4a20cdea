"""Single-slope conversion: the digital half of column converters that share one ramp."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring

from hw.column_adc import emit, ports
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
        ramp = Signal(signed(p.adc_bits))
        wait = Signal(range(max(2, p.trial_cycles)))
        codes = [Signal(signed(p.adc_bits), name=f"code_{k}") for k in range(p.converters)]
        reached = [Mux(self.compare[k], ramp, codes[k]) for k in range(p.converters)]
        first = [
            ramp.eq(1 - p.adc_limit),
            wait.eq(settle),
            *(code.eq(-p.adc_limit) for code in codes),
        ]
        m.d.comb += [trial.eq(ramp) for trial in self.trial]

        last_group = self.group == p.adc_groups - 1
        free = ~self.o.valid | self.o.ready
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [self.group.eq(0), *first]
                    m.next = "TRY"
            with m.State("TRY"):
                m.d.comb += self.busy.eq(1)
                with m.If(wait != 0):
                    m.d.sync += wait.eq(wait - 1)
                with m.Elif(ramp != p.adc_limit):
                    m.d.sync += [ramp.eq(ramp + 1), wait.eq(settle)]
                    m.d.sync += [code.eq(value) for code, value in zip(codes, reached, strict=True)]
                with m.Elif(free):
                    m.d.sync += [*emit(p, self.o, reached, self.group), *first, self.group.eq(self.group + 1)]
                    with m.If(last_group):
                        m.next = "IDLE"
        return m
