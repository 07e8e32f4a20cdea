"""The whole controller with the serial link of a real array between it and the emulated one."""

from dataclasses import replace

from sim.blocks import COMPACT_ONE
from sim.cosim import run_cosim
from sim.linked import LinkedTop
from sim.stimulus import make_stimulus
from spec.device_file import load_device
from spec.macro_link import trial_cycles

LINKED = replace(COMPACT_ONE, name="LINKED", sar_settle_cycles=trial_cycles(COMPACT_ONE) + 1)


def test_rtl_behind_the_serial_link_equals_golden_model(simulator):
    """With the shortest trials that the link allows, and with an abort while something is under way."""
    stimulus = make_stimulus(LINKED, load_device("PCMO"), "counter", 20, 10)
    found = run_cosim(replace(stimulus, faults=True), simulator, top=LinkedTop, variant="linked")
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
