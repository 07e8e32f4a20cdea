"""The clock of the benches."""

from typing import Any, Literal

from cocotb.clock import Clock
from cocotb.handle import Immediate


def start_clock(clk: Any, period: int, unit: Literal["ps", "ns"] = "ns") -> None:
    """Start a clock that the simulator drives without waking Python.

    It begins low, so that what was driven before is there at the first edge.  Later, drive at an edge that was waited
    for, or in the middle of a cycle: what is driven where a Timer ends at an edge may come before that edge or after.
    """
    Clock(clk, period, unit, impl="gpi", set_action=Immediate).start(start_high=False)
