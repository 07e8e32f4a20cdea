"""Fits of devices that are known.  Tolerances are statistical; their reasons stand beside them."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from model.device.compile import compile_with_report
from model.device.fit.analysis import analyse
from model.device.fit.curve import monotone
from model.device.fit.data import DOWN, UP, Jumps, Response, Sweep, clean
from model.device.fit.device import device_of_fit
from model.device.fit.joint import filter_gain
from model.device.laws import nominal_curve, steps
from model.device.response import pulse_response
from spec.device_file import DeviceSpec, NonIdealities, device_from_dict, dump_device, load_device
from spec.errors import InputError
from spec.params import INSTANCES
from tests.device.measurement import CLEAN, SPREAD, measure

MESS = {"read": 0.01, "missing": 0.1, "outliers": 0.02}


def device(kind: str, states: tuple[int, int] = (40, 50), sigma: float = 0.005, **law) -> DeviceSpec:
    table = {"kind": kind, **law}
    c2c = {"kind": "additive", "sigma": sigma}
    base = {"name": "true", "source": "s", "g_max_uS": 20.0, "on_off": 10.0, "law": table, "c2c": c2c}
    return device_from_dict(base | {"states_up": states[0], "states_down": states[1]})


TRUE = {
    "linear": device("linear"),
    "neurosim": device("neurosim", nl_ltp=2.4, nl_ltd=-4.88),
    "neurosim, back": device("neurosim", nl_ltp=1.75, nl_ltd=1.46),
    "exponential": device("exponential", a_ltp=0.3, a_ltd=-0.6),
    "log": device("log", b_up=3.0, b_down=-4.0),
    "soft_bounds": device("soft_bounds", (63, 63), a_up=0.0949, a_down=0.07),
    "linear_step": device("linear_step", (55, 55), a_up=0.02, a_down=0.02, slope_up=0.5, slope_down=0.5),
    "exp_step": device(
        "exp_step", (46, 55), a_up=0.015, a_down=0.01, amp_up=-5.0, amp_down=-0.1, rate_up=-6.0, rate_down=4.0
    ),
    "pow_step": device("pow_step", (60, 60), a_up=0.08, a_down=0.06, pow_up=1.8, pow_down=0.7),
}


def fitted(data, kind: str) -> DeviceSpec:
    """The device of a fit, by way of its file's text."""
    found = analyse(data, (kind,))
    spec = device_of_fit(found, found.choose(kind), name="fitted", source="test", cell="resistive")
    assert device_from_dict(tomllib.loads(dump_device(spec))) == spec
    return spec


def curve_uS(spec: DeviceSpec, polarity: int, pulses: np.ndarray) -> np.ndarray:
    """Conductance of the nominal device after `pulses`; it stays at the end of its curve."""
    curve = nominal_curve(spec, polarity)
    x = curve[np.minimum(pulses, len(curve) - 1)]
    low = spec.g_max_uS * spec.g_min_share
    return low + (spec.g_max_uS - low) * x


def off_by(spec: DeviceSpec, true: DeviceSpec) -> float:
    """Largest difference of the two nominal curves, both directions, as a share of the true range."""
    span = true.g_max_uS * (1 - true.g_min_share)
    pulses = [np.arange(true.states_up + 1), np.arange(true.states_down + 1)]
    off = [np.abs(curve_uS(spec, p, pulses[p]) - curve_uS(true, p, pulses[p])).max() for p in (UP, DOWN)]
    return max(off) / span


@pytest.mark.parametrize("name", TRUE)
def test_every_law_is_recovered_under_noise_holes_and_outliers(name):
    """Eight equal cells: c2c 0.5 % of the range walks 0.5 % sqrt(50 / 8) = 1.25 % by the end; four of that."""
    true = TRUE[name]
    spec = fitted(measure(true, CLEAN, **MESS), true.law.kind)
    assert off_by(spec, true) < 0.05
    assert spec.law.kind == true.law.kind


LAW_TOLERANCE = {"nl_ltp": 0.25, "nl_ltd": 0.25, "a_ltp": 0.04, "a_ltd": 0.09, "b_up": 0.3, "b_down": 0.4} | {
    "a_up": 0.012,
    "a_down": 0.009,
}


@pytest.mark.parametrize("name", ["neurosim", "neurosim, back", "log", "soft_bounds"])
def test_parameters_are_recovered_with_the_spread_of_cells(name):
    """Sixteen cells: the mean of their step factors is known to 20 % / 4 = 5 %, and the pulses with it."""
    true = TRUE[name]
    spec = fitted(measure(true, SPREAD, cells=16, **MESS), true.law.kind)
    for key, value in true.law.values:
        assert abs(spec.law[key] - value) < LAW_TOLERANCE[key], key
    assert abs(spec.g_max_uS / true.g_max_uS - 1) < 0.04
    assert abs(spec.on_off / true.on_off - 1) < 0.15
    if true.law.kind != "soft_bounds":  # whose pulses over the range follow from its step
        assert abs(spec.states_up / true.states_up - 1) < 0.14
        assert abs(spec.states_down / true.states_down - 1) < 0.14
    assert spec.c2c_kind == "additive" and abs(spec.c2c_sigma - true.c2c_sigma) < 0.003
    n = spec.nonideal
    assert 0.12 < n.step_sigma < 0.28 and n.range_sigma < 0.1  # chi of 15
    assert (
        n.low_sigma < 0.3
    )  # of a tenth of the range: 3 %, where a steep law's first steps are read with noise
    assert n.step_distribution == "normal"


