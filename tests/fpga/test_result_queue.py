"""The queue of results against a list: what comes out, in order, and how many it keeps."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator

from fpga.result_queue import ResultQueue
from hw.interfaces import Result
from spec.params import INSTANCES

PERIOD = 1e-8
TINY = INSTANCES["TINY"]
SLOTS = 8
CYCLES = 3000
LATENCY = 3


@pytest.mark.parametrize(("pushes", "pops"), [(0.1, 0.9), (0.5, 0.5), (0.9, 0.1), (1, 1), (1, 0)])
def test_results_come_out_in_order_and_as_many_as_there_is_room_for_go_in(seed, pushes, pops):
    dut, rng, kept = ResultQueue(TINY, SLOTS), random.Random(seed), deque()
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def drive(ctx):
        taken, most, waited = 0, 0, 0
        for _ in range(CYCLES):
            word = rng.randrange(1 << Result(TINY).size)
            ctx.set(dut.i.payload.as_value(), word)
            ctx.set(dut.i.valid, rng.random() < pushes)
            ctx.set(dut.o.ready, rng.random() < pops)
            assert ctx.get(dut.i.ready) == (len(kept) < SLOTS)
            valid = ctx.get(dut.o.valid)
            waited = 0 if valid or not kept else waited + 1
            assert waited < LATENCY
            assert not valid or ctx.get(dut.o.payload.as_value()) == kept[0]
            if valid and ctx.get(dut.o.ready):
                kept.popleft()
                taken, waited = taken + 1, 0
            if ctx.get(dut.i.valid) and ctx.get(dut.i.ready):
                kept.append(word)
            most = max(most, len(kept))
            await ctx.tick()
        assert most == SLOTS or pops > pushes or pops == 0.5
        assert pops == 0 or taken > CYCLES // 20

    simulator.add_testbench(drive)
    simulator.run()
