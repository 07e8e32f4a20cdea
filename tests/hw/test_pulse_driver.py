"""The driver's slots, and what reaches the array through the gate."""

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.interfaces import AMPLITUDE_BITS, Operation, WriteLines
from hw.pulse_driver import GUARD_BITS, PulseDriver
from hw.pulse_gate import PulseGate
from model.controller.pulse_driver import Lines, pulse_driver, slot_cycles
from sim.simulation import Case, Simulation
from spec.params import INSTANCES
from spec.registers import NEVER, Fault

P = INSTANCES["TINY"]
OPERATIONS = [(1, 0b001010, 0b100000, 0), (1, 0b001000, 0b000001, 1), (3, 0b111111, 0, 0)]
PAYLOADS = [dict(zip(("row", "up", "down", "depress"), o, strict=True)) for o in OPERATIONS]
JUNK = {"row": 8, "up": 0b010101, "down": 0b101010, "depress": 1}
CYCLES = 80


def test_golden_timeline():
    one = (2, 0b1, 0b10, 0)
    quiet, pulse = Lines(*one, 0), Lines(*one, 1)
    assert pulse_driver([one], width=3, guard=2) == [quiet] * 2 + [pulse] * 3 + [quiet] * 2
    assert pulse_driver([one, one], 0, 0) == 2 * [quiet, pulse, quiet]
    assert pulse_driver([one], 0, 1, guard_min=2) == [quiet] * 2 + [pulse] + [quiet] * 2
    assert pulse_driver([], 3, 2) == []


def test_slots_follow_each_other_without_a_gap(simulator):
    with Simulation(PulseDriver(P), "pulse_driver", simulator) as simulation:
        for width, guard in ((0, 0), (1, 1), (5, 1), (2, 3), (300, 0), (1, (1 << GUARD_BITS) - 1)):
            config = {"width": width, "guard": guard, "amplitude": 7, "array_ready": 1}
            outcome = simulation.play(Case({"i": PAYLOADS}, config), {})
            assert not outcome.error
            first, *_, last = outcome.cycles["i"]
            assert last - first == (len(PAYLOADS) - 1) * slot_cycles(width, guard, P.guard_min_cycles)


class WritePath(wiring.Component):
    """Driver and gate in a transfer run, before an array that is ready `release` cycles after a strobe fell.

    1 is the cycle of the fall, so the least that MacroPort allows, but behind strobes of one cycle: there it is 2.
    """

    def __init__(self, width: int, guard: int, release: int):
        self.width, self.guard, self.release = width, guard, release
        ports = {
            "amplitude": In(AMPLITUDE_BITS),
            "abort": In(1),
            "write": Out(WriteLines(P)),
            "waiting": Out(1),
        }
        super().__init__(
            {"i": In(stream.Signature(Operation(P))), "busy": Out(1), "fault": Out(len(Fault)), **ports}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.driver = driver = PulseDriver(P)
        m.submodules.gate = gate = PulseGate(P)
        wiring.connect(m, wiring.flipped(self.i), driver.i)
        wiring.connect(m, driver.request, gate.request)
        wiring.connect(m, gate.write, wiring.flipped(self.write))
        ready = self._array(m, gate.write.strobe)
        for signal, value in (
            (driver.width, self.width), (driver.guard, self.guard), (driver.amplitude, self.amplitude),
            (driver.array_ready, ready), (driver.abort, self.abort), (gate.array_ready, ready),
            (gate.width_limit, self.width), (gate.guard, self.guard), (gate.abort, self.abort),
            (gate.strobe_cap, NEVER), (gate.count_cap, P.rows), (gate.transferring, 1), (gate.run_active, 1),
            (self.busy, driver.busy), (self.waiting, driver.waiting), (self.fault, gate.fault),
        ):  # fmt: skip
            m.d.comb += signal.eq(value)
        return m

    def _array(self, m, strobe):
        working, strobed, fresh, low = Signal(), Signal(), Signal(), Signal(8)
        ready = ~working | (~strobe & ~fresh & (low >= self.release))
        m.d.sync += [
            strobed.eq(strobe),
            fresh.eq(strobe & ~strobed),
            working.eq(strobe | (working & ~ready)),
            low.eq(Mux(strobe, 1, low + 1)),
        ]
        return ready


def written(path: WritePath, abort_at: int | None = None) -> list[dict[str, int]]:
    """The array's pins while OPERATIONS are written, one dict per cycle, and what goes with them."""
    trace: list[dict[str, int]] = []
    pins = {name: getattr(path.write, name) for name in (*Lines._fields, "amplitude")}
    pins |= {name: getattr(path, name) for name in ("busy", "waiting", "fault")}

    async def bench(ctx):
        left = list(PAYLOADS)
        for cycle in range(CYCLES):
            ctx.set(path.amplitude, cycle)
            ctx.set(path.abort, cycle == abort_at)
            ctx.set(path.i.valid, bool(left))
            ctx.set(path.i.payload, left[0] if left else JUNK)
            trace.append({name: ctx.get(pin) for name, pin in pins.items()})
            if left and ctx.get(path.i.ready):
                left.pop(0)
            await ctx.tick()

    simulator = Simulator(path)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return trace


@pytest.mark.parametrize("release", [1, 2, 3, 9])
@pytest.mark.parametrize(("width", "guard"), [(1, 1), (1, 2), (5, 1), (2, 3)])
def test_lines_at_the_array(width, guard, release):
    trace = written(WritePath(width, guard, release))
    stretch = max(guard, release, 2 if width == 1 else 1) - guard
    expected = []
    for operation in OPERATIONS:
        lines = pulse_driver([operation], width, guard, P.guard_min_cycles)
        expected += lines + [lines[-1]] * stretch
    first = 1 + PulseGate.LATENCY
    seen = [Lines(*(pins[name] for name in Lines._fields)) for pins in trace]
    assert seen[first : first + len(expected)] == expected
    assert not any(pins["up"] | pins["down"] | pins["strobe"] for pins in trace[first + len(expected) :])
    assert not any(pins["fault"] for pins in trace)
    assert sum(pins["waiting"] for pins in trace) == stretch * (len(OPERATIONS) - 1)


def test_an_operation_keeps_the_amplitude_with_which_it_was_taken():
    width, guard = 2, 3
    trace = written(WritePath(width, guard, 1))
    taken = [k * slot_cycles(width, guard) for k in range(len(OPERATIONS))]
    assert [pins["amplitude"] for pins in trace if pins["strobe"]] == [t for t in taken for _ in range(width)]


def test_an_abort_drops_the_operation_at_once():
    width, guard = 5, 2
    at = guard + 3
    trace = written(WritePath(width, guard, 1), abort_at=at)
    assert trace[at]["strobe"] == trace[at]["busy"] == 1
    assert not any(pins["strobe"] for pins in trace[at + 1 :])
    assert not trace[at + 1]["busy"]
    held = [Lines(*(pins[name] for name in Lines._fields)) for pins in trace[at + 1 : at + 1 + guard]]
    assert held == [Lines(*OPERATIONS[0], 0)] * guard
    assert trace[-1]["fault"] == 1 << Fault.ABORT
