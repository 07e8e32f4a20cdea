"""`docs`: the generated documents."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.files import make_folder, write
from spec.errors import InputError

ROOT = Path(__file__).parents[2]


def register(app: typer.Typer) -> None:
    app.command()(docs)


def docs(
    check: Annotated[bool, typer.Option(help="Only compare; exit 1 when one is out of date.")] = False,
) -> None:
    """Regenerate docs/registers.md, docs/parameters.md, and the generated parts of other documents."""
    from crosstrain.generated import documents

    if not (ROOT / "hw" / "controller.py").exists():
        raise InputError("not a checkout of the sources", source=str(ROOT))
    stale = [
        (path, text)
        for path, text in documents(ROOT).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run `crosstrain docs`", file=sys.stderr)
        else:
            make_folder(path.parent)
            write(path, text)
            print(f"wrote {path.relative_to(ROOT)}")
    if check and stale:
        raise typer.Exit(1)
