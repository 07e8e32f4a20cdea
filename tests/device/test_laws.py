"""The float laws against their closed forms."""

from dataclasses import replace
from math import exp, expm1, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.device.laws import LAWS, label_of, nominal_curve, pulses_to_reach, steps, time_constant
from spec import device_law
from spec.device_file import device_from_dict, load_device, preset_names


def device(kind, states=50, **law):
    return device_from_dict(
        {
            "name": "d",
            "source": "s",
            "states_up": states,
            "states_down": states,
            "g_max_uS": 1.0,
            "on_off": 10.0,
        }
        | {"law": {"kind": kind, **law}}
    )


def test_every_law_of_the_file_format_has_its_function():
    assert set(LAWS) == set(device_law.LAWS)


@given(st.floats(0.001, 9.0))
def test_label_and_time_constant_are_inverse(label):
    assert abs(label_of(time_constant(label)) - label) < 1e-6
    assert time_constant(-label) == time_constant(label)


def test_label_falls_with_the_time_constant():
    labels = [label_of(a) for a in np.geomspace(1e-3, 1e5, 500)]
    assert (np.diff(labels) < 0).all()
    assert time_constant(0.0) == inf
    assert abs(label_of(100.0) - 10.1015 / 800) < 1e-6  # the series for large a: 10.1015 / (8 a)


@pytest.mark.parametrize(
    ("nl_ltp", "nl_ltd"), [(2.4, -4.88), (1.75, 1.46), (0.04, -0.63), (7.5, 8.0), (0.0, 0.0)]
)
def test_neurosim_follows_the_published_curves(nl_ltp, nl_ltd):
    spec = device("neurosim", nl_ltp=nl_ltp, nl_ltd=nl_ltd)
    p = np.arange(51)

    def curve(label):  # G_LTP(P), Gmin 0 and Gmax 1
        a = time_constant(label) * 50
        return p / 50 if a == inf else np.expm1(-p / a) / expm1(-50 / a)

    np.testing.assert_allclose(nominal_curve(spec), curve(nl_ltp), atol=1e-9)
    down = curve(nl_ltd)[::-1] if nl_ltd >= 0 else 1 - curve(nl_ltd)
    np.testing.assert_allclose(nominal_curve(spec, 1), down, atol=1e-9)


def test_step_ratio_over_the_range_is_the_exponential_of_the_time_constant():
    up, _ = steps(device("exponential", a_ltp=0.3, a_ltd=-0.3), [0.0, 1.0])
    assert abs(up[0] / up[1] - exp(1 / 0.3)) < 1e-6


@pytest.mark.parametrize("b_down", [-4.0, 4.0])
def test_log_law_is_the_charge_trap_curve(b_down):
    spec = device("log", b_up=3.0, b_down=b_down)
    n = np.arange(51)
    np.testing.assert_allclose(nominal_curve(spec), np.log(1 + n * expm1(3) / 50) / 3, atol=1e-9)
    back = np.log(1 + n * expm1(4) / 50) / 4
    np.testing.assert_allclose(nominal_curve(spec, 1), back[::-1] if b_down > 0 else 1 - back, atol=1e-9)
    first = steps(device("log", states=64, b_up=5.0, b_down=-5.0), 0.0)[0]
    assert abs(first - log(1 + expm1(5) / 64) / 5) < 1e-12  # not the derivative, which is 1.9 times that


def test_soft_bounds_decay_geometrically():
    spec = device("soft_bounds", a_up=0.1, a_down=0.2)
    np.testing.assert_allclose(nominal_curve(spec), 1 - 0.9 ** np.arange(51), atol=1e-12)
    np.testing.assert_allclose(nominal_curve(spec, 1), 0.8 ** np.arange(51), atol=1e-12)


