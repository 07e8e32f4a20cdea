"""UART: bytes out of one end come in at the other; what is no byte is flagged or ignored."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator

from fpga.uart import FRAME_BITS, UartReceiver, UartTransmitter, divisor
from spec.errors import InputError

PERIOD = 1e-8


class Loopback(wiring.Component):
    """A transmitter into a receiver."""

    def __init__(self, cycles: int):
        self.transmitter, self.receiver = UartTransmitter(cycles), UartReceiver(cycles)
        super().__init__({"i": Out(self.transmitter.i.signature), "o": Out(self.receiver.o.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter, m.submodules.receiver = self.transmitter, self.receiver
        wiring.connect(m, wiring.flipped(self.i), self.transmitter.i)
        wiring.connect(m, self.receiver.o, wiring.flipped(self.o))
        m.d.comb += self.receiver.rx.eq(self.transmitter.tx)
        return m


def received_from(dut, bench, cycles):
    """(byte, error) of everything that `dut.o` gives while `bench` runs and `cycles` more."""
    bytes_in = []
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def collect(ctx):
        async for _, _, valid, payload in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                bytes_in.append((payload.data, payload.error))

    async def drive(ctx):
        await bench(ctx)
        await ctx.tick().repeat(cycles)

    simulator.add_testbench(collect, background=True)
    simulator.add_testbench(drive)
    simulator.run()
    return bytes_in


def line(ctx, dut, levels, cycles):
    """Drive the receiver's pin, each level for `cycles` clock cycles."""

    async def drive():
        for level in levels:
            ctx.set(dut.rx, level)
            await ctx.tick().repeat(cycles)
        ctx.set(dut.rx, 1)

    return drive()


def bits(byte, stop=1):
    return [0, *(byte >> k & 1 for k in range(8)), stop]


@pytest.mark.parametrize("cycles", [4, 5, 25])
def test_loopback(cycles, seed):
    rng = random.Random(seed)
    sent = [0x00, 0xFF, 0x55, *(rng.randrange(256) for _ in range(20))]
    dut = Loopback(cycles)

    async def send(ctx):
        for byte in sent:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.i.payload, byte ^ 0xFF)
            for _ in range(rng.choice([0, 0, 1, 7, 3 * FRAME_BITS * cycles])):
                await ctx.tick()

    assert received_from(dut, send, 2 * FRAME_BITS * cycles) == [(byte, 0) for byte in sent]


def test_transmitter_uses_the_whole_line():
    dut, ready = UartTransmitter(4), []
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def offer(ctx):
        ctx.set(dut.i.valid, 1)
        for cycle in range(3 * FRAME_BITS * 4):
            if ctx.get(dut.i.ready):
                ready.append(cycle)
            await ctx.tick()

    simulator.add_testbench(offer)
    simulator.run()
    assert ready == [0, 40, 80]


@pytest.mark.parametrize("cycles", [39, 41])
def test_receiver_takes_a_rate_that_is_off(cycles):
    dut = UartReceiver(40)

    async def drive(ctx):
        for byte in (0x00, 0xA5, 0xFF):
            await line(ctx, dut, bits(byte), cycles)

    assert received_from(dut, drive, 100) == [(0x00, 0), (0xA5, 0), (0xFF, 0)]


def test_missing_stop_bit_is_flagged_and_the_next_byte_is_good():
    dut = UartReceiver(8)

    async def drive(ctx):
        await line(ctx, dut, bits(0x3C, stop=0), 8)
        await line(ctx, dut, [1], 8)
        await line(ctx, dut, bits(0x3D), 8)

    assert received_from(dut, drive, 100) == [(0x3C, 1), (0x3D, 0)]


def test_break_is_one_byte_with_an_error():
    dut = UartReceiver(8)

    async def drive(ctx):
        await line(ctx, dut, [0] * 40, 8)
        await line(ctx, dut, [1], 8)
        await line(ctx, dut, bits(0x77), 8)

    assert received_from(dut, drive, 100) == [(0x00, 1), (0x77, 0)]


def test_glitch_is_no_byte():
    dut = UartReceiver(8)

    async def drive(ctx):
        await line(ctx, dut, [0, 1], 2)
        await ctx.tick().repeat(100)
        await line(ctx, dut, bits(0x77), 8)

    assert received_from(dut, drive, 100) == [(0x77, 0)]


def test_divisor():
    assert divisor(25e6, 1_000_000) == 25
    assert divisor(25e6, 115_200) == 217
    for clock_hz, baud in ((25e6, 3_000_000), (1e6, 500_000), (1e6, 10_000_000)):
        with pytest.raises(InputError, match=f"{baud} baud cannot be made"):
            divisor(clock_hz, baud)
