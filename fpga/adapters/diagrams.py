"""Timing diagrams of docs/adapters.md, drawn from a simulation of the adapter."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.sim import Simulator

from fpga.adapters.converter_adapter import ConverterAdapter
from sim import timing_diagram
from sim.timing_diagram import Change, Row
from spec.converter_parts import PARTS
from spec.params import HwParams

CLOCK_HZ = 100e6
PARAMS = HwParams(
    name="DRAWN",
    rows=4,
    columns=2,
    dac_bits=2,
    dac_load_lanes=4,
    adc_channels=1,
    update_columns=2,
    macs=4,
    macro_lanes=2,
    guard_min_cycles=4,
)
CODES, AMPLITUDE = 0b11_00_10_01, 0xA5
SUM_CODE = 0b1010_0110_0011
INTEGRATE_CYCLES, STROBE_CYCLES = 12, 8

GIVEN = ("dac_valid", "write.up", "write.strobe", "adc_sdata")
"""What does not come from the adapter."""

Trace = dict[str, list[int]]


@dataclass(frozen=True)
class Diagram:
    """Some lines for a part of the simulation: `cycles` from the cycle that `starts` finds on."""

    name: str
    title: str
    lines: tuple[str, ...]
    starts: Callable[[Trace], int]
    cycles: int
    grid: int
    """Cycles from line to line."""


def _change(trace: Trace, name: str, level: int, number: int = 0) -> int:
    """Cycle of a change of a line to a level."""
    line = trace[name]
    return [k for k in range(1, len(line)) if line[k] == level != line[k - 1]][number]


DIAGRAMS = (
    Diagram(
        "dac", "A frame to a DAC: the code of a row into its input register",
        ("dac_valid", "dac_ready", "dac_sync_n", "dac_sclk", "dac_din"),
        lambda trace: _change(trace, "dac_valid", 1) - 6, 152, 8,
    ),
    Diagram(
        "read", "Integration and the first conversion: the rows' outputs have settled",
        ("ready", "discharge", "integrate", "mux", "adc_cs_n", "adc_sclk", "adc_sdata"),
        lambda trace: _change(trace, "integrate", 1) - 6, 184, 8,
    ),
    Diagram(
        "select", "Select lines: the port's lines change, `ready` falls until the board has them",
        ("write.up", "ready", "sr_ser", "sr_srclk", "sr_rclk", "sr_oe_n"),
        lambda trace: _change(trace, "write.up", 1) - 6, 160, 8,
    ),
    Diagram(
        "strobe", "A pulse: the strobe of the port, one cycle later on the pin",
        ("write.up", "ready", "write.strobe", "sr_oe_n", "strobe"),
        lambda trace: _change(trace, "write.strobe", 1) - 12, 36, 2,
    ),
)  # fmt: skip


def simulate() -> Trace:
    """Levels of the lines in each cycle of a load, a read and a pulse."""
    dut = ConverterAdapter(PARAMS, CLOCK_HZ, PARTS)
    port, pins = dut.port, dut.pins
    seen = {name: getattr(pins, name) for name in pins.signature.members}
    seen |= {"ready": port.ready, "dac_valid": port.dac_valid, "dac_ready": port.dac_ready}
    seen |= {"write.up": port.write.up, "write.strobe": port.write.strobe}
    trace: Trace = {name: [] for name in seen}

    async def record(ctx):
        while True:
            for name, signal in seen.items():
                trace[name].append(ctx.get(signal))
            await ctx.tick()

    async def answer(ctx):
        """The ADC: a bit after each falling edge of its clock, and the first one after that of CS."""
        edges, before = 0, 1
        while True:
            sclk = ctx.get(pins.adc_sclk)
            edges = 0 if ctx.get(pins.adc_cs_n) else edges + (before > sclk)
            before = sclk
            place = PARTS.adc.clocks - 1 - edges
            ctx.set(pins.adc_sdata, SUM_CODE >> place & 1 if place >= 0 else 0)
            await ctx.tick()

    async def operate(ctx):
        await _operate(ctx, port)

    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(operate)
    simulator.add_testbench(answer, background=True)
    simulator.add_testbench(record, background=True)  # the last: it sees what the others have set
    simulator.run()
    return trace


async def _operate(ctx, port) -> None:
    await ctx.tick().repeat(300)  # the DACs are reset
    ctx.set(port.dac_codes.as_value(), CODES)
    ctx.set(port.dac_valid, 1)
    await ctx.tick()
    ctx.set(port.dac_valid, 0)
    await ctx.tick().until(port.dac_ready)
    ctx.set(port.integrate_cycles, INTEGRATE_CYCLES)
    ctx.set(port.integrate, 1)
    await ctx.tick()
    ctx.set(port.integrate, 0)
    await ctx.tick().until(port.ready)
    await ctx.tick().repeat(20)
    for name, value in {"row": 1, "up": 1, "amplitude": AMPLITUDE}.items():
        ctx.set(getattr(port.write, name), value)
    await ctx.tick().until(port.ready)
    await ctx.tick().repeat(PARAMS.guard_min_cycles)
    ctx.set(port.write.strobe, 1)
    await ctx.tick().repeat(STROBE_CYCLES)
    ctx.set(port.write.strobe, 0)
    await ctx.tick().repeat(PARAMS.guard_min_cycles)
    ctx.set(port.write.up, 0)
    await ctx.tick().repeat(30)


def draw(diagram: Diagram, trace: Trace) -> str:
    """The diagram as SVG."""
    first = max(0, diagram.starts(trace))
    rows = [Row(name, _wave(trace[name]), given=name in GIVEN) for name in diagram.lines]
    return timing_diagram.draw(diagram.title, rows, range(first, first + diagram.cycles + 1, diagram.grid))


def _wave(levels: list[int]) -> list[Change]:
    """A line that is 1 where the levels are not 0; time is in cycles."""
    return [
        Change(cycle, int(bool(level)))
        for cycle, level in enumerate(levels)
        if cycle == 0 or bool(level) != bool(levels[cycle - 1])
    ]


def diagrams() -> dict[str, str]:
    """Each diagram's name, and its text."""
    trace = simulate()
    return {diagram.name: draw(diagram, trace) for diagram in DIAGRAMS}
