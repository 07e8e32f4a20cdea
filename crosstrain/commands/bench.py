"""`bench`: samples per second of the golden model and of the simulators."""

from typing import Annotated

import typer

from crosstrain.console import console, simulating, steps, table

GOLDEN = (("DIGITS", 20_000), ("MNIST", 4_000))
"""Hardware and online samples of the golden model's measurement."""
RTL = "DIGITS"


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    samples: Annotated[int, typer.Option(help="Online samples on the RTL.")] = 200,
    rtl: Annotated[bool, typer.Option(help="Measure the simulators too.")] = True,
) -> None:
    """Measure speeds on this machine: the golden model against a plain numpy loop, and the RTL."""
    from model.bench import speed
    from spec.params import INSTANCES

    screen = console()
    rows = []
    for name, count in GOLDEN:
        found = speed(INSTANCES[name], count)
        rows.append([name, f"{found.golden:,.0f}", f"{found.numpy:,.0f}", f"{found.ratio:.1f}"])
    columns = ["hardware", "golden (samples/s)", "plain numpy (samples/s)", "ratio"]
    screen.print(table("One online epoch, batch 1, synthetic data", columns, rows))
    if rtl:
        screen.print(table(f"RTL, {RTL}", ["simulator", "online samples/s", "cycles/s"], _rtl_rows(samples)))


def _rtl_rows(samples: int) -> list[list[str]]:
    from model.bench import bench_job
    from sim.cosim import SIMULATORS, run_cosim
    from sim.report.result import rtl_samples_per_s
    from sim.toolchain import icarus_missing
    from spec.params import INSTANCES

    rows = []
    for simulator in SIMULATORS:
        if simulator == "icarus" and icarus_missing():
            rows.append([simulator, "not installed", ""])
            continue
        with simulating(), steps() as progress:
            found = run_cosim(bench_job(INSTANCES[RTL], samples), simulator, progress=progress)
        rows.append([simulator, f"{rtl_samples_per_s(found):,.1f}", f"{found.cycles / found.seconds:,.0f}"])
    return rows
