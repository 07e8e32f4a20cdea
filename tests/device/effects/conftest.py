"""Macros and jobs with one effect on, beside those without."""

from dataclasses import replace

import pytest

from model.data import load_data
from model.device.compile import compile_device
from model.device.macro import GoldenMacro
from model.training.offline import train_offline
from model.training.prepare import prepare
from spec.device_file import NonIdealities, load_device
from spec.params import INSTANCES
from spec.run_file import OfflineSettings, default_run


@pytest.fixture
def make_macro():
    """A macro of DIGITS' size with ideal cells but for the keys that are given."""

    def make(device="EpiRAM", seed=1, params=INSTANCES["DIGITS"], **keys):
        spec = replace(load_device(device), c2c_sigma=0.0) if isinstance(device, str) else device
        nonideal = replace(NonIdealities.ideal(), **keys)
        image = compile_device(spec, nonideal, params.state_bits, seed, 0.3, params.read_bits)
        return GoldenMacro(params, image)

    return make


@pytest.fixture(scope="session")
def small():
    """Digits, a run of 300 samples, a quickly trained network."""
    run = default_run("digits")
    run = replace(
        run, offline=OfflineSettings(epochs=10, batch=20), threshold=1 << 15, margin=20.0, train_samples=300,
        test_samples=100,
    )  # fmt: skip
    data = load_data("digits")
    return run, data, train_offline(data, run.params, run.offline, seed=1)


@pytest.fixture
def make_small_job(small):
    """The job of that run with some keys of [nonideal] set."""
    run, data, net = small

    def make(seed=1, **keys):
        return prepare(replace(run, nonideal=replace(run.nonideal, **keys)), data, net, seed)

    return make
