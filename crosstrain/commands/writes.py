"""`writes`: what it costs to write the array open-loop, tuned and with program-verify, measured on the RTL."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain.console import console, simulating, steps, table
from crosstrain.files import make_folder, write
from crosstrain.options import DATA, Device, check_count

MOST_SEEDS = 1000
PULSES = ("PULSES_UP", "PULSES_DOWN")
BOTH = ("transfer", "online")
COLUMNS = {
    "transfer pulses": (("transfer",), PULSES),
    "online pulses": (("online",), PULSES),
    "readings": (BOTH, ("VERIFY_READS",)),
    "given up": (BOTH, ("GIVEN_UP",)),
    "transfer cycles": (("transfer",), ("CYCLES",)),
    "online cycles": (("online",), ("CYCLES",)),
}
"""What the table has of each way: phases, and the counters that are added."""


def register(app: typer.Typer) -> None:
    app.command()(writes)


def writes(
    data: Annotated[str, typer.Option(help=f"{DATA}.")] = "digits",
    device: Device = "EpiRAM",
    rule: Annotated[str | None, typer.Option(help="Update rule: accumulate or counter.")] = None,
    params: Annotated[str | None, typer.Option(help="Hardware: an instance or a .toml file.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of network, devices and order.")] = 3,
    emulated: Annotated[
        bool,
        typer.Option("--emulated", help="With the emulated array, which takes its own times: minutes a run."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for writes.json.")] = None,
) -> None:
    """Count pulses, readings and cycles of each way to write the array, RTL beside golden model; exit 1 on a difference."""
    from sim.write_costs import write_costs
    from spec.run_file import run_from_dict

    options = {"data": data, "device": device, "rule": rule, "params": params}
    values: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    run = run_from_dict(values | {"seeds": list(range(check_count(seeds, 1, MOST_SEEDS, "--seeds")))})
    folder = make_folder(out) if out else None
    with simulating(), steps() as progress:
        found = write_costs(run, progress, emulated=emulated)
    if folder:
        write(folder / "writes.json", json.dumps([asdict(cost) for cost in found], indent=2) + "\n")
    title = f"{data} on {device}, {run.rule}, means of {seeds} seeds, on verilator"
    console().print(table(title, ["way", "accuracy (%)", *COLUMNS], rows(found)))
    mismatches = sum(cost.mismatches for cost in found)
    console().print(f"mismatches {mismatches}")
    if mismatches:
        raise typer.Exit(1)


def rows(found: list) -> list[list[str]]:
    """One row of means for each way."""
    import numpy as np

    from model.training.experiments import mean_and_error

    out = []
    for way in dict.fromkeys(cost.way for cost in found):
        mine = [cost for cost in found if cost.way == way]

        def mean(values: list[int]) -> str:
            return f"{sum(values) / len(values):,.0f}"

        accuracy, error = mean_and_error(np.array([100 * cost.result.accuracy for cost in mine]))
        figures = [mean([cost.total(names, phases) for cost in mine]) for phases, names in COLUMNS.values()]
        out.append([way, f"{accuracy:.2f} ± {error:.2f}", *figures])
    return out
