"""Counters in a memory are those in registers, whenever they are read."""

import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from hw.counter_memory import CounterMemory, in_order
from hw.counters import Counters
from sim.blocks import COMPACT
from spec.params import INSTANCES

CYCLES = 3000
RARE = {"readout": 30, "first": 3}
"""One cycle in so many has the event; the others come about every other one."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("params", [COMPACT, replace(INSTANCES["ICEBREAKER"], rows=9)], ids=lambda p: p.name)
def test_counters_are_right_in_every_turn(params, seed):
    m, rng = Module(), random.Random(seed)
    m.submodules.plain = plain = Counters(params)
    m.submodules.memory = memory = CounterMemory(params)
    inputs = [name for name, member in plain.signature.members.items() if member.flow is In]
    order, seen = in_order(params), set()

    async def bench(ctx):
        quiet = 0
        for cycle in range(CYCLES):
            quiet = rng.randrange(60) if rng.random() < 1 / 60 else max(0, quiet - 1)
            strobe = ctx.get(plain.strobe)
            clears = cycle == 0 or rng.random() < 1 / 400
            begins = ctx.get(plain.clear) or rng.random() < 1 / 150  # counters are cleared between runs
            for name in inputs:
                chance = 1 / RARE.get(name, 2)
                value = rng.getrandbits(len(getattr(plain, name))) if rng.random() < chance else 0
                if name == "clipped":
                    value = min(value, params.group_channels)
                if name in ("clear", "run_start"):
                    value = int(clears if name == "clear" else begins)
                if (clears or begins or quiet) and name in ("strobe", "converting", "integrate"):
                    value = 0
                if name == "load" and strobe:
                    value = 0
                for block in (plain, memory):
                    ctx.set(getattr(block, name), value)
            select = rng.randrange(len(order))
            ctx.set(memory.select, select)
            name = ""
            if cycle and ctx.get(memory.settled):
                name = order[select]
                seen.add(name)
                value = ctx.get(memory.value)
            if name == "elapsed":
                assert value == ctx.get(plain.elapsed), cycle
            await ctx.tick()
            if name not in ("", "elapsed") and not clears:  # registers count a cycle later
                assert value == ctx.get(getattr(plain, name)), (cycle, name)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == set(order)


def test_a_run_may_begin_in_any_cycle_of_the_turns():
    """The time that passed since the last run's end is no part of ELAPSED, wherever the memory is."""
    m = Module()
    m.submodules.plain = plain = Counters(COMPACT)
    m.submodules.memory = memory = CounterMemory(COMPACT)
    round_ = 2 * len(in_order(COMPACT)) + 3  # of the turns

    async def cycle(ctx, **events):
        for block in (plain, memory):
            for name in ("run_start", "integrate", "converting"):
                ctx.set(getattr(block, name), events.get(name, 0))
        await ctx.tick()

    async def bench(ctx):
        ctx.set(memory.select, in_order(COMPACT).index("elapsed"))
        for begins in range(2 * round_):
            for _ in range(round_ + begins):  # the time runs on
                await cycle(ctx)
            await cycle(ctx, run_start=1)
            await cycle(ctx, integrate=1)
            for _ in range(5):
                await cycle(ctx, converting=1)
            for _ in range(2 * round_):
                await cycle(ctx)
            while not ctx.get(memory.settled):
                await cycle(ctx)
            assert ctx.get(memory.value) == ctx.get(plain.elapsed), begins

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
