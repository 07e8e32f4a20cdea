"""Program-verify and tuned training in RTL: the golden model's pulses, reads and cells given up, and their limits."""

from dataclasses import replace

import numpy as np
import pytest

from model.device.compile import nominal_codes
from model.system import GoldenController, run
from sim.cosim import run_cosim
from sim.fast.pair import run_fast
from sim.host import Host
from sim.mutants import mutated
from sim.stimulus import make_stimulus
from spec.device_file import NonIdealities, load_device
from spec.device_image import Readout
from spec.errors import InputError
from spec.params import INSTANCES
from spec.registers import Mode
from tests.sim.fake_bus import FakeBus

TINY = INSTANCES["TINY"]
TUNED = replace(TINY, name="TUNED", rows=3, verify=1)
SAMPLES = 16


@pytest.fixture(scope="module")
def stimulus():
    """Cells with spread and noise, some stuck."""
    return make_stimulus(TUNED, load_device("ReRAM-OM-approx"), "accumulate", SAMPLES, 2)


def check(found):
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
    assert found.coverage["capped"] > 0
    assert found.coverage["unresponsive"] > 0
    assert found.counters["GIVEN_UP"] == found.coverage["capped"] + found.coverage["unresponsive"]


def test_rtl_equals_golden_model(stimulus, simulator):
    check(run_cosim(stimulus, simulator))


@pytest.mark.slow
def test_library_equals_golden_model(stimulus, short_jobs):
    check(run_fast(stimulus))


@pytest.mark.parametrize(
    ("stage", "module", "old", "new"),
    [
        ("strobe", "hw.verify", "self._rises == against", "self._rises"),
        pytest.param("strobe", "hw.macro.readout", "Mux(kind == Kind.PLUS, 0, self.minus)", "self.minus",
                     marks=pytest.mark.slow),
        pytest.param("GIVEN_UP", "hw.verify", "self.given_up.eq(1)", "self.given_up.eq(self._still)",
                     marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_seeded_fault_is_caught(stage, module, old, new, stimulus):
    caught(stage, module, old, new, stimulus)


@pytest.mark.slow
def test_seeded_fault_of_the_least_movement_is_caught():
    """Of stuck cells that are read without noise: they move by nothing, as far as is let pass for no movement."""
    device = load_device("ReRAM-OM-approx")
    still = replace(device, nonideal=replace(device.nonideal, read_sigma=0.0))
    exact = make_stimulus(TUNED, still, "accumulate", SAMPLES, 2)
    exact.registers["VERIFY_MOVEMENT"] = 0
    caught("strobe", "hw.verify", "<= self.movement", "< self.movement", exact)


def caught(stage, module, old, new, stimulus):
    with mutated(module, old, new):
        found = run_cosim(stimulus, "icarus", variant=f"{module}-{old[:6]}".replace("/", "_"))
    assert found.mismatches > 0
    assert any(stage in line for line in found.differences)


def counted(mode, device, nonideal, **registers):
    """Counters of one run from the state after a transfer."""
    s = make_stimulus(TUNED, replace(load_device(device), nonideal=nonideal), "accumulate", 40, 3)
    ctl = GoldenController(TUNED, s.image)
    run(ctl.configure(**s.registers | registers))
    run(ctl.load_weights(s.weights))
    run(ctl.transfer(s.counts))
    run(ctl.clear_counters())
    run(ctl.run(mode, s.pixels, s.labels))
    return run(ctl.counters())


def test_tuning_cells_that_step_as_they_should_is_training():
    device, nonideal = load_device("linear"), NonIdealities.ideal()
    low, high = nominal_codes(device, nonideal, TUNED.state_bits)
    step = round((high - low) / device.states_up)
    loop = {"TUNE_UP": step, "TUNE_DOWN": step, "VERIFY_TOLERANCE": step // 2, "VERIFY_AVERAGES": 1}
    train, tune = (counted(mode, "linear", nonideal, **loop) for mode in (Mode.TRAIN, Mode.TUNE))
    pulses = tune["PULSES_UP"] + tune["PULSES_DOWN"]
    assert tune["STROBES"] == pulses > 100
    assert (tune["VERIFY_READS"], tune["GIVEN_UP"]) == (2 * pulses, 0)
    without = ("STROBES", "VERIFY_READS")
    assert {k: v for k, v in tune.items() if k not in without} == {
        k: v for k, v in train.items() if k not in without
    }


def test_every_reading_of_an_average_is_counted():
    tune = counted(Mode.TUNE, "PCMO", NonIdealities(), VERIFY_AVERAGES=3)
    assert tune["VERIFY_READS"] % 3 == 0
    assert tune["VERIFY_READS"] // 3 > tune["STROBES"]


def test_hardware_without_it_refuses():
    host = Host(FakeBus(TINY), TINY)
    none = np.zeros((0, TINY.inputs), np.uint8)
    for call in (
        lambda: host.verify(np.zeros((TINY.rows, TINY.columns, 2), int), "pair"),
        lambda: host.run(Mode.TUNE, none, np.zeros(0, int)),
    ):
        with pytest.raises(InputError, match="is not built into TINY"):
            run(call())


def test_driver_refuses_what_the_gate_or_the_hardware_would_not_take():
    host = Host(FakeBus(TUNED), TUNED)
    targets = np.zeros((TUNED.rows, TUNED.columns, 2), int)
    run(host.configure(VERIFY_PULSES=30, COUNT_CAP=20))
    with pytest.raises(InputError, match=r"VERIFY_PULSES: 30 is outside 0\.\.20"):
        run(host.verify(targets, "pair"))
    with pytest.raises(InputError, match="verify: 'row' is not one of cell, pair"):
        run(host.verify(targets, "row"))
    with pytest.raises(InputError, match=r"targets: 65536 is outside 0\.\.65535"):
        run(host.verify(targets + (1 << TUNED.state_bits), "pair"))


def test_readings_of_places_that_do_not_exist_are_refused():
    macro = GoldenController(
        TUNED, make_stimulus(TUNED, load_device("PCMO"), "accumulate", 1, 0).image
    ).array.macros[0]
    with pytest.raises(ValueError, match="no pair"):
        macro.read_cell(TUNED.rows, 0, Readout.PAIR)
    with pytest.raises(ValueError, match="is no reading"):
        macro.read_cell(0, 0, Readout.STATES)
