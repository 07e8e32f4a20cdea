"""Successive approximation: the digital half of the column converters."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from hw.column_adc import emit, ports
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
        bit = Signal(p.adc_bits)  # one-hot, the bit on trial
        wait = Signal(range(max(2, p.trial_cycles)))
        group = Signal.like(self.group)
        offset = [Signal(p.adc_bits, name=f"offset_{k}") for k in range(p.converters)]  # code + 2**(bits-1)
        tried = [Signal(p.adc_bits, name=f"tried_{k}") for k in range(p.converters)]
        for k in range(p.converters):
            m.d.comb += self.trial[k].eq(_to_code(offset[k] | bit))
            m.d.comb += tried[k].eq(Mux(self.compare[k], offset[k] | bit, offset[k]))
        m.d.comb += self.group.eq(group)

        last_group = group == p.adc_groups - 1
        free = ~self.o.valid | self.o.ready
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [group.eq(0), self._first_bit(bit, wait, offset)]
                    m.next = "TRY"
            with m.State("TRY"):
                m.d.comb += self.busy.eq(1)
                with m.If(wait != 0):
                    m.d.sync += wait.eq(wait - 1)
                with m.Elif(~bit[0]):
                    m.d.sync += [bit.eq(bit >> 1), wait.eq(self.params.trial_cycles - 1)]
                    m.d.sync += [o.eq(t) for o, t in zip(offset, tried, strict=True)]
                with m.Elif(free):
                    m.d.sync += [
                        *emit(p, self.o, self._codes(tried), group),
                        self._first_bit(bit, wait, offset),
                    ]
                    m.d.sync += group.eq(group + 1)
                    with m.If(last_group):
                        m.next = "IDLE"
        return m

    def _first_bit(self, bit, wait, offset):
        return [
            bit.eq(1 << (self.params.adc_bits - 1)),
            wait.eq(self.params.trial_cycles - 1),
            *(o.eq(0) for o in offset),
        ]

    def _codes(self, tried):
        """Codes of the channels; -2**(bits-1) is clipped to -Q."""
        return [Mux(t == 0, -self.params.adc_limit, _to_code(t)) for t in tried]


def _to_code(offset_binary):
    """Offset binary to two's complement: the top bit inverted."""
    return Cat(offset_binary[:-1], ~offset_binary[-1]).as_signed()
