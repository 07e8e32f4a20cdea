"""What the commands print with: tables on stdout, progress on stderr."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

_PLAIN_WIDTH = 110
SIMULATION_FAILED = 3


def console() -> Console:
    """Where results go.  Not a terminal: a fixed width, so that a log looks the same everywhere."""
    return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False, soft_wrap=False)


def table(title: str, columns: list[str], rows: list[list[str]], *, text_columns: int = 1) -> Table:
    """A table whose first `text_columns` columns are texts and whose others are figures."""
    out = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for place, name in enumerate(columns):
        out.add_column(name, justify="left" if place < text_columns else "right", no_wrap=place == 0)
    for row in rows:
        out.add_row(*row)
    return out


@contextmanager
def simulating() -> Iterator[None]:
    """Around what starts a simulator: its own lines are not shown; its failure is told, with exit status 3."""
    from sim.cosim import SimulationError

    logger = logging.getLogger("cocotb")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    try:
        yield
    except SimulationError as error:
        print(f"crosstrain: the simulation failed: {error}", file=sys.stderr)
        raise typer.Exit(SIMULATION_FAILED) from None


@contextmanager
def steps() -> Iterator:
    """Yields a progress function (step, done, total): bars on a terminal, else one line per finished step.

    What a job says when it is interrupted is told; typer keeps the exit status only.
    """
    try:
        with _steps() as show:
            yield show
    except KeyboardInterrupt as error:
        if str(error):
            print(f"crosstrain: interrupted: {error}", file=sys.stderr)
        raise


@contextmanager
def _steps() -> Iterator:
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bars:
            tasks: dict[str, TaskID] = {}

            def show(step: str, done: int, total: int) -> None:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=total)
                bars.update(tasks[step], completed=done, total=total)

            yield show
        return
    yield _Lines()


class _Lines:
    """One line per step, when it is finished."""

    def __init__(self) -> None:
        self._step, self._started = "", perf_counter()

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self._step = step
            now = perf_counter()
            self._began, self._started = self._started, now
        if done >= total:
            print(f"{step}: {total} in {perf_counter() - self._began:.1f} s", file=sys.stderr, flush=True)
            self._started = perf_counter()
