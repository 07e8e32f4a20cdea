"""`build` and `formal`: what becomes of the RTL outside a simulation."""

import os
import sys
from collections.abc import Sequence
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
    board: Annotated[
        list[str] | None, typer.Option(help="Build for this board; `all`: for every one.")
    ] = None,
    lint: Annotated[bool, typer.Option(help="Check the emitted SystemVerilog of every instance.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the placement; the board's own if none.")] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Seeds to try, from that one on; the fastest is taken.")
    ] = 1,
    again: Annotated[bool, typer.Option(help="Build although nothing has changed.")] = False,
    check: Annotated[bool, typer.Option(help="Compare with the kept reports; exit 1 when worse.")] = False,
    keep: Annotated[bool, typer.Option(help="Keep the report as the one to compare with.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for what is built.")] = Path("build"),
) -> None:
    """Build for a board, or lint the RTL; exit 1 when that fails or the clock is too slow."""
    if (not board) == (not lint):
        raise InputError("give either --board NAME or --lint", key="build")
    if not board:
        _lint(make_folder(out / "lint"))
        return
    from fpga.boards import BOARDS, find

    chosen = [find(name) for name in (BOARDS if board == ["all"] else board)]
    make_folder(out)
    failures = []
    for one in chosen:
        first = one.seed if seed is None else seed
        failures += _board(one.name, out, range(first, first + seeds), again, check, keep)
    for line in failures:
        print(f"crosstrain: {line}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _board(name: str, out: Path, seeds: Sequence[int], again: bool, check: bool, keep: bool) -> list[str]:
    """Build for one board and show its report; what is wrong with it, a line each."""
    from fpga.build import build_board
    from fpga.report import Report, kept_path, regressions
    from fpga.tools import BuildError

    if check and not kept_path(name).is_file():
        return [f"{name}: no report is kept to compare with: make one with --keep"]
    try:
        with steps() as progress:
            report, folder = build_board(name, out, seeds=seeds, again=again, progress=progress)
    except BuildError as error:
        return [f"{name}: {error}"]
    rows = [list(row) for row in report.rows()]
    console().print(table(f"{report.instance} on {report.board}", ["", "used", "available"], rows))
    print(f"bitstream {folder / report.bitstream}")
    wrong = regressions(Report.load(kept_path(name)), report) if check else []
    if not report.timing.met:
        wrong.append(f"{name}: too slow: {report.timing.path_from} to {report.timing.path_to}")
    if keep and not wrong:
        report.save(kept_path(name))
        print(f"kept {kept_path(name)}")
    return wrong


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
