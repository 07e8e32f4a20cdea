"""`coverage`: which bins of functional coverage the co-simulations hit."""

import json
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.console import console, table
from spec.errors import InputError


def register(app: typer.Typer) -> None:
    app.command()(coverage)


def coverage(
    folder: Annotated[Path, typer.Option(help="Folder of the runs' files.")] = Path("build/coverage"),
    missed: Annotated[bool, typer.Option("--missed", help="Only bins that no run hit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Merge the functional coverage that co-simulations left: how many of them hit each bin."""
    from sim.coverage import BINS, merged

    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError("no co-simulation has left its coverage here", source=str(folder))
    runs = merged(files)
    if as_json:
        print(json.dumps({"runs": len(files), "bins": runs}, indent=2))
        return
    rows = [[name, BINS[name], str(n) if n else "missed"] for name, n in runs.items() if not (missed and n)]
    screen = console()
    screen.print(table("Functional coverage", ["bin", "what it is", "runs"], rows, text_columns=2))
    hits = sum(n > 0 for n in runs.values())
    screen.print(f"{hits} of {len(runs)} bins hit in {len(files)} runs", markup=False)
