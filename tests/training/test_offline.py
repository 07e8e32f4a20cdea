"""The software network learns, is the same for the same seed, and keeps its weights where it should."""

from dataclasses import replace

import numpy as np
import pytest

from model.training.offline import Adam, accuracy, train_offline
from spec.run_file import OfflineSettings


@pytest.mark.parametrize("kind", ["plain", "noise-aware"])
def test_learns_digits(digits, digits_run, kind):
    settings = OfflineSettings(kind=kind, epochs=40, batch=20)
    net = train_offline(digits, digits_run.params, settings, seed=3)
    assert net.hidden.shape == (65, 32) and net.upper.shape == (33, 10)
    assert net.train_accuracy > 0.95
    assert net.test_accuracy > 0.93
    assert net.test_accuracy == accuracy(net.layers, digits.test)


def test_same_seed_same_weights(digits, digits_run):
    settings = replace(digits_run.offline, epochs=2)
    first, second, other = (train_offline(digits, digits_run.params, settings, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.hidden, second.hidden) and np.array_equal(first.upper, second.upper)
    assert not np.array_equal(first.hidden, other.hidden)


def test_noise_aware_weights_are_clipped(net, digits_run):
    for weights in (net.hidden, net.upper):
        # the deviation shrinks by the last clipping itself
        assert np.abs(weights).max() <= 1.05 * digits_run.offline.clip * weights.std()


def test_progress_counts_epochs(digits, digits_run):
    calls = []
    train_offline(
        digits, digits_run.params, replace(digits_run.offline, epochs=3), 0, lambda *c: calls.append(c)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_unused_inputs_leave_no_denormals(digits, digits_run):
    # pixels that are 0 in every sample have a gradient of exactly 0
    weights = np.zeros((2, 2), np.float32)
    adam = Adam(weights)
    for _ in range(2000):
        adam.step(np.zeros((2, 2), np.float32), 1e-3)
    assert np.abs(adam._second).min() >= np.finfo(np.float32).tiny
