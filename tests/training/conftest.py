"""One data set, one software network and the jobs made of them, shared by the tests of a worker."""

from dataclasses import replace

import pytest

from model.data import load_data
from model.training.offline import train_offline
from model.training.prepare import prepare
from spec.device_file import NonIdealities, load_device
from spec.run_file import OfflineSettings, default_run


@pytest.fixture(scope="session")
def digits():
    return load_data("digits")


@pytest.fixture(scope="session")
def digits_run():
    """A run on a device whose spread leaves much to repair; thresholds stated, so that nothing is searched."""
    device = load_device("TaOx/HfOx")
    harsh = replace(device.nonideal, step_sigma=0.4, range_sigma=0.1, stuck=0.05, read_sigma=0.05)
    return replace(
        default_run("digits"),
        device=device,
        nonideal=harsh,
        offline=OfflineSettings(epochs=40, batch=20),
        threshold=1 << 16,
        margin=20.0,
    )


@pytest.fixture(scope="session")
def net(digits, digits_run):
    return train_offline(digits, digits_run.params, digits_run.offline, seed=1)


@pytest.fixture(scope="session")
def make_job(digits, digits_run, net):
    """A job of this run with changes, for one seed."""

    def make(seed: int = 1, **changes):
        return prepare(replace(digits_run, **changes), digits, net, seed)

    return make


@pytest.fixture(scope="session")
def ideal_run(digits_run):
    """The same run on 256 equal steps, without spread or noise."""
    return replace(digits_run, device=load_device("linear"), nonideal=NonIdealities.ideal())
