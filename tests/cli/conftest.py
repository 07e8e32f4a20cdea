"""The program run in this process, and a data set that fits TINY."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from crosstrain.cli import main


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def program(monkeypatch, capfd) -> Callable[..., Outcome]:
    """Call it with arguments: exit status, stdout and stderr of `crosstrain`."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["crosstrain", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        return Outcome(left.value.code or 0, out, err)

    return call


@pytest.fixture
def bad_input(program) -> Callable[..., str]:
    """Call it with arguments that are wrong: checks exit status 2 and one line on stderr, and returns the line."""

    def call(*arguments: object) -> str:
        outcome = program(*arguments)
        assert outcome.status == 2, outcome
        assert outcome.err.startswith("crosstrain: ") and outcome.err.count("\n") == 1, outcome.err
        assert outcome.out == ""
        return outcome.err.removeprefix("crosstrain: ").strip()

    return call


def save_data(path: Path, samples: int, inputs: int = 8, classes: int = 3) -> Path:
    """An .npz of noisy copies of one image per class."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (classes, inputs))
    arrays = {}
    for part, count in (("train", samples), ("test", max(1, samples // 4) if samples else 0)):
        labels = np.arange(count) % classes
        arrays[f"x_{part}"] = (images[labels] * rng.uniform(0.7, 1.0, (count, inputs))).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(path, **arrays)
    return path


def save_config(path: Path, data: Path) -> Path:
    """A run of a second on TINY."""
    path.write_text(
        f'data = "{data}"\nparams = "TINY"\ndevice = "AlOx/HfO2"\nseeds = [3, 4]\nthreshold = 4096\nmargin = 40\n'
        "[offline]\nepochs = 3\n"
    )
    return path


@pytest.fixture
def data(tmp_path) -> Path:
    return save_data(tmp_path / "tiny.npz", 240)


@pytest.fixture
def config(tmp_path, data) -> Path:
    return save_config(tmp_path / "run.toml", data)
