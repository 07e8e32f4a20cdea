"""`report`: the page of a finished run, drawn again."""

from pathlib import Path
from typing import Annotated

import typer

from crosstrain.files import write
from spec.errors import InputError


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
) -> None:
    """Draw report.html again from result.json and arrays.npz."""
    from jinja2 import UndefinedError

    from sim.report.page import render
    from sim.report.result import RESULT, load_result

    result, arrays = load_result(folder)
    try:
        page = render(result, arrays)
    except (KeyError, UndefinedError) as error:
        raise InputError(f"lacks something: {error}", source=str(folder / RESULT)) from None
    print(write(folder / "report.html", page))
