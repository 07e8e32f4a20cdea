"""Each rule of the write lines, broken on purpose: the golden gate names the cause, and the RTL equals it."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from hw.pulse_gate import PulseGate
from model.controller.pulse_gate import Lines
from sim.cases.pulses import GatePlayer, gate_pins, golden_pulse_gate
from sim.payloads import difference
from sim.pulse_harness import PinsHarness
from sim.simulation import Case, Simulation
from spec.params import INSTANCES
from spec.registers import NEVER, Fault

P = replace(INSTANCES["TINY"], name="SHORT", verify=1, watchdog_cycles=256, pulse_max_cycles=6)
WIDTH, GUARD = 3, 2
UP, DOWN = Lines(row=2, up=0b101, down=0b010, amplitude=9), Lines(row=4, up=0b100, down=0b001, amplitude=9)


def player(**levels: int) -> GatePlayer:
    """A gate in a run of these levels, its array never late."""
    gate = GatePlayer(P, Random(1))
    gate.guard = GUARD
    gate.base = gate.base._replace(width_limit=WIDTH, guard=GUARD, strobe_cap=NEVER, count_cap=9)
    gate.cycle(run_start=1)
    gate.base = gate.base._replace(run_active=1, **levels)
    return gate


def transfer() -> GatePlayer:
    return player(transferring=1)


def training(reads: int = 1, windows: int = 1) -> GatePlayer:
    gate = player(training=1)
    for _ in range(reads):
        gate.read()
    for _ in range(windows):
        gate.cycle(window_open=1)
    return gate


def pulse(
    gate: GatePlayer, lines: Lines, *, before: int = GUARD, width: int = WIDTH, **inputs: int
) -> GatePlayer:
    gate.settle()
    gate.cycle(before, lines=lines)
    gate.cycle(width, lines=lines, strobe=1, **inputs)
    gate.cycle(GUARD, lines=lines)
    return gate


def pulses(gate: GatePlayer, *lines: Lines, **inputs: int) -> GatePlayer:
    for one in lines:
        pulse(gate, one, **inputs)
    return gate


def then(gate: GatePlayer, *steps: dict) -> GatePlayer:
    for step in steps:
        gate.cycle(**step)
    return gate


def planes(gate: GatePlayer, count: int) -> GatePlayer:
    """Further bit planes of the last read."""
    for _ in range(count):
        gate.cycle(integrate_request=1, integrate_continues=1)
        gate.cycle()
        gate.settle()
    return gate


def changed(gate: GatePlayer) -> GatePlayer:
    """The lines change within a strobe."""
    gate.cycle(GUARD, lines=UP)
    return then(gate, {"lines": UP, "strobe": 1}, {"lines": DOWN, "strobe": 1})


def capped(gate: GatePlayer, **caps: int) -> GatePlayer:
    gate.base = gate.base._replace(**caps)
    return gate


def late(gate: GatePlayer) -> GatePlayer:
    """The array is not ready for one cycle more than it may."""
    gate.busy = P.watchdog_cycles + 1
    gate.cycle(P.watchdog_cycles + 2)
    return gate


def aborted() -> GatePlayer:
    gate = transfer()
    gate.cycle(GUARD, lines=UP)
    return then(gate, {"lines": UP, "strobe": 1}, {"lines": UP, "strobe": 1, "abort": 1}, {"lines": UP})


def verifying() -> GatePlayer:
    return player(verifying=1)


def tuning(reads: int = 1, windows: int = 1) -> GatePlayer:
    gate = player(tuning=1)
    for _ in range(reads):
        gate.read()
    for _ in range(windows):
        gate.cycle(window_open=1)
    return gate


def read_out(gate: GatePlayer) -> GatePlayer:
    gate.read_out()
    return gate


PLUS, MINUS = Lines(row=2, up=0b100, amplitude=9), Lines(row=2, down=0b100, depress=1, amplitude=9)
NEXT = Lines(row=2, up=0b1000, amplitude=9)


LEGAL: dict[str, tuple[Callable[[], GatePlayer], int]] = {
    "rows of a window": (lambda: pulses(training(), UP, DOWN), 2),
    "a row in two windows": (lambda: pulses(then(pulse(training(2), UP), {"window_open": 1}), UP, DOWN), 3),
    "a row often in transfer": (lambda: pulses(transfer(), UP, UP, UP, DOWN), 4),
    "depression in transfer": (lambda: pulses(transfer(), UP._replace(depress=1), DOWN), 2),
    "a read after strobes": (
        lambda: then(pulse(training(2), UP), {}, {}, {}, {}, {"integrate_request": 1}),
        1,
    ),
    "strobes after a read of three planes": (lambda: pulses(planes(training(), 2), UP, DOWN), 2),
    "a shorter pulse": (lambda: pulse(transfer(), UP, width=1), 1),
    "devices of a pair in verify": (lambda: pulses(read_out(verifying()), PLUS, MINUS, PLUS, NEXT), 4),
    "the last strobe of a pair": (
        lambda: pulses(capped(verifying(), count_cap=2), PLUS, MINUS, NEXT, NEXT),
        4,
    ),
    "a readout between strobes": (lambda: pulses(read_out(pulse(tuning(), PLUS)), PLUS, NEXT), 3),
    "a pair in two windows": (
        lambda: pulses(then(pulse(tuning(2), NEXT), {"window_open": 1}), PLUS, NEXT),
        3,
    ),
    "a readout outside a run": (lambda: read_out(capped(player(), run_active=0)), 0),
    "the last strobe of a row": (lambda: pulses(capped(transfer(), count_cap=2), UP, UP, DOWN), 3),
}
"""Scenarios without a fault, and their strobes."""

BROKEN: dict[str, tuple[Callable[[], GatePlayer], Fault, int]] = {
    "up and down": (lambda: pulse(transfer(), UP._replace(down=0b100)), Fault.UP_AND_DOWN, 0),
    "strobe right after integrate": (
        lambda: then(
            training(),
            {"lines": UP},
            {"lines": UP},
            {"integrate_request": 1, "lines": UP},
            {"lines": UP, "strobe": 1},
        ),
        Fault.BUSY_ARRAY,
        0,
    ),
    "strobe while converting": (lambda: pulse(transfer(), UP, converting=1), Fault.BUSY_ARRAY, 0),
    "integrate in a strobe": (lambda: pulse(transfer(), UP, integrate_request=1), Fault.BUSY_ARRAY, 0),
    "integrate in a guard": (
        lambda: then(pulse(transfer(), UP), {"integrate_request": 1}),
        Fault.BUSY_ARRAY,
        1,
    ),
    "a bit plane after a strobe": (
        lambda: then(
            pulse(training(2), UP), {}, {}, {}, {}, {"integrate_request": 1, "integrate_continues": 1}
        ),
        Fault.REPEAT,
        1,
    ),
    "erase in a run": (lambda: then(transfer(), {"erase_request": 1}), Fault.BUSY_ARRAY, 0),
    "two operations": (
        lambda: then(player(), {"integrate_request": 1, "erase_request": 1}),
        Fault.BUSY_ARRAY,
        0,
    ),
    "a long strobe": (lambda: pulse(transfer(), UP, width=WIDTH + 1), Fault.WIDTH, 1),
    "a row twice in a window": (lambda: pulses(training(), UP, UP), Fault.REPEAT, 1),
    "a row out of order": (lambda: pulses(training(), DOWN, UP), Fault.REPEAT, 1),
    "no window": (lambda: pulse(training(windows=0), UP), Fault.REPEAT, 0),
    "a window without a read": (lambda: training(1, windows=2), Fault.REPEAT, 0),
    "a window for a read too many": (
        lambda: training(P.commit_depth + 1, P.commit_depth + 1),
        Fault.REPEAT,
        0,
    ),
    "a window from before a read": (
        lambda: pulses(then(training(2), {"integrate_request": 1}), UP),
        Fault.REPEAT,
        0,
    ),
    "depression in training": (lambda: pulse(training(), UP._replace(depress=1)), Fault.REPEAT, 0),
    "rows fall in transfer": (lambda: pulses(transfer(), DOWN, UP), Fault.REPEAT, 1),
    "outside a run": (lambda: pulse(player(), UP), Fault.REPEAT, 0),
    "a row too often": (lambda: pulses(capped(transfer(), count_cap=2), UP, UP, UP), Fault.COUNT_CAP, 2),
    "the last strobe of a run": (
        lambda: pulses(capped(transfer(), strobe_cap=2), UP, DOWN),
        Fault.STROBE_CAP,
        2,
    ),
    "no strobe allowed": (lambda: pulse(capped(transfer(), strobe_cap=0), UP), Fault.STROBE_CAP, 0),
    "lines too young": (lambda: pulse(transfer(), UP, before=GUARD - 1), Fault.GUARD, 0),
    "lines change in a strobe": (lambda: changed(transfer()), Fault.GUARD, 1),
    "strobe in a guard": (lambda: then(pulse(transfer(), UP), {"lines": UP, "strobe": 1}), Fault.GUARD, 1),
    "two devices in verify": (lambda: pulse(verifying(), PLUS._replace(down=0b1)), Fault.DEVICES, 0),
    "no device in tune": (lambda: pulse(tuning(), PLUS._replace(up=0)), Fault.DEVICES, 0),
    "a pair too often": (
        lambda: pulses(capped(verifying(), count_cap=2), PLUS, MINUS, PLUS),
        Fault.COUNT_CAP,
        2,
    ),
    "pairs fall": (lambda: pulses(verifying(), NEXT, PLUS), Fault.REPEAT, 1),
    "tuning without a window": (lambda: pulse(tuning(windows=0), PLUS), Fault.REPEAT, 0),
    "a readout in training": (lambda: read_out(training()), Fault.READOUT, 0),
    "a readout in a transfer": (lambda: read_out(transfer()), Fault.READOUT, 0),
    "a readout in an inference": (lambda: read_out(player()), Fault.READOUT, 0),
    "a readout while converting": (
        lambda: then(verifying(), {"readout_request": 1, "converting": 1}),
        Fault.BUSY_ARRAY,
        0,
    ),
    "a late array": (lambda: late(transfer()), Fault.WATCHDOG, 0),
    "an abort": (aborted, Fault.ABORT, 1),
}
"""Scenarios with the fault in which they end, and the strobes until then."""


def played(gate: GatePlayer) -> list[dict]:
    """The golden outputs of all cycles, and of one more."""
    gate.cycle()
    return golden_pulse_gate(P, Case({"i": [gate_pins(i, P.verify) for i in gate.inputs]}))[0]["o"]


def strobes(outputs: list[dict]) -> list[int]:
    """The width of each strobe."""
    levels = "".join(str(o["write__strobe"]) for o in outputs)
    return [len(part) for part in levels.split("0") if part]


@pytest.mark.parametrize("name", LEGAL)
def test_legal_requests_pass(name):
    scenario, count = LEGAL[name]
    gate = scenario()
    outputs = played(gate)
    assert not any(o["fault"] for o in outputs)
    assert len(strobes(outputs)) == count
    asked = [i.strobe for i in gate.inputs]
    assert [o["write__strobe"] for o in outputs] == [0] * PulseGate.LATENCY + asked[: -PulseGate.LATENCY]
    reads = [i.integrate_request for i in gate.inputs]
    assert [o["integrate"] for o in outputs] == [0] * PulseGate.LATENCY + reads[: -PulseGate.LATENCY]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rules_are_faults(name):
    scenario, cause, count = BROKEN[name]
    outputs = played(scenario())
    assert outputs[-1]["fault"] >> cause & 1
    assert len(strobes(outputs)) == count
    assert all(width <= WIDTH for width in strobes(outputs))


def test_every_cause_is_provoked():
    assert {cause for _, cause, _ in BROKEN.values()} == set(Fault)


def test_an_abort_ends_a_strobe_in_the_next_cycle():
    outputs = played(aborted())
    assert strobes(outputs) == [2 - PulseGate.LATENCY]


def test_a_fault_blocks_until_it_is_cleared_outside_a_run():
    gate = pulse(transfer(), UP, width=WIDTH + 1)
    then(gate, {"clear_fault": 1}, {})
    assert gate.state.fault == 1 << Fault.WIDTH
    before = len(gate.inputs)
    pulses(gate, UP, DOWN)
    assert strobes(played(gate)[before:]) == []
    gate.base = gate.base._replace(run_active=0, transferring=0)
    then(gate, {"clear_fault": 1}, {"run_start": 1})
    gate.base = gate.base._replace(run_active=1, transferring=1)
    before = len(gate.inputs)
    pulse(gate, UP)
    assert strobes(played(gate)[before:]) == [WIDTH]


def test_the_width_has_a_limit_that_no_register_moves():
    gate = capped(transfer(), width_limit=NEVER & 0xFFFF)
    assert strobes(played(pulse(gate, UP, width=P.pulse_max_cycles + 1))) == [P.pulse_max_cycles]


def test_rtl_equals_the_golden_gate(simulator):
    with Simulation(PinsHarness(PulseGate(P)), "pulse_gate", simulator) as simulation:
        for name, (scenario, *_) in (LEGAL | BROKEN).items():
            gate = scenario()
            expected = played(gate)
            case = Case({"i": [gate_pins(inputs, P.verify) for inputs in gate.inputs]})
            outcome = simulation.play(case, {"o": len(expected)})
            assert not outcome.error
            for cycle, (value, got) in enumerate(zip(expected, outcome.outputs["o"], strict=True)):
                found = difference(value, got)
                assert not found, f"{name}: cycle {cycle}: {found}"
