"""The host driver on the UART pins of `FpgaTop`, bit by bit, beside the golden controller."""

import itertools
import os

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Event, FallingEdge, SimTimeoutError, Timer, with_timeout

from fpga.host_link import UartBus
from fpga.uart import DATA_BITS
from model.system import GoldenController
from sim.clock import start_clock
from sim.host import HardwareFault, Host
from spec.link import Statistics
from spec.params import INSTANCES
from spec.registers import Fault, Mode
from tests.device.reference_macro import simple_image

TINY = INSTANCES["TINY"]
IMAGE = simple_image()
CLOCK_NS = 10
BIT_NS = CLOCK_NS * int(os.environ["DIVISOR"])
SILENCE_NS = CLOCK_NS * int(os.environ["SILENCE_CYCLES"])
SETTINGS = {"LSB": 60000, "LOGIT_SHIFT": 4, "MARGIN": 40, "THRESHOLD": 1 << 10, "PULSE": 2, "INTEGRATE": 3}


def line(byte: int, stop: int) -> list[int]:
    return [0, *(byte >> k & 1 for k in range(DATA_BITS)), stop]


class PinChannel:
    """Bytes on the pins.  `spoil`: numbers of bytes, counted from the start, that are sent without stop bit."""

    def __init__(self, dut):
        self._dut = dut
        self._came, self._bytes = Event(), bytearray()
        self._sent, self.spoil = 0, set()
        cocotb.start_soon(self._listen())

    async def send(self, data: bytes) -> None:
        await FallingEdge(self._dut.clk)  # the line changes between the clock's rising edges
        levels = []
        for byte in data:
            levels += line(byte, self._sent not in self.spoil)
            self._sent += 1
        for level, bits in itertools.groupby([*levels, 1]):
            self._dut.rx.value = level
            await Timer(BIT_NS * len(list(bits)), unit="ns")

    async def receive(self) -> bytes:
        if not self._bytes:
            self._came.clear()
            try:
                await with_timeout(self._came.wait(), SILENCE_NS, "ns")
            except SimTimeoutError:
                return b""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data

    async def _listen(self) -> None:
        while True:
            await FallingEdge(self._dut.tx)
            await Timer(BIT_NS // 2, unit="ns")
            byte = 0
            for k in range(DATA_BITS):
                await Timer(BIT_NS, unit="ns")
                byte |= int(self._dut.tx.value) << k
            await Timer(BIT_NS, unit="ns")
            assert int(self._dut.tx.value) == 1, "no stop bit"
            self._bytes.append(byte)
            self._came.set()


async def start(dut) -> tuple[Host, UartBus, PinChannel]:
    dut.rst.value = 1
    dut.rx.value = 1
    start_clock(dut.clk, CLOCK_NS)
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    channel = PinChannel(dut)
    bus = UartBus(channel, TINY)
    await bus.connect()
    host = Host(bus, TINY)
    await host.check_identity()
    return host, bus, channel


@cocotb.test()
async def transfer_and_training_equal_the_golden_model(dut):
    host, bus, _ = await start(dut)
    golden = GoldenController(TINY, IMAGE)
    rng = np.random.default_rng(5)
    counts = rng.integers(-3, 8, (TINY.rows, TINY.columns))
    weights = rng.integers(-127, 128, (TINY.upper_rows, TINY.classes))
    pixels, labels = rng.integers(0, 256, (24, TINY.inputs)), rng.integers(0, TINY.classes, 24)
    await host.load_image(IMAGE)
    for controller in (host, golden):
        await controller.configure(**SETTINGS)
        await controller.load_weights(weights)
        await controller.erase()
        await controller.clear_memory()
        await controller.transfer(counts)
    for mode in (Mode.INFER, Mode.TRAIN):
        got = await host.run(mode, pixels, labels)
        expected = await golden.run(mode, pixels, labels)
        assert np.array_equal(got.predictions, expected.predictions)
        assert np.array_equal(got.updates, expected.updates)
    assert expected.strobes.pulses_up and expected.strobes.pulses_down
    assert np.array_equal(await host.conductances(), await golden.conductances())
    assert bus.retries == 0


@cocotb.test()
async def spoiled_bytes_cost_a_retry_and_change_nothing(dut):
    host, bus, channel = await start(dut)
    await host.configure(MARGIN=7)
    channel.spoil = {channel._sent + 3}
    await host.configure(MARGIN=8)
    channel.spoil = {channel._sent}
    assert await host.read_field("MARGIN") == 8
    statistics = await bus.statistics()
    assert bus.retries == 2
    # The second byte spoiled was a start byte: no frame was begun, so none was dropped.
    assert (statistics[Statistics.DROPPED], statistics[Statistics.REPEATED]) == (1, 0)


@cocotb.test()
async def abort_gets_through_and_shows_on_the_lamps(dut):
    host, _, _ = await start(dut)
    assert (int(dut.busy.value), int(dut.fault.value)) == (0, 0)
    await host.configure(MODE=Mode.INFER, SAMPLES=3)
    await host._trigger("start")
    assert int(dut.busy.value) == 1
    await host.abort()
    await ClockCycles(dut.clk, 10)
    assert (int(dut.busy.value), int(dut.fault.value)) == (0, 1)
    assert await host.faults() == (Fault.ABORT,)
    try:
        await host.erase()
    except HardwareFault:
        await host.clear_fault()
    assert int(dut.fault.value) == 0


@cocotb.test()
async def lamp_beats(dut):
    await start(dut)
    await FallingEdge(dut.heartbeat)
