"""`bench`: samples per second of the golden model and of the simulators."""

import time
from dataclasses import replace
from typing import Annotated

import typer
from rich.table import Table

from crosstrain.console import console, simulating, steps, table
from crosstrain.options import DATA
from spec.errors import InputError
from spec.params import HwParams

GOLDEN = (("DIGITS", 20_000), ("MNIST", 4_000))
"""Hardware and online samples of the golden model's measurement."""
SEVERAL = ("MNIST", 40_000)
"""Of the measurement of several processes."""
RTL = "DIGITS"
BOARD_SAMPLES = 2_000
"""Online samples of the golden model beside a board."""


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    samples: Annotated[int, typer.Option(help="Online samples on the RTL, each stage looked at.")] = 200,
    bulk: Annotated[int, typer.Option(help="Online samples on the RTL in bulk.")] = 5_000,
    rtl: Annotated[bool, typer.Option(help="Measure the simulators too.")] = True,
    board: Annotated[
        str | None, typer.Option(help="Only this: what a board's array and line do, beside one CPU core.")
    ] = None,
    clock: Annotated[
        float | None, typer.Option(min=0.001, help="With --board: MHz. [default: the board's]")
    ] = None,
    data: Annotated[str | None, typer.Option(help=f"With --board: {DATA}. [default: synthetic]")] = None,
) -> None:
    """Measure speeds on this machine: the golden model against a plain numpy loop, and the RTL.

    What happens once is shown apart: the first call, which compiles kernels, and the build of a simulation.
    """
    from model.bench import scaling, speed
    from model.study.execute import cores
    from spec.params import INSTANCES

    screen = console()
    for option, value in {"--clock": clock, "--data": data}.items():
        if value is not None and board is None:
            raise InputError("needs --board", key=option)
    if board is not None:
        screen.print(_board(board, clock, data))
        return
    rows = []
    for name, count in GOLDEN:
        found = speed(INSTANCES[name], count)
        figures = f"{found.golden:,.0f}", f"{found.numpy:,.0f}", f"{found.ratio:.1f}", f"{found.first_s:.1f}"
        rows.append([name, *figures])
    columns = ["hardware", "golden (samples/s)", "plain numpy (samples/s)", "ratio", "first call (s)"]
    screen.print(table("One online epoch, batch 1, synthetic data", columns, rows))
    if (processes := cores()) > 1:
        several = scaling(INSTANCES[SEVERAL[0]], SEVERAL[1], processes)
        row = [SEVERAL[0], f"{several.alone:,.0f}", f"{several.together:,.0f}", f"{several.ratio:.2f}"]
        columns = ["hardware", "one process (samples/s)", f"{processes} at once", "ratio"]
        screen.print(table("Golden runs side by side, as in a study", columns, [row]))
    if rtl:
        columns = ["simulator", "samples", "online samples/s", "cycles/s", "first call (s)"]
        screen.print(table(f"RTL, {RTL}", columns, [*_by_stage(samples), *_in_bulk(bulk)]))


def _board(name: str, clock: float | None, data: str | None) -> Table:
    from fpga.boards import find
    from fpga.speed import BAUDS, board_speed

    board = find(name)
    MHz, found = clock or board.clock_MHz, board_speed(_board_job(board.params, data))
    rows = [
        [f"emulated array at {MHz:g} MHz", f"{found.cycles:,.0f} cycles", f"{found.array(MHz):,.0f}"],
        ["golden model on one CPU core", "", f"{found.golden:,.0f}"],
    ]
    for baud in BAUDS:
        line = f"line at {baud / 1e6:g} Mbaud", f"{found.bytes:,.0f} bytes", f"{found.line(baud):,.0f}"
        rows.append([*line])
    title = f"Training {board.params.name} on {data or 'synthetic data'}, {board.name}"
    return table(title, ["what", "a sample", "samples/s"], rows)


def _board_job(params: HwParams, data: str | None):
    """Of `BOARD_SAMPLES` online samples, with the rule that the hardware has."""
    if data is None:
        from model.bench import bench_job

        return bench_job(params, BOARD_SAMPLES)
    from sim.data_job import data_job
    from spec.run_file import default_run

    run = replace(default_run(data), params=params, rule=params.rules[0], train_samples=BOARD_SAMPLES)
    with steps() as progress:
        return data_job(run, progress)


def _by_stage(samples: int) -> list[list[str]]:
    """The simulators, with each transfer seen by Python."""
    from model.bench import bench_job
    from sim.cosim import run_cosim
    from sim.report.result import rtl_samples_per_s
    from sim.runner import SIMULATORS
    from sim.toolchain import icarus_missing
    from spec.params import INSTANCES

    rows = []
    for simulator in SIMULATORS:
        if simulator == "icarus" and icarus_missing():
            rows.append([simulator, "", "not installed", "", ""])
            continue
        started = time.perf_counter()
        with simulating(), steps() as progress:
            found = run_cosim(bench_job(INSTANCES[RTL], samples), simulator, progress=progress)
        first = time.perf_counter() - started - found.seconds
        rates = f"{rtl_samples_per_s(found):,.1f}", f"{found.cycles / found.seconds:,.0f}"
        rows.append([simulator, f"{samples:,}", *rates, f"{first:.1f}"])
    return rows


def _in_bulk(samples: int) -> list[list[str]]:
    """Whole epochs: the online phase by itself, the RTL's side of it."""
    from model.bench import bench_job
    from sim.fast.pair import run_fast
    from sim.fast.under_cocotb import run_bulk
    from spec.params import INSTANCES

    rows = []
    for name, run in (("verilator, in bulk", run_bulk), ("fast engine", run_fast)):
        job, started = bench_job(INSTANCES[RTL], samples), time.perf_counter()
        with simulating(), steps() as progress:
            found = run(job, progress=progress)
        first = time.perf_counter() - started - found.seconds
        online = max(found.phases, key=lambda phase: phase.samples)
        rates = f"{online.samples / online.rtl_s:,.1f}", f"{online.cycles / online.rtl_s:,.0f}"
        rows.append([name, f"{samples:,}", *rates, f"{first:.1f}"])
    return rows
