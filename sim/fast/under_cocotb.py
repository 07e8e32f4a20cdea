"""The bench as a simulator's process with cocotb, built by Verilator with nothing on show but `done`."""

from collections.abc import Callable
from pathlib import Path

from model.training.hybrid import HybridJob, Progress
from sim.cosim import RUN_FOLDER, WAVES, CosimResult, simulate
from sim.fast import build
from sim.fast.build import HERE, OPTIMISED, folder_of, write_sources
from sim.fast.replay import replay
from sim.runner import PortsOnly
from sim.stimulus import Stimulus
from sim.toolchain import prepare

SOURCES = ("bench.sv", "array.sv", "harness.cpp", "bench.vlt")


def run_bulk(
    job: HybridJob | Stimulus, *, progress: Progress | None = None, replays: Path = WAVES
) -> CosimResult:
    """Run a job on the bench under cocotb, as `run_fast` does without.  Raises `SimulationError`."""
    prepare()
    folder = folder_of(job.params)
    objects = folder / "cocotb"
    objects.mkdir(exist_ok=True)

    def start(run: Path) -> Callable[[], None]:
        write_sources(job.params)
        simulator = PortsOnly(
            toplevel="bench",
            module="sim.fast.tb_bench",
            verilog_sources=[*(str(HERE / name) for name in SOURCES), str((folder / "controller.sv").resolve())],
            sim_build=str(objects.resolve()),
            timescale="1ns/1ps",
            extra_args=[*OPTIMISED, "--timing", "-DFREE_RUNNING", f"-I{folder.resolve()}", "-LDFLAGS", "-rdynamic",
                        "-CFLAGS", f"{build.COMPILED} -std=c++20 -I{folder.resolve()}"],
            extra_env={RUN_FOLDER: str(run)},
        )  # fmt: skip
        return simulator.run

    found = simulate(job, objects, f"verilator on {job.params.name}", start, progress)
    return replay(job, found, replays, progress)