def test_the_noise_of_pulses_may_dwarf_their_steps():
    """Ag:a-Si: 3.5 % a pulse, steps of 1 %: a random walk of a third of the range, cut off at the rails."""
    true = load_device("Ag:a-Si")
    spec = fitted(measure(true, SPREAD, cells=24, read=0.02, missing=0.1, outliers=0.02), "neurosim")
    assert abs(spec.law["nl_ltp"] - 2.4) < 0.6 and abs(spec.law["nl_ltd"] + 4.88) < 0.6
    assert abs(spec.c2c_sigma - 0.035) < 0.005
    assert abs(spec.g_max_uS / true.g_max_uS - 1) < 0.04 and abs(spec.on_off / true.on_off - 1) < 0.15


def test_noise_relative_to_the_step_is_told_from_noise_of_the_range():
    true = replace(TRUE["neurosim"], c2c_kind="relative", c2c_sigma=0.4)
    spec = fitted(measure(true, CLEAN, cells=12), "neurosim")
    assert spec.c2c_kind == "relative" and abs(spec.c2c_sigma - 0.4) < 0.05


def test_repeated_readings_give_the_read_noise():
    """3 readings of 8 cells at 92 states: 1,472 degrees of freedom, 1.8 % of sigma."""
    spec = fitted(measure(TRUE["linear"], CLEAN, read=0.03, reads=3), "linear")
    assert abs(spec.nonideal.read_sigma - 0.03) < 0.003 and "nonideal.read_sigma" not in spec.assumed
    assert spec.c2c_sigma < 0.009
    once = fitted(measure(TRUE["linear"], CLEAN, read=0.03), "linear")
    assert abs(once.nonideal.read_sigma - 0.03) < 0.01 and "nonideal.read_sigma" in once.assumed


def test_stuck_cells_are_counted_and_left_out():
    response = measure(TRUE["neurosim"], CLEAN)
    still = [Sweep("still", p, np.arange(30), 5 + 0.01 * np.sin(np.arange(30.0))) for p in (UP, DOWN)]
    found = clean(Response((*response.sweeps, *still)))
    assert found.stuck == ("still",) and "still" not in found.cells
    spec = fitted(Response((*response.sweeps, *still)), "neurosim")
    assert spec.nonideal.stuck == pytest.approx(1 / 9, abs=1e-6)
    assert off_by(spec, TRUE["neurosim"]) < 0.045


def test_potentiation_alone_gives_the_mirror_image_and_says_so():
    true = device("neurosim", nl_ltp=2.4, nl_ltd=-2.4, states=(40, 40))
    spec = fitted(measure(true, CLEAN, ways=(UP,), **MESS), "neurosim")
    assert {"law.nl_ltd", "states_down"} <= set(spec.assumed) and "law.nl_ltp" not in spec.assumed
    assert off_by(spec, true) < 0.045
    for kind in ("exp_step", "measured"):
        assert off_by(fitted(measure(true, CLEAN, ways=(UP,), **MESS), kind), true) < 0.06


def test_one_cell_says_nothing_of_the_spread_over_cells():
    spec = fitted(measure(TRUE["log"], CLEAN, cells=1, read=0.005), "log")
    assert {"nonideal.step_sigma", "nonideal.range_sigma", "nonideal.stuck"} <= set(spec.assumed)
    assert spec.nonideal.step_sigma == NonIdealities().step_sigma
    assert off_by(spec, TRUE["log"]) < 4 * 0.005 * np.sqrt(50)


def test_several_cycles_of_a_cell_are_one_cell():
    """The states that a cycle starts from are where the one before ended."""
    true = TRUE["neurosim"]
    cycles = [measure(true, CLEAN, cells=4, seed=seed, **MESS).sweeps for seed in (1, 2, 3)]
    data = Response(tuple(s for cell in "0123" for cycle in cycles for s in cycle if s.cell == cell))
    assert len(data.cells) == 4 and off_by(fitted(data, "neurosim"), true) < 0.045


@pytest.mark.parametrize("name", ["neurosim, back", "log"])
def test_the_best_law_is_the_true_one(name):
    true = TRUE[name]
    found = analyse(measure(true, CLEAN, **MESS), ("linear", "neurosim", "log", "soft_bounds"))
    assert found.choose(None).kind == true.law.kind
    assert min(c.rmse for c in found.candidates) == pytest.approx(found.choose(None).rmse, rel=0.02)


