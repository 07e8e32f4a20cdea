"""What the digital halves of all column converters share: their ports, and the codes of one group.

Golden: model/controller/column_adc.py; the comparators are noiseless, so every kind gives the same codes.
"""

from amaranth.hdl import Mux, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Member, Out

from hw.interfaces import ColumnCodes
from spec.params import HwParams


def ports(p: HwParams) -> dict[str, Member]:
    """start: the sums are held (one cycle, while not busy).  group, trial, compare: the converter side of MacroPort.

    o: the codes of one group; columns beyond the last are 0.  busy: from `start` until the end of the last group.
    A group takes `params.conversion_cycles`; the next one starts at once unless the previous codes have not been taken.
    """
    return {
        "start": In(1),
        "busy": Out(1),
        "group": Out(range(max(2, p.adc_groups))),
        "trial": Out(data.ArrayLayout(signed(p.adc_bits), p.adc_channels)),
        "compare": In(p.adc_channels),
        "o": Out(stream.Signature(ColumnCodes(p))),
    }


def emit(p: HwParams, o: stream.Interface, codes: list[Value], last_group: Value) -> list:
    """Statements that offer the codes of a group, one per channel, on `o`."""
    in_last = p.columns - (p.adc_groups - 1) * p.adc_channels
    statements = [o.valid.eq(1), o.payload.last.eq(last_group)]
    for k, code in enumerate(codes):
        statements.append(o.payload.codes[k].eq(Mux(last_group, 0, code) if k >= in_last else code))
    return statements
