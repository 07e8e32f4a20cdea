"""Drift and retention: the states after a stated time are those of the formula, once."""

import numpy as np
import pytest

from model.device.array import GoldenArray
from model.device.effects.age import Wait, pass_time, passing
from spec.effects import ModelEffects
from spec.params import INSTANCES

DIGITS = INSTANCES["DIGITS"]
SHAPE = (DIGITS.rows, DIGITS.columns, 2)


def aged(macro, wait=Wait.TRANSFER):
    pass_time(macro.state, passing(macro.image.effects.settings, wait))
    return macro.conductances().astype(float)


def high_states(macro):
    states = np.random.default_rng(0).integers(30000, 55000, SHAPE)
    macro.load(states)
    return macro.conductances().astype(float)


def test_drift_is_the_power_law(make_macro):
    macro = make_macro(drift_nu=0.05, drift_t0_s=20.0, age_s=980.0)
    before = high_states(macro)
    assert abs(aged(macro) / before - 50**-0.05).max() < 1e-4  # a state code of 30000, factors of 16 bits


def test_the_exponent_is_spread_over_cells(make_macro):
    macro = make_macro(drift_nu=0.04, drift_sigma=0.25, drift_t0_s=1.0, age_s=999.0)
    before = high_states(macro)
    nu = -np.log(aged(macro) / before) / np.log(1000.0)
    assert nu.mean() == pytest.approx(0.04, abs=5 * 0.01 / before.size**0.5)
    assert nu.std() == pytest.approx(0.01, rel=0.05)
    assert nu.min() > -1e-5


def test_the_time_after_the_epoch_goes_on_where_the_first_ended():
    settings = ModelEffects(drift_nu=0.05, age_s=100.0, shelf_s=900.0, drift_t0_s=1.0)
    first, second = (passing(settings, wait).drift[0] / 65536 for wait in (Wait.TRANSFER, Wait.EPOCH))
    assert first * second == pytest.approx(1001**-0.05, abs=3e-5)


def test_retention_is_an_exponential_towards_rest(make_macro):
    macro = make_macro(retention_s=1000.0, retention_rest=0.25, age_s=500.0)
    before = high_states(macro)
    low, span = macro.image.section("low")[0], macro.image.section("span")[0]
    rest = low + span * 0.25
    wanted = rest + (before - rest) * np.exp(-0.5)
    assert abs(aged(macro) - wanted).max() < 2.0  # codes; factors and rest have 16 bits


def test_the_time_constant_is_spread_over_cells(make_macro):
    macro = make_macro(retention_s=1000.0, retention_sigma=0.5, age_s=500.0)
    before, low = high_states(macro), macro.image.section("low")[0]
    tau = -500.0 / np.log((aged(macro) - low) / (before - low))
    assert np.median(tau) == pytest.approx(1000.0, rel=0.04)
    assert np.log(tau).std() == pytest.approx(0.5, rel=0.05)


def test_stuck_cells_hold_and_none_leaves_its_range(make_macro):
    macro = make_macro(stuck=0.3, stuck_low=0.0, stuck_high=0.0, low_sigma=0.3, drift_nu=1.0, age_s=1e9)
    held = macro.state.stuck == 1
    before = macro.conductances()
    after = aged(macro)
    assert np.array_equal(after[held], before[held])
    lowest = np.array(macro.image.section("low"))[macro.state.quantiles >> 24]
    assert np.array_equal(after[~held], lowest[~held])


def test_time_passes_once_before_the_next_read(make_macro):
    image = make_macro(retention_s=100.0, age_s=100.0, shelf_s=50.0).image
    array = GoldenArray(DIGITS, image)
    array.load(np.full(SHAPE, 40000))
    low = image.section("low")[0]
    heights = []
    for wait in (None, Wait.TRANSFER, None, Wait.EPOCH, None):
        if wait:
            array.written(wait)
        array.settle()
        heights.append((array.conductances().mean() - low) / (40000 - low))
    assert heights == pytest.approx(np.exp([0, -1, -1, -1.5, -1.5]).tolist(), abs=1e-4)


def test_reads_see_the_aged_states(make_macro):
    macro = make_macro(retention_s=100.0, age_s=100.0)
    high_states(macro)
    aged(macro)
    states = macro.conductances().astype(int) >> (DIGITS.state_bits - DIGITS.read_bits)
    assert np.array_equal(macro.state.diff, states[..., 0] - states[..., 1])


def test_no_time_changes_nothing():
    assert passing(ModelEffects(drift_nu=0.1), Wait.TRANSFER) is None
    assert passing(ModelEffects(drift_nu=0.1, age_s=1.0), Wait.NOTHING) is None
    assert passing(ModelEffects(drift_nu=0.1, age_s=1.0), Wait.EPOCH) is None
