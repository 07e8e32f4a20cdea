"""Times of parts in clock cycles, and pins that idle high."""

from math import ceil

from amaranth.hdl import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

SKEW_NS = 10
"""What pins, board and input registers may add to a part's own delay before a bit is sampled."""


def cycles(time_ns: float, clock_hz: float) -> int:
    """Least number of clock cycles that last `time_ns`, at least 1."""
    return max(1, ceil(time_ns * clock_hz / 1e9 - 1e-6))


def timer(longest: int, name: str) -> Signal:
    """A down-counter for waits of up to `longest` cycles."""
    return Signal(range(max(2, longest)), name=name)


def idle_high(width: int = 1) -> wiring.Member:
    """Output pins that are 1 from reset on."""
    return wiring.Member(Out, width, init=(1 << width) - 1)  # type: ignore[call-arg]  # the stubs lack it
