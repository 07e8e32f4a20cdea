"""Runs on the controller with the emulated array, from a host that is never late: their counters."""

import json
import os
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from sim.bus import CocotbBus
from sim.clock import start_clock
from spec.registers import ADDRESS

PERIOD_NS = 10
START, ERASE, CLEAR_MEMORY, CLEAR_COUNTERS, REWIND = (1 << bit for bit in range(5))


async def command(dut, bus, bit):
    await bus.write(ADDRESS["CONTROL"], bit)
    if dut.busy.value:
        await FallingEdge(dut.busy)


@cocotb.test()
async def counters_are_read(dut):
    job = json.loads(Path(os.environ["CYCLES_JOB"]).read_text())
    bus = CocotbBus(dut, dut.clk)
    dut.rst.value = 1
    start_clock(dut.clk, PERIOD_NS)
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    for address, value in job["before"]:
        await bus.write(address, value)
    for bit in (ERASE, CLEAR_MEMORY, REWIND):
        await command(dut, bus, bit)
    for address, value in job["weights"]:
        await bus.write(address, value)
    found = []
    for run in job["runs"]:
        for address, value in run["registers"]:
            await bus.write(address, value)
        await command(dut, bus, CLEAR_COUNTERS)
        send = {"samples": bus.send_samples, "counts": bus.send_counts}
        sending = [cocotb.start_soon(send[stream](words)) for stream, words in run["words"].items()]
        await RisingEdge(dut.clk)
        await command(dut, bus, START)
        for stream in sending:
            await stream
        assert not dut.fault.value
        found.append([await bus.read(address) for address in job["counted"]])
    Path(os.environ["CYCLES_FOUND"]).write_text(json.dumps(found))
