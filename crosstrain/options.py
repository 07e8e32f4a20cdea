"""Options that several commands share, and their checks."""

from pathlib import Path
from typing import Annotated

import typer

from spec.errors import InputError

DATA = "digits, mnist, fashion-mnist, an .npz file, or a folder of IDX files"

Device = Annotated[
    str, typer.Option("--device", help="Device: a preset (`crosstrain devices`) or a .toml file.")
]
Simulator = Annotated[str, typer.Option("--sim", help="Simulator: verilator or icarus.")]
Trained = Annotated[
    str | None,
    typer.Option("--trained", help="Layers that train, of an analog upper layer: first, last, both."),
]
Backward = Annotated[
    str | None,
    typer.Option(
        "--backward",
        help="Errors from a copy of an analog upper layer, or transposed reads: copy, transposed.",
    ),
]
Errors = Annotated[
    str | None,
    typer.Option(
        "--errors",
        help="What the online epoch follows: labels, or codes of the offline network's hidden units.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes that measure. [default: one for each core]")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Measure on a Dask cluster instead: tcp://..., its scheduler's address.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]


def check_simulator(name: str) -> str:
    """A simulator that exists and is installed, or `InputError`."""
    from sim.runner import SIMULATORS
    from sim.toolchain import icarus_missing

    if name not in SIMULATORS:
        raise InputError(f"{name!r} is not one of {', '.join(SIMULATORS)}", key="--sim")
    if name == "icarus" and (reason := icarus_missing()):
        raise InputError(reason, key="--sim")
    return name


def check_rule(rule: str, params) -> str:
    """An update rule that is built in, or `InputError`."""
    if rule not in params.rules:
        raise InputError(f"{rule!r} is not built into {params.name}: {', '.join(params.rules)}", key="--rule")
    return rule


def check_count(value: int, low: int, high: int, option: str) -> int:
    """A count in low..high, or `InputError`."""
    if not low <= value <= high:
        raise InputError(f"{value} is outside {low}..{high}", key=option)
    return value