def test_linear_step_is_the_formula_of_aihwkit():
    spec = device("linear_step", a_up=0.02, a_down=0.03, slope_up=0.25, slope_down=-0.5)
    w = np.linspace(-1, 1, 9)  # w_max = -w_min = 1: dw = 2 dx
    up, down = steps(spec, (w + 1) / 2)
    np.testing.assert_allclose(2 * up, 0.04 * (1 - 0.25 * w / 1))
    np.testing.assert_allclose(2 * down, 0.06 * (1 - -0.5 * w / -1))


def test_exp_step_is_the_formula_of_aihwkit_and_never_steps_back():
    w = np.linspace(-1, 1, 9)
    z = 2 * 0.244 * w / 2 + 0.2425  # aihwkit's defaults, a CMOS-like device
    a_up, a_down, gamma_up, gamma_down = 0.00081, 0.36833, 12.44625, 12.78785
    spec = device(
        "exp_step",
        a_up=0.01,
        a_down=0.02,
        amp_up=a_up * exp(gamma_up * z[0]),
        amp_down=a_down * exp(-gamma_down * z[0]),
        rate_up=gamma_up * (z[-1] - z[0]),
        rate_down=-gamma_down * (z[-1] - z[0]),
    )
    up, down = steps(spec, (w + 1) / 2)
    np.testing.assert_allclose(2 * up, 0.02 * np.maximum(1 - a_up * np.exp(gamma_up * z), 0))
    np.testing.assert_allclose(2 * down, 0.04 * np.maximum(1 - a_down * np.exp(-gamma_down * z), 0))
    assert (steps(device("exp_step", **dict(spec.law.values) | {"amp_up": 5.0}), 0.5)[0] == 0.0).all()


def test_pow_step_is_the_formula_of_aihwkit_and_1_makes_it_soft_bounds():
    x = np.linspace(0, 1, 9)
    up, down = steps(device("pow_step", a_up=0.1, a_down=0.2, pow_up=2.0, pow_down=0.5), x)
    w, w_max, w_min = 2 * x - 1, 1, -1
    omega = (w_max - w) / (w_max - w_min)
    np.testing.assert_allclose(2 * up, 0.2 * omega**2.0)
    np.testing.assert_allclose(2 * down, 0.4 * (1 - omega) ** 0.5)
    soft = steps(device("soft_bounds", a_up=0.1, a_down=0.2), x)
    np.testing.assert_allclose(
        steps(device("pow_step", a_up=0.1, a_down=0.2, pow_up=1.0, pow_down=1.0), x), soft
    )


LINEAR_STEP = {"ECRAM-Li": (0.002, 1.1724, -0.8276, 0.1153, 0.5085)} | {
    "ECRAM-MO": (2.8214e-4, 1.1714, -0.8286, 0.4152, 0.7342)
}
EXP_STEP = {  # dw_min, up_down, w_min, w_max, a, b, gamma, A_up, A_down
    "ReRAM-ES": (0.00135, 0.259359, -1, 1, -0.5, -0.5, 5.0, -1.18445, -0.081404),
    "PCM": (0.01, 0.0, 0, 2, -1.0, 0.0, 2.5, -27.235, -2.235),
}
SOFT_BOUNDS = {  # dw_min, w_max, w_min
    "ReRAM-OM": (0.0949, 1, -1),
    "ReRAM-HfO2": (0.4622, 1, -1),
    "ReRAM-SB": (0.002, 1.25, -0.75),
}


