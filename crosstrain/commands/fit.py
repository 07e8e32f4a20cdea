"""`fit`: a device file from measured pulse responses."""

from pathlib import Path
from typing import Annotated

import typer

from crosstrain.console import console, steps, table
from crosstrain.files import make_folder, write
from spec.errors import InputError


def register(app: typer.Typer) -> None:
    app.command()(fit)


def _named(what: str):
    return typer.Option(help=f"Column of {what}, where its name is not understood.")


def fit(
    data: Annotated[
        Path, typer.Argument(help="Table with a head: pulse, conductance, cell, polarity, cycle.")
    ],
    law: Annotated[
        str | None, typer.Option(help="Law to take, `measured` for tables; else the best.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Device file to write.")] = Path("device.toml"),
    plot: Annotated[
        Path | None, typer.Option(help="Plot of data and fit: .png, .svg, .pdf; beside --out.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the device; else that of the table.")] = None,
    source: Annotated[str | None, typer.Option(help="Who measured it, where.")] = None,
    kind: Annotated[str | None, typer.Option("--cell-kind", help="resistive or transistor.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of conductance or current; else of its head.")
    ] = None,
    v_read: Annotated[float | None, typer.Option(help="Volts that currents were read at.")] = None,
    pulse: Annotated[str | None, _named("pulse numbers")] = None,
    conductance: Annotated[str | None, _named("conductances or currents")] = None,
    cell: Annotated[str | None, _named("cells")] = None,
    polarity: Annotated[str | None, _named("polarities")] = None,
    cycle: Annotated[str | None, _named("cycles")] = None,
    step_up: Annotated[str | None, _named("potentiating steps against conductance")] = None,
    step_down: Annotated[str | None, _named("depressing steps against conductance")] = None,
) -> None:
    """Fit the update laws to a measured pulse response, or to steps against conductance; write a device file and a plot."""
    from model.device.fit.analysis import ORDER, analyse
    from model.device.fit.device import device_of_fit
    from model.device.fit.plot import FORMATS, draw
    from model.device.fit.table import Columns, read_table
    from spec.device_file import CELLS, dump_device
    from spec.device_law import choice

    if law is not None:
        choice(law, ORDER, "--law")
    if kind is not None:
        choice(kind, CELLS, "--cell-kind")
    picture = plot or out.with_suffix(".png")
    if out.suffix != ".toml":
        raise InputError(f"{out} does not end in .toml", key="--out")
    if picture.suffix not in FORMATS:
        raise InputError(f"{picture} does not end in {', '.join(FORMATS)}", key="--plot")
    named = {"pulse": pulse, "conductance": conductance, "cell": cell, "polarity": polarity, "cycle": cycle}
    named |= {"step_up": step_up, "step_down": step_down}
    measured = read_table(data, Columns({k: v for k, v in named.items() if v}, unit, v_read))
    with steps() as progress:
        found = analyse(measured, ORDER, lambda done, total: progress("fit", done, total))
    chosen = found.choose(law)
    spec = device_of_fit(
        found, chosen, name=name or data.stem, source=source or f"fitted to {data.name}", cell=kind
    )
    for path in (out, picture):
        make_folder(path.parent)
    head = "".join(f"# {line}\n" for line in _notes(found, chosen))
    write(out, head + dump_device(spec))
    write(picture, draw(found, chosen, spec, picture.suffix))
    _show(found, chosen, spec)
    print(f"wrote {out} and {picture}")


def _notes(found, chosen) -> list[str]:
    rmse = f"law {chosen.kind}: points are {100 * chosen.rmse:.2g} % of the range (rms) off their prediction"
    return [
        f"Fitted by `crosstrain fit`; {rmse}.",
        *(f"{note[0].upper()}{note[1:]}." for note in found.notes),
    ]


def _show(found, chosen, spec) -> None:
    screen = console()
    screen.print(_laws(found, chosen))
    for line in _figures(spec):
        screen.print(line, markup=False)
    for note in found.notes:
        screen.print(note, markup=False)


def _laws(found, chosen):
    rows = []
    for c in found.candidates:
        values = ", ".join(f"{key} {value:.4g}" for key, value in c.law.values if isinstance(value, float))
        points = " and ".join(
            f"{len(v)}" for key, v in c.law.values if key.endswith("uS") and c.kind == "measured"
        )
        mark = "*" if c is chosen else ""
        rows.append(
            [
                c.kind + mark,
                values or (f"{points} points" if points else ""),
                f"{100 * c.rmse:.3f}",
                f"{c.aic:.1f}",
            ]
        )
    return table("Laws (* taken)", ["law", "values", "RMSE (% of range)", "AIC - best"], rows, text_columns=2)


def _figures(spec) -> list[str]:
    """What was found beside the law, a line each."""

    def marked(text: str, *keys: str) -> str:
        return text + (" (assumed)" if any(key in spec.assumed for key in keys) else "")

    n = spec.nonideal
    low = f"Gmin {spec.g_max_uS * spec.g_min_share:.5g} µS, Gmax {spec.g_max_uS:.5g} µS, on/off {spec.on_off:.4g}"
    return [
        low,
        marked(
            f"pulses over the range: {spec.states_up} up, {spec.states_down} down", "states_up", "states_down"
        ),
        marked(f"pulse to pulse: {100 * spec.c2c_sigma:.3g} %, {spec.c2c_kind}", "c2c.sigma"),
        marked(
            f"cell to cell, step: {100 * n.step_sigma:.3g} %, {n.step_distribution}", "nonideal.step_sigma"
        ),
        marked(f"cell to cell, range: {100 * n.range_sigma:.3g} %", "nonideal.range_sigma"),
        marked(f"cell to cell, Gmin: {100 * n.low_sigma:.3g} %", "nonideal.low_sigma"),
        marked(f"stuck: {100 * n.stuck:.3g} %", "nonideal.stuck"),
        marked(f"read noise: {100 * n.read_sigma:.3g} %", "nonideal.read_sigma"),
    ]
