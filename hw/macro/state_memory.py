"""The words of the state memory and its two ports."""

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spec.params import HwParams


def state_word_bits(p: HwParams) -> int:
    """Width of a word: the states of `macro_lanes` neighbouring columns of a row.

    A flat value, because each field of a layout becomes a wire of its own in the text that is written.
    """
    return 2 * p.macro_lanes * p.state_bits


def devices(p: HwParams, word: Value) -> list[Value]:
    """The states in a word: device 2 * lane is G+, 2 * lane + 1 its G-."""
    return [word[k : k + p.state_bits] for k in range(0, state_word_bits(p), p.state_bits)]


def state_depth(p: HwParams) -> int:
    """Words of the state memory; row * macro_words + word is the address.  Two at least: an address has a bit."""
    return max(2, p.rows * p.macro_words)


class StateRead(wiring.Signature):
    """A read of one word: `data` follows one cycle after `enable` and holds until the next."""

    def __init__(self, p: HwParams):
        super().__init__(
            {"enable": Out(1), "address": Out(range(state_depth(p))), "data": In(state_word_bits(p))}
        )


class StateWrite(wiring.Signature):
    """A write of one word in the cycle of `enable`.

    Of whole words: an enable per device would cost a simulator some thousand steps in each cycle.
    """

    def __init__(self, p: HwParams):
        super().__init__(
            {"enable": Out(1), "address": Out(range(state_depth(p))), "data": Out(state_word_bits(p))}
        )
