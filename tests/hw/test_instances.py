"""The named instances fit the array that is emulated for them."""

import pytest

from hw.macro.timing import erase_latency, integrate_latency, strobe_latency
from spec.params import INSTANCES


@pytest.mark.parametrize("params", INSTANCES.values(), ids=INSTANCES)
def test_no_operation_of_the_emulated_array_trips_the_watchdog(params):
    every = [1] * params.columns
    longest = max(
        erase_latency(params),
        integrate_latency(params, 0),
        strobe_latency(params, params.pulse_max_cycles, every, every),
    )
    assert longest < params.watchdog_cycles
