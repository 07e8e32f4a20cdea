"""A register file out of memories answers as the one of registers."""

import random

from amaranth.hdl import Module
from amaranth.sim import Simulator

from hw.counters import REGISTERS as COUNTERS
from hw.register_file import RegisterFile
from hw.register_memory import DOUBLES, RegisterMemory
from hw.update_lane import unreachable
from sim.blocks import COMPACT
from spec.registers import ADDRESS, REGISTERS, Access, reset_value

ACCESSES = 800
CYCLES = 4000


def test_every_access_has_the_same_answer_and_levels():
    m, rng = Module(), random.Random(1)
    m.submodules.plain = plain = RegisterFile(COMPACT)
    m.submodules.memory = memory = RegisterMemory(COMPACT)
    levels = [
        (r.name, f.name)
        for r in REGISTERS
        if r.access is Access.RW and r.name not in (*DOUBLES, "SAMPLES")
        for f in r.fields
    ]
    inputs = [(r.name, f) for r in REGISTERS if r.access is Access.RO and r.name not in COUNTERS.values()
              and r.name not in ("MAGIC", "VERSION", "PARAMS_HASH") for f in r.fields]  # fmt: skip

    async def bench(ctx):
        for block in (plain, memory):
            ctx.set(block.image.ready, 1)
            ctx.set(block.response.ready, 1)
        for _ in range(ACCESSES):
            for name, field in inputs:
                value = rng.getrandbits(field.bits) if rng.random() < 1 / 2 else 0
                for block in (plain, memory):
                    ctx.set(block.field(name, field.name), value)
            request = {
                "address": rng.choice((rng.randrange(len(REGISTERS) + 2), rng.getrandbits(16))),
                "write": rng.getrandbits(1),
                "data": rng.getrandbits(32),
            }
            answers = []
            for block in (plain, memory):
                ctx.set(block.request.payload, request)
                ctx.set(block.request.valid, 1)
                taken, counter = False, 0
                while not ctx.get(block.response.valid):
                    if block is memory and not taken:
                        ctx.set(memory.settled, rng.random() < 1 / 4)
                        ctx.set(memory.value, counter := rng.getrandbits(32))
                    taken = taken or ctx.get(block.request.ready)
                    await ctx.tick()
                    if taken:
                        ctx.set(block.request.valid, 0)
                        ctx.set(block.request.payload, {name: rng.getrandbits(16) for name in request})
                if block is memory:
                    started = ctx.get(memory.field("SAMPLES"))
                    starts = not ctx.get(memory.field("STATUS", "busy"))
                answers.append(ctx.get(block.response.payload.data))
                await ctx.tick()
            name = REGISTERS[request["address"]].name if request["address"] < len(REGISTERS) else ""
            read_counter = name in COUNTERS.values() and REGISTERS[request["address"]].built_in(COMPACT)
            if read_counter and not request["write"]:
                answers[0] = counter
            assert answers[0] == answers[1], (name, request)
            if starts and not (request["write"] and name == "SAMPLES"):
                assert started == ctx.get(plain.field("SAMPLES"))
            for level in levels:
                want = ctx.get(plain.field(*level))
                most = {"THRESHOLD": unreachable(COMPACT), "MARGIN": 2 * COMPACT.logit_limit + 1}
                want = min(want, most.get(level[0], want))
                assert want == ctx.get(memory.field(*level)), level

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_while_busy_each_of_the_doubles_comes_in_any_four_cycles():
    """However often the host reads and writes, and never the one that it writes in that cycle."""
    m, rng = Module(), random.Random(2)
    m.submodules.memory = memory = RegisterMemory(COMPACT)
    words = {name: reset_value(name) for name in DOUBLES}
    places = {ADDRESS[name]: name for name in DOUBLES}

    async def bench(ctx):
        ctx.set(memory.response.ready, 1)
        ctx.set(memory.field("STATUS", "busy"), 1)
        await ctx.tick()
        seen, written, writes_before_shown = dict.fromkeys(DOUBLES, 0), "", 0
        for cycle in range(CYCLES):
            if not ctx.get(memory.request.valid) or ctx.get(memory.response.valid):
                address = rng.choice((*places, *places, rng.randrange(len(REGISTERS))))
                request = {"address": address, "write": rng.getrandbits(1), "data": rng.getrandbits(32)}
                ctx.set(memory.request.payload, request)
                ctx.set(memory.request.valid, rng.random() < 3 / 4)
            ctx.set(memory.settled, rng.random() < 1 / 4)
            shows = ctx.get(memory.shows)
            for k, name in enumerate(DOUBLES):
                if shows >> k & 1:
                    assert name != written
                    assert ctx.get(memory.field(name)) == words[name]
                    seen[name] = cycle
                    writes_before_shown += written != ""
                assert cycle - seen[name] < 4
            request = ctx.get(memory.request.payload)
            written = ""
            if ctx.get(memory.request.ready) and request.write and request.address in places:
                written = places[request.address]
                words[written] = request.data
            await ctx.tick()
        assert writes_before_shown > CYCLES // 20

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
