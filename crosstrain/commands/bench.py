"""`bench`: samples per second of the golden model and of the simulators."""

import time
from typing import Annotated

import typer

from crosstrain.console import console, simulating, steps, table

GOLDEN = (("DIGITS", 20_000), ("MNIST", 4_000))
"""Hardware and online samples of the golden model's measurement."""
RTL = "DIGITS"


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    samples: Annotated[int, typer.Option(help="Online samples on the RTL, each stage looked at.")] = 200,
    bulk: Annotated[int, typer.Option(help="Online samples on the RTL in bulk.")] = 5_000,
    rtl: Annotated[bool, typer.Option(help="Measure the simulators too.")] = True,
) -> None:
    """Measure speeds on this machine: the golden model against a plain numpy loop, and the RTL.

    What happens once is shown apart: the first call, which compiles kernels, and the build of a simulation.
    """
    from model.bench import speed
    from spec.params import INSTANCES

    screen = console()
    rows = []
    for name, count in GOLDEN:
        found = speed(INSTANCES[name], count)
        figures = f"{found.golden:,.0f}", f"{found.numpy:,.0f}", f"{found.ratio:.1f}", f"{found.first_s:.1f}"
        rows.append([name, *figures])
    columns = ["hardware", "golden (samples/s)", "plain numpy (samples/s)", "ratio", "first call (s)"]
    screen.print(table("One online epoch, batch 1, synthetic data", columns, rows))
    if rtl:
        columns = ["simulator", "samples", "online samples/s", "cycles/s", "first call (s)"]
        screen.print(table(f"RTL, {RTL}", columns, [*_by_stage(samples), *_in_bulk(bulk)]))


def _by_stage(samples: int) -> list[list[str]]:
    """The simulators, with each transfer seen by Python."""
    from model.bench import bench_job
    from sim.cosim import SIMULATORS, run_cosim
    from sim.report.result import rtl_samples_per_s
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
