"""The bench of blocks finds what blocks do wrong: each fault here is planted."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sim.simulation import Case, Event, Simulation, SimulationError
from spec.params import INSTANCES

BITS = 8
ITEMS = [3, 200, 0, 77, 255]
WAITS = {"gaps": {"i": [0, 2]}, "stalls": {"o": [0, 1, 3]}}


class Register(wiring.Component):
    """A stream through one register, with a planted fault by name."""

    def __init__(self, fault: str = ""):
        self.params = INSTANCES["TINY"]
        self.fault = fault
        items = stream.Signature(BITS)
        super().__init__(
            {"i": In(items), "o": Out(items), "add": In(BITS), "taken": Out(BITS), "start": In(1)}
        )

    def elaborate(self, platform):
        m = Module()
        moved = Signal()
        late = Signal.like(self.i.payload)
        payload = late if self.fault == "late" else self.i.payload
        m.d.comb += [self.i.ready.eq(~self.o.valid | self.o.ready), moved.eq(self.i.valid & self.i.ready)]
        m.d.sync += late.eq(self.i.payload)
        with m.If(self.o.ready | (self.fault == "impatient")):
            m.d.sync += self.o.valid.eq(self.fault == "extra")
        with m.If(moved):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.eq(payload + self.add),
                self.taken.eq(self.taken + 1),
            ]
        if self.fault == "unsteady":
            with m.If(self.o.valid & ~self.o.ready):
                m.d.sync += self.o.payload.eq(self.o.payload + 1)
        if self.fault == "stuck":
            with m.If(self.taken == 2):
                m.d.comb += self.i.ready.eq(0)
        return m


def play(fault: str, simulator: str, **waits):
    events = {"moved": Event(("i__valid", "i__ready"), ("i__payload", "taken"))}
    with Simulation(Register(fault), f"register_{fault or 'good'}", simulator, events) as simulation:
        case = Case({"i": ITEMS}, {"add": 5}, **waits)
        return simulation.play(case, {"o": len(ITEMS)}, ["taken"])


SUMS = [(item + 5) % 256 for item in ITEMS]


def test_a_good_block(simulator):
    outcome = play("", simulator, **WAITS)
    assert not outcome.error
    assert outcome.outputs == {"o": SUMS, "moved": [[item, k] for k, item in enumerate(ITEMS)]}
    assert outcome.levels == {"taken": len(ITEMS)}
    assert all(out > into for into, out in zip(outcome.cycles["i"], outcome.cycles["o"], strict=True))


def test_cycles_tell_throughput(simulator):
    cycles = play("", simulator).cycles
    assert cycles["o"] == [cycle + 1 for cycle in cycles["i"]]
    assert cycles["i"] == list(range(cycles["i"][0], cycles["i"][0] + len(ITEMS)))


def test_a_payload_read_one_cycle_late_is_wrong(simulator):
    outcome = play("late", simulator, **WAITS)
    assert not outcome.error
    assert outcome.outputs["o"] != SUMS


def test_an_unsteady_payload_is_an_error(simulator):
    assert (
        "item 1 changed from 0xcd to 0xce before it was taken" in play("unsteady", simulator, **WAITS).error
    )


def test_a_valid_that_does_not_wait_is_an_error(simulator):
    assert "o: valid fell before item 1 was taken" in play("impatient", simulator, **WAITS).error


def test_one_item_too_many_is_seen(simulator):
    assert len(play("extra", simulator).outputs["o"]) > len(ITEMS)


def test_a_block_that_stops_is_given_up(simulator):
    outcome = play("stuck", simulator)
    assert outcome.outputs["o"] == SUMS[:2]


def test_setup_comes_before_the_streams(simulator):
    with Simulation(Register(), "register_good", simulator) as simulation:
        setup = [("send", "i", [1, 2]), ("pulse", "start", 1), ("wait", "taken", 2)]
        outcome = simulation.play(Case({"i": [3]}, setup=setup), {"o": 3})
        assert outcome.outputs["o"] == [1, 2, 3]
        outcome = simulation.play(Case({"i": [3]}, setup=[("wait", "taken", 1)]), {"o": 1})
        assert "setup: waiting for taken = 1 did not end" in outcome.error


def test_an_input_may_wait_for_an_output(simulator):
    with Simulation(Register(), "register_good", simulator) as simulation:
        case = Case({"i": [1, 2, 3]}, after={"i": {"o": 1}})
        assert simulation.play(case, {"o": 3}).outputs["o"] == []


def test_a_design_that_does_not_build_is_reported(simulator, monkeypatch):
    simulation = Simulation(Register(), "register_broken", simulator)
    simulation.source.write_text("module register_broken(; endmodule\n")
    with pytest.raises(SimulationError, match=r"register_broken on .*simulation\.log"), simulation:
        pass
