"""`build` and `formal`: what becomes of the RTL outside a simulation."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.files import make_folder
from spec.errors import InputError


def register(app: typer.Typer) -> None:
    app.command()(build)
    app.command()(formal)


def build(
    board: Annotated[str | None, typer.Option(help="Synthesize, place and route for this board.")] = None,
    lint: Annotated[bool, typer.Option(help="Check the emitted SystemVerilog of every instance.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for what is built.")] = Path("build"),
) -> None:
    """Build for a board, or lint the RTL; exit 1 when that fails."""
    if (board is None) == (not lint):
        raise InputError("give either --board NAME or --lint", key="build")
    make_folder(out)
    if lint:
        _lint(out / "lint")
    else:
        from fpga.build import build_board

        raise typer.Exit(build_board(board, out))


def _lint(folder: Path) -> None:
    from hw.controller import Controller
    from hw.emit import to_systemverilog
    from hw.lint import lint
    from hw.top import EmulatedTop
    from spec.params import INSTANCES

    failures = 0
    for params in INSTANCES.values():
        for component in (Controller, EmulatedTop):
            name = f"{component.__name__.lower()}_{params.name.lower()}"
            messages = lint(to_systemverilog(component(params), name, folder / f"{name}.sv"), name)
            print(f"{name}: {len(messages) or 'no'} messages", flush=True)
            for message in messages:
                print(message, file=sys.stderr)
            failures += len(messages)
    if failures:
        raise typer.Exit(1)


def formal(
    names: Annotated[list[str] | None, typer.Argument(help="Proofs to run; none: all.")] = None,
) -> None:
    """Prove the rules of the write path; exit 1 when a proof does not end as it should."""
    from formal.run import TASKS, main, tools_missing

    for name in names or ():
        if name not in TASKS:
            raise InputError(f"no proof {name!r}; there are {', '.join(TASKS)}")
    if reason := tools_missing():
        raise InputError(reason)
    raise typer.Exit(main(names or ()))
