"""What benches of this folder share."""

import pytest

from sim.fast import build


@pytest.fixture
def short_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations of whole epochs that run a moment are not optimised: their builds take half the time."""
    monkeypatch.setattr(build, "COMPILED", "-O0")
