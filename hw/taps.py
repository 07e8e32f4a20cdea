"""Looking inside: each stage's transfers as ports of the controller, for monitors and waveforms.

A tap is `valid` for the one cycle of a transfer.  Nothing reads them on an FPGA, where they cost nothing.
"""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from hw.interfaces import ColumnCodes, Deltas, Entry, HiddenCodes, Logits, Operation, PartialCodes, Verdict
from spec.params import HwParams
from spec.stages import stage_names


class CodesWord(data.StructLayout):
    """One word of row codes on its way into the array."""

    def __init__(self, p: HwParams):
        super().__init__({"codes": data.ArrayLayout(p.dac_bits, p.dac_load_lanes)})


def tap_layouts(p: HwParams) -> dict[str, data.Layout]:
    """Payload of each stage's tap, by the names of spec/stages.py, in their order."""
    layouts = {
        "codes": CodesWord(p),
        "conversion": PartialCodes(p),
        "column": ColumnCodes(p),
        "adc": ColumnCodes(p),
        "hidden": HiddenCodes(p),
        "logits": Logits(p),
        "verdict": Verdict(p),
        "delta": Deltas(p),
        "entry": Entry(p),
        "strobe": Operation(p),
    }
    if p.analog_upper:
        layouts |= {"upper_entry": Entry(p.upper), "upper_strobe": Operation(p.upper)}
    return {name: layouts[name] for name in stage_names(p)}


class Taps(wiring.Signature):
    """One `valid` bit per stage in stage order, and `<stage>` payloads."""

    def __init__(self, p: HwParams):
        layouts = tap_layouts(p)
        super().__init__(
            {"valid": Out(len(layouts)), **{name: Out(layout) for name, layout in layouts.items()}}
        )