@pytest.mark.parametrize("name", [*LINEAR_STEP, *EXP_STEP, *SOFT_BOUNDS, "Gokmen-Vlasov"])
def test_presets_of_signed_devices_step_as_aihwkit_does(name):
    """Its figures and formulas, on weights; the presets round theirs to five digits."""
    x = np.linspace(0, 1, 21)
    if name in LINEAR_STEP:
        dw_min, w_max, w_min, gamma_up, gamma_down = LINEAR_STEP[name]
        w = w_min + (w_max - w_min) * x
        wanted = dw_min * (1 - gamma_up * w / w_max), dw_min * (1 - gamma_down * w / w_min)
    elif name in EXP_STEP:
        dw_min, up_down, w_min, w_max, a, b, gamma, amp_up, amp_down = EXP_STEP[name]
        z = 2 * a * (w_min + (w_max - w_min) * x) / (w_max - w_min) + b
        wanted = (
            dw_min * (1 + up_down) * np.maximum(1 - amp_up * np.exp(gamma * z), 0),
            dw_min * (1 - up_down) * np.maximum(1 - amp_down * np.exp(-gamma * z), 0),
        )
    elif name in SOFT_BOUNDS:
        dw_min, w_max, w_min = SOFT_BOUNDS[name]
        w = w_min + (w_max - w_min) * x
        wanted = dw_min * (1 - w / w_max), dw_min * (1 - w / w_min)
    else:
        w_min, w_max = -1, 1
        wanted = np.full((2, 21), 0.0016)
    got = np.array(steps(load_device(name), x)) * (w_max - w_min)
    np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-12)


def measured(up, down, **law):
    law = {"kind": "measured", "up_uS": list(up), "down_uS": list(down), **law}
    return device_from_dict({"name": "m", "source": "s", "law": law})


def test_measured_curve_is_followed():
    up = 1.0 + 9.0 * np.sqrt(np.arange(41) / 40)
    down = 10.0 - 9.0 * np.sqrt(np.arange(31) / 30)
    spec = measured(up, down)
    assert (spec.states_up, spec.states_down, spec.g_max_uS, spec.on_off) == (40, 30, 10.0, 10.0)
    np.testing.assert_allclose(nominal_curve(spec), (up - 1) / 9, atol=1e-12)
    np.testing.assert_allclose(nominal_curve(spec, 1), (down - 1) / 9, atol=1e-12)
    thinned = measured(up[::5], down[::5], up_pulses=list(range(0, 41, 5)), down_pulses=list(range(0, 31, 5)))
    np.testing.assert_allclose(nominal_curve(thinned)[::5], (up[::5] - 1) / 9, atol=1e-12)


def test_measured_curves_of_different_ranges_hold_their_end_steps():
    spec = measured([2.0, 4.0, 5.0], [6.0, 3.0, 1.0])
    up, down = steps(spec, [0.0, 0.2, 0.8, 1.0])  # the range is 1..6, the up curve covers 0.2..0.8
    np.testing.assert_allclose(up, [0.4, 0.4, 0.2, 0.2])
    np.testing.assert_allclose(down, [0.4, 0.4, 0.8 - 0.4 * 2 / 3, 0.6])
    assert measured([0.0, 1.0, 2.0], [2.0, 1.0, 0.0]).g_min_share == 0.0


@pytest.mark.parametrize("name", preset_names())
def test_presets_step_forward_over_the_whole_range(name):
    spec = load_device(name)
    x = np.linspace(0, 1, 101)
    up, down = steps(spec, x)
    largest = 2.0 if name == "PCM" else 0.5  # its depression is a melt: one pulse from the top empties it
    assert (up[:-1] > 0).all() and (down[1:] > 0).all() and max(up.max(), down.max()) < largest
    for polarity, end in ((0, 1.0), (1, 0.0)):
        curve = nominal_curve(spec, polarity)
        assert abs(curve[-1] - end) < 2e-3  # soft bounds reach 0.998; every other law its rail
        assert (np.diff(curve) * (-1) ** polarity >= 0).all()


@pytest.mark.parametrize("name", preset_names())
def test_pulses_to_reach_is_the_nearest_count(name):
    spec = load_device(name)
    x = np.linspace(-0.1, 1.1, 97).reshape(1, 97)
    counts, curve = pulses_to_reach(spec, x), nominal_curve(spec)
    assert counts.shape == x.shape and counts.dtype == np.int64
    best = np.abs(curve[:, None] - np.clip(x[0], 0, 1)).min(axis=0)
    np.testing.assert_allclose(np.abs(curve[counts[0]] - np.clip(x[0], 0, 1)), best, atol=1e-12)
    assert counts[0, 0] == 0
    assert replace(spec, name="other").states_up >= counts.max()
