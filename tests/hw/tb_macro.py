"""The conformance test on the behavioural macro or the bench's array, under cocotb.  Started by test_macro_conformance.py."""

import ctypes
import os
import random

import cocotb
from cocotb.triggers import FallingEdge

from hw.macro import timing
from sim.bad_images import EXTREMES, extreme_images, plausible_image
from sim.clock import start_clock
from sim.conformance import Conformance
from sim.fast.library import Harness
from sim.macro_driver import READING_CYCLES, Busy
from spec.device_image import DeviceImage
from spec.params import HwParams
from spec.params_file import load

PERIOD_NS = 10
RESET_CYCLES = 2


class CocotbPins:
    """The pins of the macro port, seen and moved at the falling edge."""

    def __init__(self, dut):
        self.dut = dut

    def set(self, name: str, value: int) -> None:
        getattr(self.dut, f"port__{name}").value = value

    def get(self, name: str) -> int:
        return int(getattr(self.dut, f"port__{name}").value)  # an X raises

    async def tick(self) -> None:
        await FallingEdge(self.dut.clk)

    async def load_image(self, image: DeviceImage) -> None:
        for address, value in enumerate(image.words):
            self.dut.image__payload.value = address | value << 12
            self.dut.image__valid.value = 1
            await self.tick()
            assert self.dut.image__ready.value == 1
        self.dut.image__valid.value = 0


class TwinPins(CocotbPins):
    """The pins of the bench's array, which takes a device from this process."""

    def __init__(self, dut, params: HwParams):
        super().__init__(dut)
        self.params = params

    async def load_image(self, image: DeviceImage) -> None:
        self.harness = Harness(ctypes.CDLL(None), self.params, image)
        self.dut.rst.value = 1  # in which the array looks for it
        await self.tick()
        self.dut.rst.value = 0


MACRO_TIMES = {
    "integrate": timing.integrate_latency,
    "strobe": timing.strobe_latency,
    "erase": timing.erase_latency,
    "readout": timing.readout_latency,
    "integrate_transposed": timing.transposed_latency,
}
TWIN_TIMES = {
    "integrate": lambda params, cycles, codes: max(1, cycles),
    "strobe": lambda params, width, up, down: width,
    "erase": lambda params: 1,
    "readout": lambda params, *pair: (1, READING_CYCLES),
    "integrate_transposed": lambda params, cycles: max(1, cycles),
}
"""As array.sv says."""


def check_times(params: HwParams, log: list[Busy], formulas: dict) -> None:
    """Each operation took the cycles that are predicted."""
    assert {busy.operation for busy in log} == {
        name for name in formulas if params.reads_transposed or name != "integrate_transposed"
    }
    for operation, arguments, cycles in log:
        want = formulas[operation](params, *arguments)
        assert cycles in (want if isinstance(want, tuple) else (want,)), (
            f"{operation}{arguments}: {cycles} cycles, predicted {want}"
        )


@cocotb.test()
@cocotb.parametrize(number=range(1 + len(EXTREMES)))
async def conforms(dut, number):
    params = load(os.environ["MACRO_PARAMS"])
    seed, rounds = int(os.environ["MACRO_SEED"]), int(os.environ["MACRO_ROUNDS"])
    rng = random.Random(seed)
    image = [plausible_image(params, rng), *extreme_images(params, rng)][number]
    twin = "MACRO_TWIN" in os.environ
    pins = TwinPins(dut, params) if twin else CocotbPins(dut)
    conformance = Conformance(params, image, pins, pins.load_image, seed + number)
    dut.rst.value = 1
    if not twin:
        dut.image__valid.value = 0
        dut.image__payload.value = 0
    conformance.driver.idle()
    start_clock(dut.clk, PERIOD_NS)
    for _ in range(RESET_CYCLES):
        await pins.tick()
    dut.rst.value = 0
    await conformance.run(rounds)
    check_times(params, conformance.driver.log, TWIN_TIMES if twin else MACRO_TIMES)
