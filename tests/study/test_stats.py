"""Intervals over networks and arrays."""

import numpy as np

from model.study.stats import interval


def test_single_value_has_no_interval():
    assert interval(np.array([[0.9]])) == (0.9, 0.9, 0.9)


def test_interval_holds_the_mean_in_as_many_cases_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        nets, arrays = rng.normal(0, 1, (8, 1)), rng.normal(0, 1, (8, 12))
        found = interval(nets + arrays, resamples=400)
        held += found.low <= 0 <= found.high
    assert 170 <= held  # eight networks are few: a little below 95 %


def test_networks_that_differ_widen_it_more_than_arrays_that_do():
    spread = np.arange(4.0)
    by_net, by_array = interval(np.tile(spread[:, None], 16)), interval(np.tile(np.tile(spread, 4), (4, 1)))
    assert by_net.mean == by_array.mean == 1.5
    assert by_net.high - by_net.low > 1.5 * (by_array.high - by_array.low)


def test_missing_values_are_left_out():
    values = np.array([[1.0, np.nan], [1.0, 1.0]])
    assert interval(values) == (1.0, 1.0, 1.0)
    assert np.isnan(interval(np.full((2, 2), np.nan))).all()


def test_same_values_give_the_same_interval():
    values = np.random.default_rng(1).normal(size=(3, 10))
    assert interval(values) == interval(values)