@pytest.mark.parametrize("name", ["neurosim, back", "soft_bounds"])
def test_measured_tables_follow_the_data_without_a_law(name):
    """Means that differ clearly: their spread, and the walk of the mean (1.1 %)."""
    true = TRUE[name]
    spec = fitted(measure(true, SPREAD, cells=12, **MESS), "measured")
    assert spec.law.kind == "measured" and len(spec.law["up_uS"]) < true.states_up
    assert off_by(spec, true) < 0.07


@pytest.mark.parametrize("kind", ["neurosim", "measured"])
def test_the_compiled_device_draws_the_mean_curve_that_was_measured(kind):
    """Data, file, integers, and the emulated cells: equal within the walk of the data's mean (1.1 %, 4 sigma)."""
    true = replace(TRUE["neurosim"], c2c_sigma=0.0)
    data = measure(TRUE["neurosim"], CLEAN, **MESS)
    spec = replace(fitted(data, kind), c2c_sigma=0.0)
    params = INSTANCES["DIGITS"]
    responses = []
    for each in (true, spec):
        image, report = compile_with_report(each, CLEAN, params.state_bits, 1, 0.1)
        responses.append(pulse_response(params, image, 40, 50).mean(axis=1) * report.uS_per_code)
    assert np.abs(responses[0] - responses[1]).max() < 0.045 * 18


def jumps(true: DeviceSpec, sigma: float, cells: int = 1, spread: float = 0.0) -> Jumps:
    """Steps of `cells` cells at 41 conductances, four times each, `sigma` of the range; one of 50 is an outlier."""
    rng = np.random.default_rng(1)
    low = true.g_max_uS * true.g_min_share
    span = true.g_max_uS - low
    x = np.tile(np.linspace(0, 1, 41), 4 * cells)
    cell = np.repeat(np.arange(cells), 164)
    factor = np.exp(spread * rng.standard_normal((2, cells)))
    step = np.array(steps(true, x)) * factor[:, cell] + sigma * rng.standard_normal((2, len(x)))
    step = np.where(rng.random(step.shape) < 0.02, rng.uniform(-0.5, 0.5, step.shape), step) * span
    polarity = np.repeat([UP, DOWN], len(x))
    return Jumps(np.tile(cell.astype(str), 2), polarity, np.tile(low + span * x, 2), step.ravel())


@pytest.mark.parametrize("name", ["neurosim", "log", "soft_bounds", "linear_step"])
def test_a_table_of_steps_gives_the_law(name):
    true = TRUE[name]
    spec = fitted(jumps(true, 0.005), true.law.kind)
    assert off_by(spec, true) < 0.05
    assert abs(spec.c2c_sigma - 0.005) < 0.001
    assert "nonideal.step_sigma" in spec.assumed and spec.g_max_uS == pytest.approx(20.0, rel=0.03)


def test_a_table_of_steps_gives_a_measured_curve_and_the_spread_of_cells():
    true = TRUE["neurosim"]
    spec = fitted(jumps(true, 0.003, cells=12, spread=0.3), "measured")
    assert (
        off_by(spec, true) < 0.12
    )  # 12 cells of 30 %: 9 % of the steps, and a twelfth of the curve by binning
    assert 0.15 < spec.nonideal.step_sigma < 0.45 and "nonideal.step_sigma" not in spec.assumed


def test_a_law_that_was_not_fitted_is_refused():
    steep = device("exponential", a_ltp=0.02, a_ltd=-0.02, sigma=0.0)  # labels beyond 9
    found = analyse(measure(steep, CLEAN, cells=2, read=0.001), ("neurosim", "exponential"))
    assert found.choose(None).kind == "exponential"
    with pytest.raises(InputError, match=r"--law: the data are beyond the range of the law neurosim"):
        found.choose("neurosim")


def test_filter_gain_is_that_of_the_steady_kalman_filter():
    p, q, r = 1.0, 0.02**2, 0.03**2
    for _ in range(200):
        m = p + q
        gain = m / (m + r)
        p = (1 - gain) * m
    assert filter_gain(0.02, 0.03) == pytest.approx(gain)
    assert filter_gain(0.0, 0.01) == 0.0 and filter_gain(0.01, 0.0) == pytest.approx(1.0)


def test_points_are_merged_until_they_rise_clearly():
    n = np.arange(5.0)
    kept, values = monotone(n, np.array([0.0, 1.0, 0.9, 1.1, 3.0]), np.ones(5), 0.1)
    np.testing.assert_allclose(values, [0.0, 1.0, 3.0], atol=1e-12)
    np.testing.assert_allclose(kept, [0.0, 2.0, 4.0])
    kept, values = monotone(n, np.array([0.0, -0.1, 1.0, 2.0, 3.0]), np.ones(5), 0.1)
    np.testing.assert_allclose(kept, [0.0, 0.5, 2.0, 3.0, 4.0])  # extrapolated to the first pulse
    assert values[0] == pytest.approx(-0.05 - 1.05 / 3)
