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

    o: the codes of one group of every macro; columns beyond a macro's last are 0.  busy: from `start` until the end of the last group.
    A group takes `params.conversion_cycles`; the next one starts at once unless the previous codes have not been taken.
    """
    return {
        "start": In(1),
        "busy": Out(1),
        "group": Out(range(max(2, p.adc_groups))),
        "trial": Out(data.ArrayLayout(signed(p.adc_bits), p.converters)),
        "compare": In(p.converters),
        "o": Out(stream.Signature(PartialCodes(p))),
    }


def emit(p: HwParams, o: stream.Interface, codes: list[Value], group: Value) -> list:
    """Statements that offer the codes of a group, one per converter, on `o`."""
    columns = [p.group_columns(g) for g in range(p.adc_groups)]
    statements = [o.valid.eq(1), o.payload.last.eq(group == p.adc_groups - 1)]
    for k, code in enumerate(codes):
        used = sum(
            of_group[k % p.group_channels] is not None for of_group in columns
        )  # its groups, from 0 on
        if used < p.adc_groups:
            code = Mux(within(group, slice(used)), code, 0) if used else Const(0)
        statements.append(o.payload.codes[k].eq(code))
    return statements
