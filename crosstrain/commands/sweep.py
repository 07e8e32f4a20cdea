"""`sweep`: every combination of some values of a run, on many processes, in one results file."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.console import console, steps, table
from crosstrain.files import make_folder, write
from crosstrain.options import Out, Scheduler, Workers
from spec.errors import InputError

RESULTS, PLOT = "results.parquet", "sweep.png"
MOST_LINES = 60
MOST_ERRORS = 10


def register(app: typer.Typer) -> None:
    app.command()(sweep)


def sweep(
    config: Annotated[Path, typer.Argument(help="Sweep file: tables [base] and [axes].")],
    out: Out = Path("build/sweep"),
    workers: Workers = None,
    scheduler: Scheduler = None,
    value: Annotated[str, typer.Option(help="Column of the results that is shown.")] = "accuracy",
) -> None:
    """Measure every combination of the values in a sweep file; goes on where it was stopped; exit 1 if a point fails."""
    from model.study.execute import execute
    from model.study.plot import draw, groups_of, picture
    from model.study.points import check_point, measure
    from model.study.store import rows_of
    from model.study.sweep import load_sweep

    plan = load_sweep(config, check_point)
    make_folder(out)
    with steps() as progress:
        results = execute(
            plan.points,
            measure,
            out / RESULTS,
            workers=workers,
            scheduler=scheduler,
            progress=lambda done, total: progress("points", done, total),
        )
    rows = rows_of(results)
    groups = groups_of(plan, rows, value)
    if not any(group.values for group in groups) and any(group.done for group in groups):
        names = ", ".join(name for name in results.column_names if not name.startswith(("run.", "settings.")))
        raise InputError(f"no numbers are in {value!r}; there are {names}", key="--value")
    _show(config.stem, groups, rows, value)
    print(f"{'results':<10} {out / RESULTS}")
    if figure := draw(plan, groups, value):
        print(f"{'plot':<10} {write(out / PLOT, picture(figure, Path(PLOT).suffix))}")
    if any(group.failed for group in groups):
        raise typer.Exit(1)


def _show(name: str, groups, rows: list[dict], value: str) -> None:
    from model.study.plot import short

    axes = list(groups[0].choice)
    lines = [
        [
            *(short(group.choice[axis]) for axis in axes),
            f"{group.mean:.6g}" if group.values else "",
            f"{group.error:.2g}" if len(group.values) > 1 else "",
            str(group.done),
            str(group.failed or ""),
        ]
        for group in groups
    ]
    heads = [*axes, f"mean {value}", "± s.e.", "done", "failed"]
    screen = console()
    screen.print(table(name, heads, lines[:MOST_LINES], text_columns=len(axes)))
    if len(lines) > MOST_LINES:
        screen.print(f"and {len(lines) - MOST_LINES} more lines", markup=False)
    done = sum(group.done for group in groups)
    screen.print(f"{'points':<10} {done} done, {len(rows) - done} failed", markup=False)
    errors = Counter(row["error"] for row in rows if row["status"] == "failed")
    for error, count in errors.most_common(MOST_ERRORS):
        screen.print(f"{'failed':<10} {count} times: {error}", markup=False)
    if len(errors) > MOST_ERRORS:
        screen.print(
            f"and {len(errors) - MOST_ERRORS} other errors: column error of the results", markup=False
        )
