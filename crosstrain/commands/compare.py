"""`compare`: many methods on many arrays, one table."""

from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain.console import console, steps, table
from crosstrain.files import make_folder, write
from crosstrain.options import DATA, Out, Scheduler, Workers, check_count
from spec.errors import InputError


def register(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    data: Annotated[str | None, typer.Option(help=f"{DATA}. [default: digits]")] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Device preset or file; once for each table. [default: EpiRAM]")
    ] = None,
    params: Annotated[str | None, typer.Option(help="Hardware: an instance or a .toml file.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Method; once for each line. [default: those of --list with a *]")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Method that the others are paired with, and that a map is of. [default: the hybrid one with labels]"
        ),
    ] = None,
    nets: Annotated[int, typer.Option(help="Offline networks.")] = 3,
    arrays: Annotated[int, typer.Option(help="Arrays, each network on all of its own.")] = 10,
    tries: Annotated[int, typer.Option(help="Arrays on which each method's settings are chosen.")] = 2,
    config: Annotated[
        Path | None, typer.Option(help="Run file without seeds; the options above change what it says.")
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE,VALUE..: a table for each value of a run file's key; two of them draw a map."
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    out: Out = Path("build/compare"),
    every: Annotated[bool, typer.Option("--all", help="All methods that need no other package.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the methods, and do no more.")] = False,
) -> None:
    """Measure methods on many arrays of a device: accuracy with its interval, pulses, reads, time and energy.

    A comparison that was stopped goes on where it was.
    """
    from model.study.compare import MAIN, NET_STRIDE, REFERENCE, RESULTS, Plan, over_axes
    from model.study.compare import compare as measured
    from model.study.controls import LISTED, METHODS

    if listed:
        _list(LISTED, MAIN)
        return
    for name, n in (("nets", nets), ("arrays", arrays), ("tries", tries)):
        check_count(n, 1, NET_STRIDE, f"--{name}")
    methods = tuple(METHODS) if every else tuple(method or MAIN)
    runs, axes = _runs(config, {"data": data, "params": params}, device), _axes(over or [])
    if axes:
        if len(runs) > 1:
            raise InputError("with --over there is one device", key="--device")
        runs = over_axes(next(iter(runs.values())), axes)
    plan = Plan(runs, methods, nets, arrays, tries, reference or REFERENCE)
    make_folder(out)
    with steps() as progress:
        lines = measured(plan, out, workers=workers, scheduler=scheduler, progress=progress)
    _show(plan, lines, axes, out, out / RESULTS)
    if any(line.failed for line in lines):
        raise typer.Exit(1)


def _runs(
    config: Path | None, options: dict[str, str | None], devices: list[str] | None
) -> dict[str, dict[str, Any]]:
    """Run files by the label of their table.  Raises `InputError`."""
    from spec.params_file import read_toml

    values: dict[str, Any] = read_toml(config) if config else {"data": "digits"}
    values |= {key: value for key, value in options.items() if value is not None}
    if devices is None and "device" in values:
        name = (
            values["device"] if isinstance(values["device"], str) else values["device"].get("name", "device")
        )
        return {name: values}
    if devices is None:
        devices = ["EpiRAM"]
    elif "device" in values:
        values.pop("nonideal", None)  # belongs to the device that the file names
    return {
        Path(name).stem if name.endswith(".toml") else name: values | {"device": name} for name in devices
    }


def _axes(options: list[str]) -> dict[str, list]:
    """Values by dotted key; each as TOML has it, or a text.  Raises `InputError`."""
    axes = {}
    for option in options:
        key, equals, texts = option.partition("=")
        if not equals or not key or not texts:
            raise InputError(f"{option!r} is not KEY=VALUE,VALUE..", key="--over")
        axes[key] = [_value(text.strip()) for text in texts.split(",")]
    return axes


def _value(text: str):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _list(methods: dict, main: tuple[str, ...]) -> None:
    rows = [
        [f"{name} *" if name in main else name, one.about + (f" ({one.remark})" if one.remark else "")]
        for name, one in methods.items()
    ]
    console().print(table("Methods", ["method", "what it does"], rows, text_columns=2))


def _show(plan, lines: list, axes: dict[str, list], out: Path, results: Path) -> None:
    from sim.report.compare_page import BRIEF, COLUMNS, COMPARISON, headings, render, row

    page = render(plan, lines, axes)
    write(out / COMPARISON, page.figures)
    path = write(out / "compare.html", page.html)
    screen = console()
    for label in plan.runs:
        rows = [dict(zip(COLUMNS, row(plan, line), strict=True)) for line in lines if line.run == label]
        brief = [[texts[name] for name in BRIEF] for texts in rows]
        screen.print(table(f"{plan.runs[label]['data']} on {label}", headings(plan, BRIEF), brief))
    failed = sum(line.failed for line in lines)
    if failed:
        screen.print(f"failed     {failed} points: their errors are in {results}")
    screen.print(f"report     {path}", markup=False)
