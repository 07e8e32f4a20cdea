"""The design's clock out of the board's, by the part's PLL."""

from dataclasses import dataclass
from itertools import product

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from fpga.families import ECP5, ICE40, Family
from spec.errors import InputError

ECP5_PHASE_DETECTOR_MHZ = (3.125, 400)
ECP5_DIVIDER_MAX = 128
ICE40_PHASE_DETECTOR_MHZ = (10, 133)
ICE40_FILTER_MHZ = (17, 26, 44, 66, 101)
"""FILTER_RANGE is 1 + the number of these that the phase detector's frequency reaches."""


@dataclass(frozen=True)
class Dividers:
    """output = input / reference * feedback; the oscillator runs at `oscillator` times the output."""

    reference: int
    feedback: int
    oscillator: int


def dividers(family: Family, input_MHz: float, output_MHz: float) -> Dividers:
    """Settings that give exactly the wanted frequency.  Raises InputError when there are none."""
    low, high = family.pll_MHz
    if family is ECP5:
        detector, references, feedbacks = ECP5_PHASE_DETECTOR_MHZ, range(1, 17), range(1, 81)
        posts: tuple[int, ...] = tuple(range(1, ECP5_DIVIDER_MAX + 1))
    else:
        detector, references, feedbacks = ICE40_PHASE_DETECTOR_MHZ, range(1, 17), range(1, 129)
        posts = tuple(2**power for power in range(1, 7))
    for reference, post in product(references, posts):
        if not (detector[0] <= input_MHz / reference <= detector[1] and low <= output_MHz * post <= high):
            continue
        # The ECP5 divides what it feeds back by the post divider, the iCE40 does not.
        scale = 1 if family is ECP5 else post
        feedback = round(output_MHz * scale * reference / input_MHz)
        if feedback in feedbacks and abs(input_MHz / reference * feedback / scale - output_MHz) < 1e-6:
            return Dividers(reference, feedback, post)
    text = f"no setting of the {family.name}'s PLL makes {output_MHz:g} MHz of {input_MHz:g} MHz"
    raise InputError(text, key="clock_MHz")


class BoardClock(Elaboratable):
    """Drives domain `sync` of what it is in, at `clock_MHz` from the default clock of the board; its reset holds until the PLL has locked."""

    def __init__(self, family: Family, clock_MHz: float):
        self.family = family
        self.clock_MHz = clock_MHz

    def elaborate(self, platform):
        m = Module()
        pin = platform.request(platform.default_clk, dir="-")
        board_MHz = platform.default_clk_frequency / 1e6
        if board_MHz == self.clock_MHz:
            m.submodules.buffer = buffer = io.Buffer(io.Direction.Input, pin)
            m.d.comb += ClockSignal().eq(buffer.i)
            return m
        setting = dividers(self.family, board_MHz, self.clock_MHz)
        clock, locked = Signal(), Signal()
        if self.family is ICE40:
            self._ice40(m, setting, board_MHz, pin, clock, locked)
        else:
            self._ecp5(m, setting, pin, clock, locked)
        m.d.comb += ClockSignal().eq(clock)
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")
        return m

    def _ecp5(self, m, setting: Dividers, pin, clock, locked):
        """EHXPLLL that feeds its output back; the fixed parameters are those of Project Trellis' ecppll."""
        m.submodules.buffer = buffer = io.Buffer(io.Direction.Input, pin)
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_CLKI_DIV=setting.reference,
            p_CLKFB_DIV=setting.feedback,
            p_CLKOP_DIV=setting.oscillator,
            p_CLKOP_CPHASE=setting.oscillator // 2,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=buffer.i,
            i_CLKFB=clock,
            i_RST=0,
            i_STDBY=0,
            i_ENCLKOP=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            i_PLLWAKESYNC=0,
            o_CLKOP=clock,
            o_LOCK=locked,
        )

    def _ice40(self, m, setting: Dividers, board_MHz: float, pin, clock, locked):
        detector = board_MHz / setting.reference
        m.submodules.pll = Instance(
            # The clock's pin is the PLL's own: it cannot be an input beside it.
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=setting.reference - 1,
            p_DIVF=setting.feedback - 1,
            p_DIVQ=setting.oscillator.bit_length() - 1,
            p_FILTER_RANGE=1 + sum(detector >= limit for limit in ICE40_FILTER_MHZ),
            i_PACKAGEPIN=pin.io,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )
