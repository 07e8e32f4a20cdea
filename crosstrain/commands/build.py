"""`build` and `formal`: what becomes of the RTL outside a simulation."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.console import console, steps, table
from crosstrain.files import make_folder
from spec.errors import InputError

LINTED = ("Controller", "EmulatedTop")


def register(app: typer.Typer) -> None:
    app.command()(build)
    app.command()(formal)


def build(
    board: Annotated[str | None, typer.Option(help="Synthesize, place and route for this board.")] = None,
    lint: Annotated[bool, typer.Option(help="Check the emitted SystemVerilog of every instance.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the placement.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for what is built.")] = Path("build"),
) -> None:
    """Build for a board, or lint the RTL; exit 1 when that fails or the clock is too slow."""
    if (board is None) == (not lint):
        raise InputError("give either --board NAME or --lint", key="build")
    if board is None:
        _lint(make_folder(out / "lint"))
    else:
        _board(board, out, seed)


def _board(name: str, out: Path, seed: int) -> None:
    from fpga.boards import find
    from fpga.build import BuildError, build_board

    find(name)
    make_folder(out)
    try:
        with steps() as progress:
            report, folder = build_board(name, out, seed=seed, progress=progress)
    except BuildError as error:
        print(f"crosstrain: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    rows = [list(row) for row in report.rows()]
    console().print(table(f"{report.instance} on {report.board}", ["", "used", "available"], rows))
    print(f"bitstream {folder / report.bitstream}")
    if not report.timing.met:
        print(f"crosstrain: too slow: {report.timing.path_from} to {report.timing.path_to}", file=sys.stderr)
        raise typer.Exit(1)


def _lint(folder: Path) -> None:
    from spec.params import INSTANCES

    names, tops = zip(*product(INSTANCES, LINTED), strict=True)
    failures = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, top, messages in zip(
            names, tops, pool.map(_messages, names, tops, [folder] * len(names)), strict=True
        ):
            print(f"{top} {name}: {len(messages) or 'no'} messages", flush=True)
            for message in messages:
                print(message, file=sys.stderr)
            failures += len(messages)
    if failures:
        raise typer.Exit(1)


def _messages(name: str, top: str, folder: Path) -> list[str]:
    """Verilator's messages on one component of an instance."""
    from hw.controller import Controller
    from hw.emit import to_systemverilog
    from hw.lint import lint
    from hw.top import EmulatedTop
    from spec.params import INSTANCES

    component = {"Controller": Controller, "EmulatedTop": EmulatedTop}[top](INSTANCES[name])
    module = f"{top.lower()}_{name.lower()}"
    return lint(to_systemverilog(component, module, folder / f"{module}.sv"), module)


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
