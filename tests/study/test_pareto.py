"""Costs at equal accuracy."""

from model.study.pareto import EQUAL, cheapest, level

ACCURACIES = [0.90, 0.95, 0.97]
COSTS = {"pulses": [1.0, 5.0, 9.0], "time": [None, 7.0, 3.0], "energy": [None, None, None]}


def test_each_cost_is_the_lowest_of_the_settings_that_reach_the_accuracy():
    assert cheapest(ACCURACIES, COSTS, 0.95) == {"pulses": 5.0, "time": 3.0, "energy": None}
    assert cheapest(ACCURACIES, COSTS, 0.96) == {"pulses": 9.0, "time": 3.0, "energy": None}
    assert cheapest(ACCURACIES, COSTS, 0.0) == {"pulses": 1.0, "time": 3.0, "energy": None}


def test_an_accuracy_that_no_setting_reaches_has_no_cost():
    assert cheapest(ACCURACIES, COSTS, 0.98) is None


def test_accuracies_are_equal_within_a_tenth_of_a_point():
    assert level(ACCURACIES) == 0.97 - EQUAL == 0.969
