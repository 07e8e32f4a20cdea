"""`FpgaTop` on its UART pins: the host driver of the simulation drives it unchanged."""

import pytest

from fpga.link import PATIENCE_CYCLES
from fpga.top import FpgaTop
from hw.emit import to_systemverilog
from sim.runner import run_bench
from spec.link import GAP_MS
from spec.params import INSTANCES

CLOCK_HZ = 2e4  # slow, so that the pauses and beats that are given in seconds are few cycles
BAUD = 5_000
DIVISOR = 4
# A request of samples takes as long as they do.
SILENCE_CYCLES = int(CLOCK_HZ * GAP_MS / 1000) + 8 * PATIENCE_CYCLES


@pytest.mark.slow  # with cocotb between host and pins; tests/fpga/test_board.py has the same at the speed of C++
def test_host_drives_the_fpga_over_its_pins(tmp_path):
    source = to_systemverilog(
        FpgaTop(INSTANCES["TINY"], CLOCK_HZ, BAUD), "fpga_top", tmp_path / "fpga_top.sv"
    )
    environment = {"DIVISOR": str(DIVISOR), "SILENCE_CYCLES": str(SILENCE_CYCLES)}
    run_bench(
        "verilator", "fpga_top", [source], "tests.fpga.tb_fpga_top", tmp_path / "build",
        extra_args=["-Wno-fatal", "-O3"], make_args=[], extra_env=environment,
    )  # fmt: skip
