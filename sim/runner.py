"""Starts simulators with a bench in them: cocotb-test's classes, with what the benches here have in common."""

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cocotb_test.simulator import Icarus, Simulator, Verilator

from sim.toolchain import UNOPTIMISED, UNSPLIT, X_AS_ONES

SIMULATORS = ("verilator", "icarus")
_CONFIG = """\
// All that the bench looks at: the ports of the top, and what else its module holds.
`verilator_config
public_flat_rw -module "{top}" -var "*"
"""


class PortsOnly(Verilator):
    """cocotb-test's Verilator without the option that puts every signal on show.

    What the bench looks at is named by a file of Verilator's configuration among the sources (`ports_config`); the rest
    is compiled and simulated faster.
    """

    def build_command(self) -> list[list[str]]:
        commands = super().build_command()
        commands[0].remove("--public-flat-rw")
        commands[0] += X_AS_ONES
        return commands


def ports_config(top: str, folder: Path) -> Path:
    """A file of Verilator's configuration in `folder` that shows what the module `top` holds, but none below it."""
    file, text = folder / "ports.vlt", _CONFIG.format(top=top)
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
    return file


def run_bench(
    simulator: str,
    top: str,
    sources: Sequence[Path],
    module: str,
    folder: Path,
    *,
    alone: bool = True,
    **arguments: Any,
) -> Path:
    """Build `top` in `folder` and run the bench `module` on it; returns the file of cocotb's results.

    The bench sees the ports of the top and what else its module holds.  alone: wait while another process builds or
    runs in this folder.  arguments: of cocotb-test's class, such as extra_env and testcase.  Verilator's C++ is one
    file, compiled without optimisation, unless extra_args and make_args say otherwise.  Raises SystemExit where a tool
    or the bench fails, as cocotb-test does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "bench.lock", "w") as lock:
        if alone:
            fcntl.flock(lock, fcntl.LOCK_EX)
        return Path(_bench(simulator, top, sources, folder, module=module, **arguments).run())


def _bench(simulator: str, top: str, sources: Sequence[Path], folder: Path, **arguments: Any) -> Simulator:
    texts = [str(source.resolve()) for source in sources]
    common = {"toplevel": top, "sim_build": str(folder.resolve()), "timescale": "1ns/1ps"} | arguments
    if simulator == "icarus":
        return Icarus(verilog_sources=texts, **common)
    texts.insert(0, str(ports_config(top, folder).resolve()))
    options = {"extra_args": ["-Wno-fatal", *UNSPLIT], "make_args": UNOPTIMISED}
    return PortsOnly(verilog_sources=texts, **options | common)
