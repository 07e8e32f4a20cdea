"""The pins of an array behind a serial link (spec/macro_link.py), seen from the controller."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spec.macro_link import BEAT_BITS
from spec.params import HwParams


class MacroPins(wiring.Signature):
    """clock, frame, data: frames.  select: the masks reach the lines.  strobe: a pulse, as long as it is high.

    ready, compare: as of MacroPort, compare of one group.  answer: a bit of what was read out.
    """

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "clock": Out(1),
                "frame": Out(1),
                "data": Out(BEAT_BITS),
                "select": Out(1),
                "strobe": Out(1),
                "ready": In(1),
                "compare": In(p.converters),
                "answer": In(1),
            }
        )
