"""What the digital halves of all column converters share: their ports, and the codes of one group.

Golden: model/controller/column_adc.py; the comparators are noiseless, so every kind gives the same codes.
"""

from amaranth.hdl import Const, Mux, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Member, Out

from hw.interfaces import PartialCodes
from hw.numerics import within
from spec.params import HwParams


def ports(p: HwParams) -> dict[str, Member]:
    """start: the sums are held (one cycle, while not busy).  group, trial, compare: the converter side of MacroPort.

    o: the codes of one group of every macro; columns beyond a macro's last are 0.  busy: from the cycle of `start`, which is the first of a
    conversion, to the last; running: the same without the cycle of `start`; ends: the last cycle, after which the sums may change; ends_next: it will be the next one.
    new_trial: from the next cycle on `trial` and `group` are others.
    A group takes `params.conversion_cycles`; the next one starts at once unless the previous codes have not been taken.
    """
    return {
        "start": In(1),
        "busy": Out(1),
        "running": Out(1),
        "ends": Out(1),
        "ends_next": Out(1),
        "group": Out(range(max(2, p.adc_groups))),
        "new_trial": Out(1),
        "trial": Out(data.ArrayLayout(signed(p.adc_bits), p.converters)),
        "compare": In(p.converters),
        "o": Out(stream.Signature(PartialCodes(p))),
    }


class Control:
    """The control that all kinds share: `running` after a start, groups in turn, codes offered at a group's end.

    last: the last step of a group is in its last cycle; before_last: it will be in the next.  works: `busy`, perhaps
    without cycles in which `last` cannot be.
    """

    def __init__(self, m, adc, last: Value, before_last: Value, works: Value):
        p = adc.params
        last_group = adc.group == p.adc_groups - 1
        running = adc.running
        free = ~adc.o.valid | adc.o.ready
        self.group_ends = last & free
        m.d.comb += [
            adc.busy.eq(running | adc.start),
            adc.ends.eq(works & self.group_ends & last_group),
            adc.ends_next.eq(running & before_last & free & last_group),
        ]
        with m.If(adc.o.ready):
            m.d.sync += adc.o.valid.eq(0)
        with m.If(adc.start):
            m.d.sync += running.eq(1)
        with m.If(adc.ends):
            m.d.sync += running.eq(0)
        with m.If(works & self.group_ends):
            m.d.sync += adc.group.eq(Mux(last_group, 0, adc.group + 1))


def has_column(p: HwParams, k: int, group: Value) -> Value:
    """Whether converter k has a column in a group."""
    used = p.converter_groups(k)
    if used in (0, p.adc_groups):
        return Const(used > 0)
    return within(group, slice(used))


def emit(p: HwParams, o: stream.Interface, codes: list[Value], group: Value) -> list:
    """Statements that offer the codes of a group, one per converter, on `o`."""
    statements = [o.valid.eq(1), o.payload.last.eq(group == p.adc_groups - 1)]
    for k, code in enumerate(codes):
        statements.append(o.payload.codes[k].eq(Mux(has_column(p, k, group), code, 0)))
    return statements
