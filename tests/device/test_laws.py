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
    assert (up[:-1] > 0).all() and (down[1:] > 0).all() and max(up.max(), down.max()) < 0.5
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
