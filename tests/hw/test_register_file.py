"""What the bench of all blocks does not say of the register file: its ports by name, and its time."""

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from hw.interfaces import too_wide
from hw.register_file import RegisterFile, identity
from sim.cases.host import REGISTER_EVENTS
from sim.simulation import Case, Simulation
from spec.params import INSTANCES
from spec.registers import ADDRESS, REGISTERS, Access

TINY = INSTANCES["TINY"]


@pytest.fixture
def registers():
    component = RegisterFile(TINY)
    Fragment.get(component, platform=None)  # Amaranth warns of a component that is never elaborated
    return component


def test_every_field_has_a_port_of_its_width(registers):
    for register in REGISTERS:
        if register.name not in identity(TINY):
            for field in register.fields:
                assert len(registers.field(register.name, field.name)) == field.bits
            if register.access is Access.PORT:
                assert len(registers.field(register.name, "valid")) == 1


@pytest.mark.parametrize("register", ["NOTHING", "MAGIC"])
def test_what_is_not_there_has_no_port(registers, register):
    with pytest.raises(AttributeError):
        registers.field(register)


def test_an_access_is_answered_two_cycles_later_and_takes_three(simulator):
    requests = [
        {"address": ADDRESS["MARGIN"], "write": 1, "data": 99},
        {"address": ADDRESS["MARGIN"], "write": 0, "data": 0},
        {"address": ADDRESS["CONTROL"], "write": 1, "data": 1},
    ]
    with Simulation(RegisterFile(TINY), "register_file", simulator, REGISTER_EVENTS) as simulation:
        outcome = simulation.play(Case({"request": requests}), {"response": len(requests)})
    assert [answer["data"] for answer in outcome.outputs["response"]] == [0, 99, 0]
    asked, answered = outcome.cycles["request"], outcome.cycles["response"]
    assert [answer - ask for ask, answer in zip(asked, answered, strict=True)] == [2, 2, 2]
    assert [cycle - asked[0] for cycle in asked] == [0, 3, 6]
    assert outcome.cycles["CONTROL.start"] == [asked[2] + 1]


def test_a_pulse_beyond_the_hard_limit_is_one_cycle_too_wide_and_is_read_back_as_written():
    registers, most = RegisterFile(TINY), TINY.pulse_max_cycles
    seen = []

    async def access(ctx, write, data=0):
        ctx.set(registers.request.payload, {"address": ADDRESS["PULSE"], "write": write, "data": data})
        ctx.set(registers.request.valid, 1)
        await ctx.tick().until(registers.request.ready)
        ctx.set(registers.request.valid, 0)
        answer, *_ = await ctx.tick().sample(registers.response.payload.data).until(registers.response.valid)
        return answer

    async def bench(ctx):
        ctx.set(registers.image.ready, 1)
        ctx.set(registers.response.ready, 1)
        for width in (0, 1, most - 1, most, most + 1, most + 2, 0xFFFF):
            await access(ctx, 1, width)
            level, answer = ctx.get(registers.field("PULSE")), await access(ctx, 0)
            seen.append((width, level, answer))

    simulator = Simulator(registers)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    for width, level, read in seen:
        assert level == max(1, min(width, too_wide(TINY)))
        assert read == width
