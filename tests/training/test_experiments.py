"""Thresholds come from the validation split, and every method is measured on the same seeds."""

from dataclasses import replace

import numpy as np
import pytest

from model.training import experiments
from model.training.experiments import METHODS, choose_thresholds, compare, mean_and_error, resolve
from spec.choices import CHANCE_RULES, RULES
from spec.run_file import AUTO


@pytest.fixture(scope="module")
def comparison(digits, digits_run):
    run = replace(digits_run, params=replace(digits_run.params, rules=RULES), seeds=(1, 2), margin=AUTO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(experiments.GRID, "counter", (3, 16))
        for rule in CHANCE_RULES:
            patch.setitem(experiments.GRID, rule, (16,))
        patch.setattr(experiments, "CHOICE_TESTS", 700)
        return compare(run, digits, METHODS)


def test_every_method_has_a_value_for_each_seed(comparison):
    assert set(comparison.arrays()) == set(METHODS)
    for values in comparison.arrays().values():
        assert values.shape == (2,) and (values > 0.5).all() and (values <= 1).all()
    assert np.array_equal(comparison.values("software"), comparison.values("software noise-aware"))
    assert not np.array_equal(comparison.values("software"), comparison.values("software plain"))


def test_hybrid_beats_open_loop_and_the_software_beats_all(comparison):
    for method in (*(f"hybrid {rule}" for rule in RULES), "last layer", "verify pair"):
        gain, _ = comparison.gain(method, "open loop")
        assert gain > 0.03
        gap, _ = comparison.gain("software", method)
        assert gap > 0


def test_costs_are_counted(comparison):
    def costs(method):
        return [
            comparison.values(method, what).min() > 0
            for what in ("transfer_pulses", "online_pulses", "verify_reads")
        ]

    assert costs("software") == [False, False, False]
    assert costs("open loop") == costs("last layer") == [True, False, False]
    assert costs("hybrid accumulate") == costs("hybrid counter") == [True, True, False]
    assert costs("verify cell") == costs("verify pair") == [True, False, True]
    assert costs("verify pair + hybrid") == [True, True, True]


def test_chosen_thresholds_are_of_the_grid(comparison, digits_run):
    threshold, margin = comparison.chosen["accumulate"]
    assert (
        threshold == digits_run.threshold and margin in experiments.MARGINS
    )  # only the margin was left open
    threshold, margin = comparison.chosen["counter"]
    assert threshold in experiments.GRID["counter"] and margin in experiments.MARGINS


def test_test_data_do_not_move_the_choice(digits, digits_run, net, monkeypatch):
    monkeypatch.setitem(experiments.GRID, "accumulate", (1 << 13, 1 << 16))
    monkeypatch.setattr(experiments, "CHOICE_TESTS", 700)
    run = replace(digits_run, threshold=AUTO, train_samples=300)
    rng = np.random.default_rng(0)
    other = replace(digits, test=replace(digits.test, labels=rng.permutation(digits.test.labels)))
    assert choose_thresholds(run, digits, net) == choose_thresholds(run, other, net)


def test_stated_thresholds_are_kept(digits, digits_run, net):
    assert resolve(digits_run, digits, net) == digits_run


def test_unknown_method_is_refused(digits, digits_run):
    with pytest.raises(KeyError, match="tiki-taka"):
        compare(digits_run, digits, ["tiki-taka"])


def test_mean_and_standard_error():
    assert mean_and_error(np.array([1.0, 2.0, 3.0])) == (2.0, pytest.approx(1 / 3**0.5))
    assert mean_and_error(np.array([0.5])) == (0.5, 0.0)
