"""Random inputs for a design beside its netlist; fails where an output differs in a cycle."""

import os
import random

import cocotb
from cocotb.triggers import FallingEdge

from sim.clock import start_clock

CYCLES = 1000
FEW = 6
"""Addresses in use at a time, so that reads and writes meet."""
UNKNOWN = 3
"""Cycles in which registers may still have what inputs were before the first."""


@cocotb.test()
async def outputs_are_equal(dut):
    rng = random.Random(int(os.environ["PAIR_SEED"]))
    inputs = os.environ["PAIR_INPUTS"].split()
    start_clock(dut.clk, 10)
    dut.rst.value = 0
    few = [0]
    for cycle in range(CYCLES):
        if cycle % 100 == 0:
            few = [rng.getrandbits(14) for _ in range(FEW)]
        for name in inputs:
            pin = getattr(dut, name)
            bits = len(pin)
            if "address" in name:
                value = rng.choice(few)
            else:
                value = rng.choice(
                    (0, (1 << bits) - 1, 1 << bits - 1, *(rng.getrandbits(bits) for _ in range(5)))
                )
            if cycle < 2:  # what a memory gives before its first read is X
                value = int(name == "read")
            pin.value = value
        await FallingEdge(dut.clk)
        if cycle >= UNKNOWN:
            differ = str(dut.differ.value)
            assert set(differ) == {"0"}, f"cycle {cycle}: {differ}"
