"""Bench of the counter in test_toolchain.py."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer


@cocotb.test(timeout_time=1, timeout_unit="us")
async def counts_and_decodes_reset_state(dut):
    dut.rst.value = 1
    dut.en.value = 0
    await Timer(1, "ns")
    # Read before any clock edge: an `always @*` in the emitted text leaves X here on Icarus.
    assert dut.is_zero.value == 1
    Clock(dut.clk, 10, unit="ns").start()
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    dut.en.value = 1
    for expected in range(1, 20):
        await FallingEdge(dut.clk)
        assert dut.count.value.to_unsigned() == expected % 16
        assert dut.is_zero.value == (expected % 16 == 0)
