"""Networks that were trained once are taken again, but only where nothing that decides their weights has changed."""

from dataclasses import replace

import numpy as np
import pytest

from model.training import kept
from model.training.kept import kept_net
from spec.run_file import OfflineSettings


@pytest.fixture
def trained(monkeypatch):
    """How often a network was trained."""
    calls = []
    whole = kept.train_offline

    def train(*arguments):
        calls.append(arguments)
        return whole(*arguments)

    monkeypatch.setattr(kept, "train_offline", train)
    return calls


SHORT = OfflineSettings(epochs=1, batch=200)


def test_a_network_is_trained_once(digits, digits_run, trained, tmp_path):
    first, second = (kept_net(digits, digits_run.params, SHORT, 5, folder=tmp_path) for _ in range(2))
    assert len(trained) == 1
    assert all(np.array_equal(a, b) and type(a) is type(b) for a, b in zip(first, second, strict=True))
    assert len(list(tmp_path.iterdir())) == 1


def test_what_decides_the_weights_makes_another(digits, digits_run, trained, tmp_path):
    params, other_data = digits_run.params, replace(digits, digests={"pixels": "0"})
    for changed in ((digits, params, SHORT, 5), (digits, params, SHORT, 6), (other_data, params, SHORT, 5),
                    (digits, params, replace(SHORT, kind="plain"), 5), (digits, replace(params, columns=64), SHORT, 5)):  # fmt: skip
        kept_net(*changed, folder=tmp_path)
    assert len(trained) == 5


def test_progress_ends_either_way(digits, digits_run, tmp_path):
    seen = []
    for calls in (1, 2):
        kept_net(digits, digits_run.params, SHORT, 5, lambda *done: seen.append(done), folder=tmp_path)
        assert seen == [(1, 1)] * calls
