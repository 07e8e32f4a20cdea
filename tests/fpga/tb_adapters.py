"""The adapter's blocks against the models of their parts, under cocotb.  Started by test_adapters.py."""

import os
import random

import cocotb
from cocotb.triggers import FallingEdge

from fpga.adapters.spi_dac import Command, Frame
from sim.clock import start_clock
from sim.payloads import pack
from sim.pin_models import AdcModel, DacModel, PinWatch, RegisterModel
from spec.converter_parts import PARTS

RESET_CYCLES = 2
ITEMS = 12


async def start(dut, **inputs: int) -> None:
    """Reset, with the inputs at these values."""
    for name, value in inputs.items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    start_clock(dut.clk, int(os.environ["PERIOD_PS"]), "ps")
    for _ in range(RESET_CYCLES):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def until(dut, pin) -> int:
    """Wait for a pin; returns the cycles."""
    waited = 0
    while not pin.value:
        await FallingEdge(dut.clk)
        waited += 1
    return waited


def finish(watch: PinWatch) -> bool:
    """Whether all times were kept; where some are to be broken, each that is named has been."""
    expected = os.environ["BROKEN"]
    if not expected:
        watch.check()
        return True
    for name in expected.split("|"):
        assert any(name in line for line in watch.broken), (name, watch.broken[:3])
    return False


@cocotb.test()
async def spi_dac(dut):
    rng, part = random.Random(int(os.environ["SEED"])), PARTS.dac
    chips = len(dut.sync_n)
    await start(dut, i__valid=0, i__payload=0)
    watch = PinWatch()
    model = DacModel(watch, part, dut.sclk, dut.din, dut.sync_n)
    inputs = [[0] * part.channels for _ in range(chips)]
    outputs = [[0] * part.channels for _ in range(chips)]
    for _ in range(ITEMS):
        chip, channel = rng.randrange(chips), rng.randrange(part.channels)
        command, code = rng.choice(list(Command)), rng.getrandbits(part.code_bits)
        dut.i__payload.value = pack(
            Frame(part, chips), {"chip": chip, "command": command.value, "channel": channel, "code": code}
        )
        dut.i__valid.value = 1
        await until(dut, dut.i__ready)
        await FallingEdge(dut.clk)
        dut.i__valid.value = 0
        dut.i__payload.value = rng.getrandbits(len(dut.i__payload))  # junk: the frame has been taken
        assert await until(dut, dut.i__ready) + 1 == int(os.environ["LATENCY"])
        for _ in range(rng.choice((0, 0, 300))):
            await FallingEdge(dut.clk)
        if command is Command.RESET:
            inputs[chip], outputs[chip] = [0] * part.channels, [0] * part.channels
        else:
            inputs[chip][channel] = code
            if command is Command.WRITE:
                outputs[chip][channel] = code
    await FallingEdge(dut.clk)
    await until(dut, dut.idle)
    if finish(watch):
        assert len(model.frames) == ITEMS
        assert (model.inputs, model.outputs) == (inputs, outputs)


@cocotb.test()
async def spi_adc(dut):
    rng, part = random.Random(int(os.environ["SEED"])), PARTS.adc
    adcs = len(dut.sdata)
    await start(dut, start=0, sdata=0)
    watch, codes = PinWatch(), [0] * adcs
    model = AdcModel(watch, part, dut.sclk, dut.cs_n, dut.sdata, lambda: list(codes))
    kept = True
    full = (1 << part.code_bits) - 1
    for item in range(ITEMS):
        codes[:] = [0, full][item : item + 1] * adcs or [rng.getrandbits(part.code_bits) for _ in range(adcs)]
        await until(dut, dut.idle)
        dut.start.value = 1
        await FallingEdge(dut.clk)
        dut.start.value = 0
        assert await until(dut, dut.done) + 1 == int(os.environ["LATENCY"])
        got = int(dut.codes.value)
        kept &= got == sum(code << (k * part.code_bits) for k, code in enumerate(codes))
        assert not kept or dut.zeros.value == 1
    if finish(watch):
        assert kept
        await until(dut, dut.idle)
        assert model.conversions == ITEMS


@cocotb.test()
async def shift_register(dut):
    rng, part = random.Random(int(os.environ["SEED"])), PARTS.register
    lines = len(dut.bits)
    await start(dut, start=0, bits=0)
    watch = PinWatch()
    model = RegisterModel(watch, part, lines, dut.ser, dut.srclk, dut.rclk)
    kept = True
    for _ in range(ITEMS):
        bits = rng.getrandbits(lines)
        await until(dut, dut.idle)
        dut.bits.value, dut.start.value = bits, 1
        await FallingEdge(dut.clk)
        dut.bits.value, dut.start.value = rng.getrandbits(lines), 0
        assert await until(dut, dut.done) + 1 == int(os.environ["LATENCY"])
        kept &= model.outputs == bits
        watch.least("shift register: done", model.stood, 0)
    if finish(watch):
        assert kept and model.latches == ITEMS
