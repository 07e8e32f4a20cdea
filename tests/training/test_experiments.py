"""Thresholds come from the validation split, and what a run states is kept."""

from dataclasses import replace

import numpy as np
import pytest

from model.training import experiments
from model.training.experiments import choose_thresholds, mean_and_error, resolve
from spec.run_file import AUTO


def test_test_data_do_not_move_the_choice(digits, digits_run, net, monkeypatch):
    monkeypatch.setitem(experiments.GRID, "accumulate", (1 << 13, 1 << 16))
    monkeypatch.setattr(experiments, "CHOICE_TESTS", 700)
    run = replace(digits_run, threshold=AUTO, train_samples=300)
    rng = np.random.default_rng(0)
    other = replace(digits, test=replace(digits.test, labels=rng.permutation(digits.test.labels)))
    assert choose_thresholds(run, digits, net) == choose_thresholds(run, other, net)


def test_stated_thresholds_are_kept(digits, digits_run, net):
    assert resolve(digits_run, digits, net) == digits_run


def test_mean_and_standard_error():
    assert mean_and_error(np.array([1.0, 2.0, 3.0])) == (2.0, pytest.approx(1 / 3**0.5))
    assert mean_and_error(np.array([0.5])) == (0.5, 0.0)
