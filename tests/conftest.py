"""Simulator environment, seeds and Hypothesis profiles for every test."""

import os
import zlib

import pytest
from hypothesis import HealthCheck, settings

from sim import toolchain

toolchain.prepare()

# Fixed unless given, so that a failure seen by one person is seen by all: CROSSTRAIN_SEED=<n> draws other samples.
_BASE_SEED = int(os.environ.get("CROSSTRAIN_SEED", "1"))

# Hypothesis draws anew on each run, and prints the @reproduce_failure line of a failure. No deadline, and no complaint
# about slow inputs: the first call of a numba function compiles it.
_COMMON = {
    "deadline": None,
    "derandomize": False,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("dev", max_examples=30, **_COMMON)
settings.register_profile("ci", max_examples=100, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_report_header() -> list[str]:
    icarus = toolchain.icarus_missing() or "icarus " + toolchain.simulator_version("icarus")
    return [
        f"simulators: verilator {toolchain.simulator_version('verilator')}, {icarus}",
        f"seeds: CROSSTRAIN_SEED={_BASE_SEED}, hypothesis profile {settings.get_current_profile_name()}",
    ]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed of its own for each test and parameter set, the same in every run; printed, hence shown on failure."""
    value = zlib.crc32(request.node.nodeid.encode(), _BASE_SEED)
    print(f"seed {value} (CROSSTRAIN_SEED={_BASE_SEED})")
    return value


@pytest.fixture(params=["verilator", "icarus"])
def simulator(request: pytest.FixtureRequest) -> str:
    """Name of each simulator in turn; skips, with the line that installs it, where one is missing."""
    if request.param == "icarus" and (reason := toolchain.icarus_missing()):
        pytest.skip(reason)
    return request.param
