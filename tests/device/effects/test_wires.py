"""IR drop: the exact solver against badcrossbar, the ladder approximation against the exact one, reads against both."""

import logging
import warnings

import numpy as np
import pytest

from model.device.array import GoldenArray
from model.device.effects.wires import FRACTION_BITS, NODE_LIMIT, attenuations, exact, ladder
from model.system import GoldenController, run
from spec.effects import DeviceEffects
from spec.errors import InputError
from spec.params import INSTANCES
from spec.registers import Mode

DIGITS, TINY = INSTANCES["DIGITS"], INSTANCES["TINY"]


def conductances(rows, lines, seed=0, on_off=10.0):
    """Random devices between 1/on_off and 1."""
    return np.random.default_rng(seed).uniform(1 / on_off, 1.0, (rows, lines))


def badcrossbar_currents(volts, devices, ohm):
    with warnings.catch_warnings(record=True):  # that its plots lack cairo
        badcrossbar = pytest.importorskip(
            "badcrossbar", reason="scripts/setup.sh installs it with the extra dev"
        )
        logging.getLogger("badcrossbar").setLevel(logging.WARNING)
        found = badcrossbar.compute(volts, 1 / devices, ohm, node_voltages=False, all_currents=False)
    return found.currents.output


@pytest.mark.parametrize(("rows", "lines"), [(1, 1), (1, 6), (5, 1), (7, 4), (24, 18), (65, 64)])
@pytest.mark.parametrize("ohm", [1e-3, 0.02])
def test_the_exact_solver_equals_badcrossbar(rows, lines, ohm):
    devices = conductances(rows, lines)
    volts = np.random.default_rng(1).uniform(0, 1, (rows, 3))
    wanted = badcrossbar_currents(volts, devices, ohm)
    assert volts.T @ exact(devices, 1 / ohm) == pytest.approx(wanted, rel=1e-9)


def test_a_cell_between_two_segments_is_a_voltage_divider():
    assert exact(np.array([[0.5]]), 10.0) == pytest.approx(1 / (2 + 0.1 + 0.1))
    assert attenuations(np.full((1, 1, 2), 1000), "exact", 0.0001, 1.0)[0, 0, 0] < 1 << FRACTION_BITS


def test_a_single_line_and_a_single_row_are_exact_on_the_ladder_but_for_the_one_segment_across():
    for devices in (conductances(30, 1), conductances(1, 30)):
        error = abs(ladder(devices, 1e3) / exact(devices, 1e3) - 1).max()
        assert error < 2e-3 < abs(ladder(devices, 1e3) / devices - 1).max()


@pytest.mark.parametrize(
    ("rows", "lines", "ohm", "bound"),
    [(65, 64, 1e-5, 0.0002), (65, 64, 1e-4, 0.01), (65, 64, 3e-4, 0.05), (128, 64, 1e-4, 0.03)],
)
def test_the_ladder_is_near_the_exact_solution(rows, lines, ohm, bound):
    """Error of the column currents for random inputs, relative to the drop of the wires as well as to the current.

    ohm: of a segment times the largest conductance.
    """
    devices, inputs = conductances(rows, lines), np.random.default_rng(2).uniform(0, 1, (20, rows))
    ideal, wanted, found = (inputs @ h for h in (devices, exact(devices, 1 / ohm), ladder(devices, 1 / ohm)))
    assert abs(found - wanted).max() < bound * wanted.max()
    assert abs(found - wanted).max() < 0.12 * abs(wanted - ideal).max()


def test_the_ladder_s_error_is_of_second_order():
    devices = conductances(40, 40)
    errors = [abs(ladder(devices, 1 / ohm) - exact(devices, 1 / ohm)).max() for ohm in (1e-5, 1e-6)]
    assert errors[0] / errors[1] > 80


