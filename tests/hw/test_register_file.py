"""What the bench of all blocks does not say of the register file: its ports by name, and its time."""

import pytest
from amaranth.hdl import Fragment

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
