"""Strobes of the worked adapter come out as they are, at lines that the board has, or not at all; and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.sim import Simulator

from fpga.adapters.adapted_top import AdaptedTop
from fpga.adapters.converter_adapter import ConverterAdapter
from fpga.adapters.diagrams import CLOCK_HZ, DIAGRAMS, PARAMS, diagrams
from fpga.adapters.pulse_output import PulseOutput
from spec.converter_parts import PARTS
from spec.errors import InputError

LINES = {"row": 2, "up": 0b10, "down": 0b01, "depress": 1, "amplitude": 7}
SHIFT_CYCLES = 400
"""More than a selection takes."""


def play(operate) -> list[tuple[int, int, int]]:
    """(oe_n, strobe, ready) of each cycle while `operate` moves the write lines; the amplitude's DAC answers at once."""
    dut = PulseOutput(PARAMS, PARTS, CLOCK_HZ)
    seen = []

    async def drive(ctx):
        ctx.set(dut.open, 1)
        await operate(ctx, dut)
        await ctx.tick().repeat(4)

    async def answer(ctx):
        while True:
            ctx.set(dut.amplitude_set, ctx.get(dut.set_amplitude))
            await ctx.tick()

    async def watch(ctx):
        while True:
            seen.append(tuple(ctx.get(pin) for pin in (dut.oe_n, dut.strobe, dut.ready)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(drive)
    simulator.add_testbench(answer, background=True)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return seen


async def select(ctx, dut, **changed):
    for name, value in (LINES | changed).items():
        ctx.set(getattr(dut.write, name), value)
    await ctx.tick().repeat(SHIFT_CYCLES)


async def strobe(ctx, dut, cycles):
    ctx.set(dut.write.strobe, 1)
    await ctx.tick().repeat(cycles)
    ctx.set(dut.write.strobe, 0)
    await ctx.tick().repeat(5)


def widths(seen):
    """Of the pulses that came out."""
    found, width = [], 0
    for _, level, _ in [*seen, (1, 0, 1)]:
        if width and not level:
            found.append(width)
        width = width + 1 if level else 0
    return found


def test_pins_are_quiet_in_reset():
    async def operate(ctx, dut):
        assert [ctx.get(pin) for pin in (dut.oe_n, dut.strobe, dut.srclk, dut.rclk)] == [1, 0, 0, 0]

    assert all(seen[:2] == (1, 0) for seen in play(operate))


@pytest.mark.parametrize("cycles", [1, 2, 37])
def test_a_strobe_keeps_its_width(cycles):
    async def operate(ctx, dut):
        await select(ctx, dut)
        assert ctx.get(dut.ready)
        await strobe(ctx, dut, cycles)
        await strobe(ctx, dut, cycles)

    assert widths(play(operate)) == [cycles, cycles]


@pytest.mark.parametrize("changed", [{"row": 1}, {"up": 0b01}, {"down": 0}, {"depress": 0}, {"amplitude": 8}])
def test_ready_falls_in_the_cycle_in_which_lines_change(changed):
    async def operate(ctx, dut):
        await select(ctx, dut)
        assert ctx.get(dut.ready)
        for name, value in changed.items():
            ctx.set(getattr(dut.write, name), value)
        assert not ctx.get(dut.ready)
        await ctx.tick().repeat(2)
        await strobe(ctx, dut, 600)  # nobody may; until long after the new lines are loaded

    assert widths(play(operate)) == []


def test_lines_that_change_end_a_strobe():
    async def operate(ctx, dut):
        await select(ctx, dut)
        ctx.set(dut.write.strobe, 1)
        await ctx.tick().repeat(5)
        ctx.set(dut.write.up, 0b11)
        await ctx.tick().repeat(SHIFT_CYCLES)

    seen = play(operate)
    assert widths(seen) == [5]


def test_outputs_are_off_while_the_lines_select_nothing():
    async def operate(ctx, dut):
        await select(ctx, dut)
        assert not ctx.get(dut.oe_n)
        ctx.set(dut.write.up, 0)
        ctx.set(dut.write.down, 0)
        await ctx.tick()
        assert ctx.get(dut.oe_n) and ctx.get(dut.ready)
        await select(ctx, dut)
        await ctx.tick()

    assert play(operate)[-1][0] == 0


def test_an_adc_that_does_not_answer_leaves_the_array_busy():
    dut = ConverterAdapter(PARAMS, CLOCK_HZ)

    async def operate(ctx):
        ctx.set(dut.pins.adc_sdata, 1)
        await ctx.tick().until(dut.port.ready)
        ctx.set(dut.port.integrate, 1)
        await ctx.tick()
        ctx.set(dut.port.integrate, 0)
        for _ in range(3000):
            await ctx.tick()
            assert not ctx.get(dut.port.ready)

    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(operate)
    simulator.run()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"encodings": ("amplitude", "bit_serial")}, "encodings"),
        ({"verify": 1}, "verify"),
        ({"transposed": 1}, "transposed"),
        ({"guard_min_cycles": 3}, "guard_min_cycles"),
        ({"columns": 9, "macro_lanes": 9}, "adc_channels"),
    ],
)
def test_hardware_that_the_parts_cannot_serve_is_refused(changed, key):
    with pytest.raises(InputError, match=f"^{key}: "):
        ConverterAdapter(replace(PARAMS, **changed), CLOCK_HZ)


def test_a_grid_is_refused():
    with pytest.raises(InputError, match=r"^macro_rows: "):
        AdaptedTop(replace(PARAMS, macro_columns=1, macro_lanes=1, update_columns=1), CLOCK_HZ)


def test_every_diagram_is_in_the_document():
    """`crosstrain docs --check` compares their text with a new simulation's."""
    text = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text()
    assert set(diagrams()) == {diagram.name for diagram in DIAGRAMS}
    assert all(f"(adapters/{diagram.name}.svg)" in text for diagram in DIAGRAMS)
