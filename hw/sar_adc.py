"""Successive approximation: the digital half of the column converters."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import ColumnCodes
from spec.params import HwParams


class SarAdc(wiring.Component):
    """Converts the held column sums, `adc_channels` columns at a time.

    start: the sums are held (one cycle, while not busy).  group, trial, compare: the converter side of MacroPort.
    o: the codes of one group; columns beyond the last are 0.  busy: from `start` until the last bit of the last group.
    A bit takes sar_settle_cycles + cmp_latency_cycles, a group `params.conversion_cycles`; the next group starts
    at once unless the previous codes have not been taken.  Golden: model/controller/sar_adc.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "group": Out(range(max(2, params.adc_groups))),
                "trial": Out(data.ArrayLayout(signed(params.adc_bits), params.adc_channels)),
                "compare": In(params.adc_channels),
                "o": Out(stream.Signature(ColumnCodes(params))),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        bit = Signal(p.adc_bits)  # one-hot, the bit on trial
        wait = Signal(range(max(2, p.sar_settle_cycles + p.cmp_latency_cycles)))
        group = Signal.like(self.group)
        offset = [Signal(p.adc_bits, name=f"offset_{k}") for k in range(p.adc_channels)]  # code + 2**(bits-1)
        tried = [Signal(p.adc_bits, name=f"tried_{k}") for k in range(p.adc_channels)]
        for k in range(p.adc_channels):
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
                    m.d.sync += [bit.eq(bit >> 1), wait.eq(self._wait_cycles)]
                    m.d.sync += [o.eq(t) for o, t in zip(offset, tried, strict=True)]
                with m.Elif(free):
                    m.d.sync += [*self._emit(tried, last_group), self._first_bit(bit, wait, offset)]
                    m.d.sync += group.eq(group + 1)
                    with m.If(last_group):
                        m.next = "IDLE"
        return m

    @property
    def _wait_cycles(self) -> int:
        return self.params.sar_settle_cycles + self.params.cmp_latency_cycles - 1

    def _first_bit(self, bit, wait, offset):
        return [
            bit.eq(1 << (self.params.adc_bits - 1)),
            wait.eq(self._wait_cycles),
            *(o.eq(0) for o in offset),
        ]

    def _emit(self, tried, last_group):
        p = self.params
        in_last = p.columns - (p.adc_groups - 1) * p.adc_channels
        statements = [self.o.valid.eq(1), self.o.payload.last.eq(last_group)]
        for k in range(p.adc_channels):
            lowest = tried[k] == 0  # -2**(bits-1) is clipped to -Q
            code = Mux(lowest, -p.adc_limit, _to_code(tried[k]))
            statements.append(self.o.payload.codes[k].eq(Mux(last_group, 0, code) if k >= in_last else code))
        return statements


def _to_code(offset_binary):
    """Offset binary to two's complement: the top bit inverted."""
    return Cat(offset_binary[:-1], ~offset_binary[-1]).as_signed()
