"""`report`: the page of a finished run, drawn again."""

from pathlib import Path
from typing import Annotated

import typer

from crosstrain.files import write


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
) -> None:
    """Draw report.html again from result.json and arrays.npz."""
    from sim.report.page import render
    from sim.report.result import load_result

    print(write(folder / "report.html", render(*load_result(folder))))
