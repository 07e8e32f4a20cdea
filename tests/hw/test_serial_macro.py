"""An array behind the serial link is an array."""

import random
from dataclasses import replace

import pytest

from hw.serial_macro import SerialMacro
from sim.bad_images import plausible_image
from sim.blocks import COMPACT, COMPACT_ODD
from sim.conformance import Conformance
from sim.linked import LinkedMacro
from sim.macro_driver import WordDriver
from spec.errors import InputError
from spec.macro_link import lsb_cycles, trial_cycles
from tests.hw.test_macro import SimulatorPins, simulate


def with_least_trial(params, more=0):
    """The shortest trial that the link allows."""
    cycles = trial_cycles(params) + 1 + more
    return replace(params, sar_settle_cycles=cycles, cmp_latency_cycles=0)


@pytest.mark.parametrize("params", [COMPACT, COMPACT_ODD], ids=lambda p: p.name)
def test_conforms_over_the_link(params, seed):
    """The bench gives a new LSB with every trial."""
    params = with_least_trial(params, lsb_cycles(params))
    dut = LinkedMacro(params)

    async def bench(ctx):
        pins = SimulatorPins(ctx, dut)
        image = plausible_image(params, random.Random(seed))
        await Conformance(params, image, pins, pins.load_image, seed, WordDriver).run(rounds=3)

    simulate(dut, bench)


def test_hardware_that_the_link_does_not_serve_is_refused():
    with pytest.raises(InputError, match="too short for the serial link"):
        SerialMacro(replace(with_least_trial(COMPACT), cmp_latency_cycles=0, sar_settle_cycles=2))
    with pytest.raises(InputError, match="compact"):
        SerialMacro(replace(COMPACT, compact=0))
