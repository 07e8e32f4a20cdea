"""Cases for the blocks before the write lines."""

from collections.abc import Iterable
from random import Random
from typing import Any

import numpy as np

from hw.interfaces import AMPLITUDE_BITS, pulse_bits
from hw.pulse_gate import COUNT_CAP_BITS, LINES, STROBE_CAP_BITS
from model.controller.pulse_driver import pulse_driver
from model.controller.pulse_gate import (
    ALONE,
    RUNS,
    WINDOWED,
    GateState,
    Inputs,
    Lines,
    array_free,
    lines_free,
    pulse_gate,
)
from model.controller.pulse_route import pulse_route
from sim.cases import Outputs, Pick
from sim.simulation import Case, Event
from spec.grid import tiles
from spec.params import HwParams

SEEDS = 1 << 16

# -- pulse_driver ----------------------------------------------------------------------------------

DRIVEN = ("row", "up", "down", "depress", "strobe")
PULSE_DRIVER_EVENTS = {
    "lines": Event(("busy",), tuple(f"request__{name}" for name in (*DRIVEN, "amplitude")))
}


def draw_pulse_driver(p: HwParams, pick: Pick) -> Case:
    masks = (1 << p.columns) - 1
    operations = [
        {"row": pick(0, p.rows - 1), "up": pick(0, masks), "down": pick(0, masks), "depress": pick(0, 1)}
        for _ in range(pick(1, 6))
    ]
    amplitude = pick(0, (1 << AMPLITUDE_BITS) - 1)
    config = {"width": pick(0, 12), "guard": pick(0, 4), "amplitude": amplitude, "array_ready": 1}
    return Case({"i": operations}, config)


