"""What the digital halves of all column converters share: their ports, and the codes of one group.

Golden: model/controller/column_adc.py; the comparators are noiseless, so every kind gives the same codes.
"""

from amaranth.hdl import Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Member, Out

from hw.interfaces import ColumnCodes
from spec.params import HwParams


def ports(p: HwParams) -> dict[str, Member]:
    """start: the sums are held (one cycle, while not busy).  group, trial, compare: the converter side of MacroPort.

    o: the codes of one group; columns beyond the last are 0.  busy: from the cycle of `start`, which is the first of a
    conversion, to the last; ends: the last cycle, after which the sums may change.
    A group takes `params.conversion_cycles`; the next one starts at once unless the previous codes have not been taken.
    """
    return {
        "start": In(1),
        "busy": Out(1),
        "ends": Out(1),
        "group": Out(range(max(2, p.adc_groups))),
        "trial": Out(data.ArrayLayout(signed(p.adc_bits), p.adc_channels)),
        "compare": In(p.adc_channels),
        "o": Out(stream.Signature(ColumnCodes(p))),
    }


class Control:
    """The control that all kinds share: `running` after a start, groups in turn, codes offered at a group's end.

    last: the last step of a group is in its last cycle.
    """

    def __init__(self, m, adc, last: Value):
        p = adc.params
        self.last_group = adc.group == p.adc_groups - 1
        running = Signal()
        free = ~adc.o.valid | adc.o.ready
        self.group_ends = last & free
        m.d.comb += [
            adc.busy.eq(running | adc.start),
            adc.ends.eq(adc.busy & self.group_ends & self.last_group),
        ]
        with m.If(adc.o.ready):
            m.d.sync += adc.o.valid.eq(0)
        with m.If(adc.start):
            m.d.sync += running.eq(1)
        with m.If(adc.ends):
            m.d.sync += running.eq(0)
        with m.If(adc.busy & self.group_ends):
            m.d.sync += adc.group.eq(Mux(self.last_group, 0, adc.group + 1))


def emit(p: HwParams, o: stream.Interface, codes: list[Value], last_group: Value) -> list:
    """Statements that offer the codes of a group, one per channel, on `o`."""
    in_last = p.columns - (p.adc_groups - 1) * p.adc_channels
    statements = [o.valid.eq(1), o.payload.last.eq(last_group)]
    for k, code in enumerate(codes):
        statements.append(o.payload.codes[k].eq(Mux(last_group, 0, code) if k >= in_last else code))
    return statements
