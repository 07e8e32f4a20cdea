"""`train`: the main job, its table, result and report."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain.console import console, simulating, steps, table
from crosstrain.files import make_folder, write
from crosstrain.options import DATA, Backward, Errors, Out, Simulator, Trained, check_count, check_simulator

DEFAULT_SEEDS = 10
MOST_SEEDS = 1000


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    data: Annotated[str | None, typer.Option(help=f"{DATA}. [default: digits]")] = None,
    params: Annotated[str | None, typer.Option(help="Hardware: an instance or a .toml file.")] = None,
    device: Annotated[str | None, typer.Option(help="Device: a preset or a .toml file.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="Update rule that is built in (`crosstrain params`).")
    ] = None,
    trained: Trained = None,
    backward: Backward = None,
    errors: Errors = None,
    sim: Simulator = "verilator",
    seeds: Annotated[
        int | None, typer.Option(help="Golden seeds; the RTL runs the first. [default: 10]")
    ] = None,
    out: Out = Path("build/run"),
    config: Annotated[
        Path | None, typer.Option(help="Run file; the options above change what it says.")
    ] = None,
    no_rtl: Annotated[bool, typer.Option("--no-rtl", help="Golden model only.")] = False,
) -> None:
    """Train a network the hybrid way, on the golden model and on the RTL; exit 1 when the two differ."""
    options = {
        "data": data,
        "params": params,
        "device": device,
        "rule": rule,
        "trained": trained,
        "backward": backward,
        "errors": errors,
    }
    run = _run(config, options, seeds)
    if not no_rtl:
        check_simulator(sim)
    make_folder(out)
    from sim.main_job import MainSettings, main_job

    with simulating(), steps() as progress:
        result = main_job(run, MainSettings(sim, not no_rtl), progress)
    _write(out, result)
    if result.rtl and (result.rtl.mismatches or result.rtl.result is None):
        raise typer.Exit(1)


def _run(config: Path | None, options: dict[str, str | None], seeds: int | None):
    """The run that the file and the options describe.  Raises `InputError`."""
    from spec.params_file import read_toml
    from spec.run_file import run_from_dict

    values: dict[str, Any] = read_toml(config) if config else {"data": "digits"}
    values |= {key: value for key, value in options.items() if value is not None}
    if options["device"] is not None:
        values.pop("nonideal", None)  # belongs to the device that the file names
    if seeds is not None or "seeds" not in values:
        count = DEFAULT_SEEDS if seeds is None else seeds
        values["seeds"] = list(range(check_count(count, 1, MOST_SEEDS, "--seeds")))
    return run_from_dict(values, source=str(config) if config else "")


def _write(out: Path, result) -> None:
    """Files of the run, result.json last: where it is, the others are complete."""
    from sim.report.page import render
    from sim.report.result import ARRAYS, RESULT, packed, result_arrays, result_json

    figures, arrays = result_json(result), result_arrays(result)
    page = render(figures, arrays)
    write(out / "run.toml", figures["run"])
    write(out / ARRAYS, packed(arrays))
    write(out / "report.html", page)
    write(out / RESULT, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    _print(figures, out)


def _towards(result: dict[str, Any]) -> str:
    """What the epoch followed, where it was not the labels."""
    return "" if result["errors"] == "labels" else f" towards {result['errors']}"


def _print(result: dict[str, Any], out: Path) -> None:
    from sim.report.page import figure, method_rows, percent

    seeds = len(result["seeds"])
    title = f"{result['data']} on {result['device']}, {result['rule']}{_towards(result)}, {seeds} seed{'s' if seeds > 1 else ''}"
    rows = [[m["label"], m["accuracy"], m["gain"], m["pulses"], m["reads"]] for m in method_rows(result)]
    screen = console()
    screen.print(
        table(title, ["method", "test accuracy (%)", "hybrid minus it", "pulses", "verify reads"], rows)
    )
    speed, pulses = result["samples_per_s"], result["pulses"]
    lines = [
        ("online pulses", f"{pulses['online_up']} up, {pulses['online_down']} down"),
        ("samples/s", f"golden {figure(speed['golden'])}, RTL {figure(speed['rtl'])}"),
    ]
    rtl = result["rtl"]
    if rtl and rtl["completed"]:
        stretch = f"{percent(result['array_stretch'], 1)} for what the emulated array takes beyond the programmed times"
        lines.append(("array utilisation", f"{percent(result['array_utilisation'], 1)}, and {stretch}"))
    if rtl:
        end = "" if rtl["completed"] else "; the run broke off"
        lines.append(
            (
                "mismatches",
                f"{result['mismatches']} in {rtl['samples']} samples on {result['simulator']}{end}",
            )
        )
        lines += [("", line) for line in rtl["differences"]]
    for name, text in [*lines, ("report", str(out / "report.html"))]:
        screen.print(f"{name:<18} {text}", markup=False)
