"""`report`: the pages of finished runs and comparisons, drawn again; of several, one page."""

from pathlib import Path
from typing import Annotated

import typer

from crosstrain.files import write
from spec.errors import InputError


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of finished runs and comparisons.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The page. [default: in its folder; of several: build/report.html]")
    ] = None,
) -> None:
    """Draw the page of a finished run or comparison again, or one page of several."""
    from sim.report.page import joined

    pages = {str(folder): _page(folder) for folder in folders}
    if len(folders) > 1:
        path, page = out or Path("build/report.html"), joined(pages)
    else:
        (page,) = pages.values()
        path = out or folders[0] / ("compare.html" if _is_comparison(folders[0]) else "report.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    print(write(path, page))


def _is_comparison(folder: Path) -> bool:
    from sim.report.compare_page import COMPARISON

    return (folder / COMPARISON).exists()


def _page(folder: Path) -> str:
    from jinja2 import UndefinedError

    from sim.report import compare_page
    from sim.report.page import render
    from sim.report.result import RESULT, load_result

    if _is_comparison(folder):
        return compare_page.render(*compare_page.load_comparison(folder)).html
    result, arrays = load_result(folder)
    try:
        return render(result, arrays)
    except (KeyError, UndefinedError) as error:
        raise InputError(f"lacks something: {error}", source=str(folder / RESULT)) from None