def test_a_read_sees_the_network(make_macro):
    """Sums of a settled array are the inputs through H, to the rounding of attenuations and reads."""
    macro = make_macro("AlOx/HfO2", wire_ohm=5.0, wire_solver="exact")
    array = GoldenArray(DIGITS, macro.image)
    states = np.random.default_rng(3).integers(12000, 50000, (DIGITS.rows, DIGITS.columns, 2))
    array.load(states)
    array.settle()
    g = array.conductances().reshape(DIGITS.rows, -1).astype(float)
    effects = macro.image.effects
    h = exact(g, 1 / (5.0 * effects.siemens_per_code)).reshape(DIGITS.rows, DIGITS.columns, 2)
    codes = np.random.default_rng(4).integers(0, 256, DIGITS.rows)
    wanted = codes @ (h[..., 0] - h[..., 1]) / 16  # reads see 12 of the 16 bits
    assert abs(array.integrate(codes)[0] - wanted).max() <= 255 * DIGITS.rows * (1 + 2 / 16)
    assert (
        abs(wanted - codes @ (array.conductances() @ [1, -1]) / 16).max() > 1e5
    )  # the drop is larger than that


def test_a_read_of_one_cell_sees_the_wires_too(make_macro):
    macro = make_macro(wire_ohm=5.0)
    macro.state.effects.attenuation[3, 4] = (1 << 15, 1 << 14)
    macro.load(np.full((DIGITS.rows, DIGITS.columns, 2), 40000))
    assert macro.read_cell(3, 4, 1) == 20000
    assert macro.read_cell(3, 4, 2) == 10000
    assert macro.read_cell(3, 4, 3) == 10000
    assert macro.integrate_transposed(4, 5, 0)[3] == 255 * ((20000 >> 4) - (10000 >> 4))


def test_siemens_of_a_code_are_the_device_s(make_macro):
    macro = make_macro("AlOx/HfO2", wire_ohm=5.0)
    low, span = macro.image.section("low")[0], macro.image.section("span")[0]
    assert macro.image.effects.siemens_per_code * (low + span) == pytest.approx(59.2e-6, rel=1e-4)


def test_without_resistance_nothing_is_lost():
    states = np.random.default_rng(0).integers(0, 65536, (9, 6, 2))
    for solver in ("ladder", "exact"):
        assert (attenuations(states, solver, 1e-9, 1e-9) == 1 << FRACTION_BITS).all()


def test_a_cell_without_conductance_loses_nothing():
    states = np.zeros((3, 2, 2), int)
    states[1] = 50000
    found = attenuations(states, "ladder", 100.0, 1e-9)
    assert (found[[0, 2]] == 1 << FRACTION_BITS).all()
    assert (found[1] < 1 << FRACTION_BITS).all()


def test_the_exact_solver_refuses_what_takes_too_long():
    with pytest.raises(InputError, match=f"wire_solver: .*the exact solver takes {NODE_LIMIT}"):
        exact(np.ones((400, 400)), 1.0)


def test_shares_are_refreshed_where_the_run_says(make_small_job):
    """At the start of a run whose states have changed, and after each `wire_refresh` samples."""
    job = make_small_job(wire_ohm=50.0, wire_refresh=128.0)
    controller = GoldenController(job.params, job.image)
    run(controller.transfer(job.counts))
    surroundings = controller.array.surroundings
    calls = []
    refresh = surroundings.refresh
    surroundings.refresh = lambda: (calls.append(controller.array.conductances()), refresh())
    run(controller.configure(LSB=20000, THRESHOLD=1 << 14, MARGIN=4000, LOGIT_SHIFT=2))
    run(controller.load_weights(np.random.default_rng(0).integers(-99, 99, (33, 10))))
    run(controller.run(Mode.TRAIN, job.train_pixels, job.train_labels))
    assert len(calls) == 3  # at 0, 128 and 256 of 300 samples
    assert (calls[0] != calls[1]).any() and (calls[1] != calls[2]).any()
    assert isinstance(surroundings.effects, DeviceEffects)
