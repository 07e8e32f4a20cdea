"""The word of the state memory and its read port."""

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from spec.params import HwParams


class StateWord(data.ArrayLayout):
    """States of `macro_lanes` neighbouring columns of a row: device 2 * lane is G+, 2 * lane + 1 its G-."""

    def __init__(self, p: HwParams):
        super().__init__(unsigned(p.state_bits), 2 * p.macro_lanes)


def state_depth(p: HwParams) -> int:
    """Words of the state memory; row * macro_words + word is the address.  Two at least: an address has a bit."""
    return max(2, p.rows * p.macro_words)


class StateRead(wiring.Signature):
    """A read of one word: `data` follows one cycle after `enable` and holds until the next."""

    def __init__(self, p: HwParams):
        super().__init__({"enable": Out(1), "address": Out(range(state_depth(p))), "data": In(StateWord(p))})


class StateWrite(wiring.Signature):
    """A write of one device of one word in the cycle of `enable`."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "enable": Out(1),
                "address": Out(range(state_depth(p))),
                "device": Out(range(2 * p.macro_lanes)),
                "value": Out(p.state_bits),
            }
        )
