"""The host driver on the controller with the emulated array, beside the golden controller."""

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from model.system import GoldenController
from sim.blocks import ODD
from sim.bus import CocotbBus
from sim.clock import start_clock
from sim.host import HardwareFault, Host, IdentityError
from spec.params import INSTANCES
from spec.registers import Fault, Mode
from tests.device.reference_macro import simple_image

TINY = INSTANCES["TINY"]
IMAGE = simple_image()
SETTINGS = {"LSB": 60000, "LOGIT_SHIFT": 4, "MARGIN": 40, "THRESHOLD": 1 << 10, "PULSE": 2, "INTEGRATE": 3}


async def start(dut) -> Host:
    """A host on hardware that has just been reset, with a device in the array."""
    bus = CocotbBus(dut, dut.clk)
    dut.rst.value = 1
    start_clock(dut.clk, 10)
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    host = Host(bus, TINY)
    await host.load_image(IMAGE)
    await host.erase()
    return host


def data(samples: int):
    rng = np.random.default_rng(11)
    return rng.integers(0, 256, (samples, TINY.inputs)), rng.integers(0, TINY.classes, samples)


@cocotb.test()
async def identity_is_checked(dut):
    host = await start(dut)
    await host.check_identity()
    try:
        await Host(host.bus, ODD).check_identity()
    except IdentityError as error:
        assert "other parameters than ODD" in str(error)
    else:
        raise AssertionError("another hardware's parameters were accepted")


@cocotb.test()
async def fields_are_written_and_read_by_name(dut):
    host = await start(dut)
    await host.write_field("WRITE", 0xA5, "amplitude")
    await host.write_field("WRITE", 1, "depress")
    assert await host.read_field("WRITE", "amplitude") == 0xA5
    await host.configure(DOUBLE_FIRST=0x1234_5678, LSB=0)
    assert await host.read_field("DOUBLE_FIRST") == 0x1234_5678
    assert await host.read_field("LSB") == 0


@cocotb.test()
async def a_job_does_the_same_as_on_the_golden_controller(dut):
    host, golden = await start(dut), GoldenController(TINY, IMAGE)
    rng = np.random.default_rng(7)
    weights = rng.integers(-127, 128, (TINY.upper_rows, TINY.classes))
    counts = rng.integers(0, 40, (TINY.rows, TINY.columns))
    pixels, labels = data(40)
    outcomes, done = [], []
    for controller in (host, golden):
        await controller.clear_counters()
        await controller.configure(**SETTINGS)
        await controller.load_weights(weights)
        await controller.clear_memory()
        await controller.transfer(counts)
        runs = [
            await controller.run(mode, pixels, labels, progress=done.append)
            for mode in (Mode.TRAIN, Mode.INFER)
        ]
        outcomes.append([(run.predictions.tolist(), run.updates.tolist()) for run in runs])
    assert outcomes[0] == outcomes[1]
    assert sum(outcomes[0][0][1]) > 10
    assert sum(done) == 4 * len(pixels)
    counters, expected = await host.counters(), await golden.counters()
    assert {name: counters[name] for name in expected} == expected
    assert counters["PULSES_UP"] > counts.sum()
    assert (await host.conductances()).tolist() == (await golden.conductances()).tolist()
    assert await host.read_field("VERIFY_READS") == TINY.rows * TINY.columns


@cocotb.test()
async def a_fault_ends_a_transfer_and_is_cleared(dut):
    host = await start(dut)
    await host.configure(**SETTINGS, STROBE_CAP=5)
    counts = np.full((TINY.rows, TINY.columns), 3)
    for _ in range(2):
        try:
            await host.transfer(counts)
        except HardwareFault as fault:
            assert fault.causes == (Fault.STROBE_CAP,)
        else:
            raise AssertionError("no fault")
        assert (await host.counters())["STROBES"] <= 10
        await host.clear_fault()
    await host.configure(STROBE_CAP=1000)
    await host.transfer(counts)


@cocotb.test()
async def an_abort_ends_a_run(dut):
    host = await start(dut)
    await host.configure(**SETTINGS)
    pixels, labels = data(30)
    running = cocotb.start_soon(host.run(Mode.INFER, pixels, labels))
    await ClockCycles(dut.clk, 500)
    await Host(host.bus, TINY).abort()
    try:
        await running
    except HardwareFault as fault:
        assert fault.causes == (Fault.ABORT,)
    else:
        raise AssertionError("the run went on")
    await host.clear_fault()
    assert len((await host.run(Mode.INFER, pixels, labels)).predictions) == len(pixels)