def golden_pulse_driver(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    c = case.config
    operations = [(o["row"], o["up"], o["down"], o["depress"]) for o in case.inputs["i"]]
    lines = pulse_driver(operations, c["width"], c["guard"], p.guard_min_cycles)
    return {"lines": [[*cycle, c["amplitude"]] for cycle in lines]}, {
        "busy": 0,
        "request__up": 0,
        "request__down": 0,
    }


# -- pulse_gate ------------------------------------------------------------------------------------


LEVELS = ("integrate_request", "integrate_continues", "erase_request", "converting", "training", "transferring", "run_active", "run_start",
          "window_open", "abort", "clear_fault")  # fmt: skip
VERIFY_LEVELS = ("verifying", "tuning", "readout_request")
"""Inputs of a gate with the parameter `verify`."""


class GatePlayer:
    """Plays runs to the golden gate, as sequencer, driver and array would, and keeps the inputs of every cycle.

    noise: one cycle in that many has a wrong input; 0 for none.
    """

    def __init__(self, p: HwParams, rng: Random, noise: int = 0):
        self.p, self.rng, self.noise = p, rng, noise
        self.state, self.busy = GateState(), 0
        self.inputs: list[Inputs] = []
        self.base = Inputs(
            width_limit=rng.choice((0, 1, 3, 5, (1 << pulse_bits(p)) - 1)),
            guard=rng.choice((0, 1, 2, 4)),
            strobe_cap=rng.choice((rng.randrange(6), *3 * ((1 << STROBE_CAP_BITS) - 1,))),
            count_cap=rng.choice((rng.randrange(4), *3 * ((1 << COUNT_CAP_BITS) - 1,))),
        )
        self.guard = max(self.base.guard, p.guard_min_cycles)

    def cycle(self, count: int = 1, **inputs) -> None:
        """One cycle, or `count`, with these inputs beside the constant ones; what the array does follows."""
        for _ in range(count):
            now = self.base._replace(array_ready=int(self.busy == 0), **inputs)
            if self.noise and self.rng.randrange(self.noise) == 0:
                now = self._spoilt(now)
            state = self.state
            started = state.integrate or state.erase or state.readout or state.strobe
            self.busy = self.rng.randrange(1, 4) if started else max(self.busy - 1, 0)
            self.inputs.append(now)
            self.state = pulse_gate(self.p, self.state, now)

    def lines(self) -> Lines:
        up, down = self.rng.getrandbits(self.p.columns), self.rng.getrandbits(self.p.columns)
        return Lines(0, up & ~down, down & ~up, 0, self.rng.getrandbits(AMPLITUDE_BITS))

    def _any_lines(self) -> Lines:
        bits = (self.p.columns, self.p.columns, 1, AMPLITUDE_BITS)
        return Lines(self.rng.randrange(self.p.rows), *map(self.rng.getrandbits, bits))

    def _spoilt(self, now: Inputs) -> Inputs:
        """One input changed."""
        name = self.rng.choice([name for name in Inputs._fields if name in self.levels(Inputs._fields)])
        value: Any = self.rng.getrandbits(1)
        if name == "lines":
            member = self.rng.choice(Lines._fields)
            value = now.lines._replace(**{member: getattr(self.lines(), member)})
            value = self.rng.choice(
                (value, value._replace(row=self.rng.randrange(self.p.rows)), self._any_lines())
            )
        elif name in ("width_limit", "guard", "strobe_cap", "count_cap"):
            value = self.rng.randrange(6)
        return now._replace(**{name: value})

    def levels(self, names: Iterable[str]) -> list[str]:
        """Those of the names that the gate has."""
        return [name for name in names if self.p.verify or name not in VERIFY_LEVELS]

    def settle(self) -> None:
        """Wait until the array may be started, for a while."""
        for _ in range(2 * self.guard + 6):
            if lines_free(self.state, self.base) and self.busy == 0 and array_free(self.state, self.base):
                return
            self.cycle()

    def read(self, planes: int = 1) -> None:
        for plane in range(planes):
            self.settle()
            self.cycle(integrate_request=1, integrate_continues=int(plane != 0))
            self.cycle()
            self.settle()
            self.cycle(self.rng.randrange(1, 4), converting=1)

    def pulse(self, lines: Lines) -> None:
        self.settle()
        width = self.rng.randrange(1, 5) if self.noise else min(max(self.base.width_limit, 1), 5)
        self.cycle(self.guard, lines=lines)
        self.cycle(width, lines=lines, strobe=1)
        self.cycle(self.guard, lines=lines)

    def read_out(self) -> None:
        self.settle()
        self.cycle(readout_request=1)
        self.cycle()

    def pairs(self, rows: list[int]) -> None:
        """Pulses of single devices, some of them again, with readouts between them; mostly in order."""
        pairs = [(row, 1 << self.rng.randrange(self.p.columns)) for row in rows]
        for row, pair in sorted(pairs) if self.rng.randrange(4) else pairs:
            for _ in range(self.rng.randrange(1, 4)):
                self.read_out()
                minus, depress = self.rng.getrandbits(1), self.rng.getrandbits(1)
                self.pulse(Lines(row, 0 if minus else pair, pair if minus else 0, depress))

    def chaos(self) -> None:
        """Cycles in which nothing is related to anything, but for lines that stand now and then."""
        lines = self._any_lines()
        for _ in range(self.rng.randrange(10, 40)):
            if self.rng.randrange(4) == 0:
                lines = self._any_lines()
            names = self.levels((*LEVELS, *VERIFY_LEVELS))
            levels = {name: int(self.rng.randrange(6) == 0) for name in names}
            self.cycle(lines=lines, strobe=self.rng.getrandbits(1), **levels)

    def run(self) -> None:
        """One run, and what the host does about a fault."""
        mode = self.rng.choice(self.levels(RUNS))
        levels: dict[str, Any] = {"run_active": 1, mode: 1}
        self.cycle(run_start=1)
        self.base = self.base._replace(**levels)
        for _ in range(self.rng.randrange(1, 4)):
            if mode in WINDOWED:
                self.read(planes=self.rng.choice((1, 1, 3)))
                self.cycle(window_open=1)
            rows = [self.rng.randrange(self.p.rows) for _ in range(self.rng.randrange(4))]
            if mode in ALONE:
                self.pairs(rows)
            else:
                for row in sorted(set(rows)) if mode == "training" else rows:
                    self.pulse(self.lines()._replace(row=row))
        idle: dict[str, Any] = dict.fromkeys(("run_active", *RUNS), 0)
        self.base = self.base._replace(**idle)
        self.settle()
        self.cycle(erase_request=1)
        self.cycle(2, clear_fault=1)


def draw_pulse_gate(p: HwParams, pick: Pick) -> Case:
    player = GatePlayer(p, Random(pick(0, SEEDS)), noise=pick(0, 3) * 20)
    for _ in range(pick(1, 3)):
        player.run()
        if player.noise:
            player.chaos()
            player.cycle(2, clear_fault=1)
    return Case({"i": [gate_pins(inputs, p.verify) for inputs in player.inputs]})


def gate_pins(inputs: Inputs, verify: int = 0) -> dict[str, int]:
    """The pins of the gate for one cycle's inputs; verify: the parameter."""
    missing = ("lines", "strobe") if verify else ("lines", "strobe", *VERIFY_LEVELS)
    pins = {name: value for name, value in inputs._asdict().items() if name not in missing}
    return (
        pins
        | {f"request__{name}": getattr(inputs.lines, name) for name in LINES}
        | {"request__strobe": inputs.strobe}
    )


def golden_pulse_gate(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    state, out = GateState(), []
    for pins in case.inputs["i"]:
        lines = Lines(*(pins[f"request__{name}"] for name in LINES))
        rest = {name: pins[name] for name in Inputs._fields if name in pins}
        inputs = Inputs(lines=lines, strobe=pins["request__strobe"], **rest)
        out.append(
            {f"write__{name}": getattr(state.lines, name) for name in LINES}
            | {"write__strobe": state.strobe, "integrate": state.integrate, "erase": state.erase}
            | {"fault": state.fault, "array_free": int(array_free(state, inputs))}
            | {"strobe_active": int(not lines_free(state, inputs))}
            | ({"readout": state.readout} if p.verify else {})
        )
        state = pulse_gate(p, state, inputs)
    return {"o": out}, {}


# -- pulse_route -----------------------------------------------------------------------------------


def draw_pulse_route(p: HwParams, pick: Pick) -> Case:
    masks = (1 << p.columns) - 1
    ranges = {
        "row": p.rows - 1,
        "up": masks,
        "down": masks,
        "depress": 1,
        "amplitude": (1 << AMPLITUDE_BITS) - 1,
    }
    items = []
    for _ in range(pick(1, 8)):
        lines = {name: pick(0, high) for name, high in ranges.items()} | {"strobe": pick(0, 1)}
        few = pick(0, masks) if pick(0, 1) else masks  # so that some macros have no selected cell
        items.append(lines | {"up": lines["up"] & few, "down": lines["down"] & few})
    return Case({"i": [{f"write__{name}": value for name, value in item.items()} for item in items]})


def golden_pulse_route(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = []
    for pins in case.inputs["i"]:
        item: dict[str, int] = {}
        for tile in tiles(p):
            own = {name: pins[f"write__{name}"] for name in ("depress", "amplitude")}
            row, masks = pins["write__row"], []
            for name in ("up", "down"):
                bits = [pins[f"write__{name}"] >> c & 1 for c in range(tile.columns.start, tile.columns.stop)]
                masks.append(np.array(bits, np.uint8))
            there = tile.rows.start <= row < tile.rows.stop
            selected = pulse_route(row, *masks, tile.first_row, tile.params.rows)
            own["row"] = row - tile.first_row if there else 0
            own["up"], own["down"] = (sum(int(b) << k for k, b in enumerate(mask)) * there for mask in masks)
            own["strobe"] = int(pins["write__strobe"] and selected)
            item |= {f"{tile.name}__{name}": value for name, value in own.items()}
        out.append(item)
    return {"o": out}, {}
