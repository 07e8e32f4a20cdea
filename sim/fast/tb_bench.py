"""The bench under cocotb: Python wakes when the host in the simulation has done what it was asked for."""

import ctypes

import cocotb
from cocotb.triggers import ValueChange

from sim.cosim import leave_result
from sim.fast.bulk import compare
from sim.fast.library import Harness


@cocotb.test()
async def bench(dut):
    await leave_result(lambda job, progress: _play(dut, job, progress))


async def _play(dut, job, progress):
    progress("start", 0, 1)
    harness = Harness(ctypes.CDLL(None), job.params, job.image)  # the simulator's program has it built in

    async def perform() -> None:
        await ValueChange(dut.done)

    return await compare(job, harness, perform, progress)
