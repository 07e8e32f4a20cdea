"""`FpgaTop` on its UART pins: the host driver of the simulation drives it unchanged."""

import pytest
from cocotb_test.simulator import run

from fpga.link import PATIENCE_CYCLES
from fpga.top import FpgaTop
from hw.emit import to_systemverilog
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
    run(
        simulator="verilator",
        verilog_sources=[str(source)],
        toplevel="fpga_top",
        module="tests.fpga.tb_fpga_top",
        sim_build=str(tmp_path / "build"),
        timescale="1ns/1ps",
        extra_args=["-Wno-fatal", "-O3"],
        extra_env={"DIVISOR": str(DIVISOR), "SILENCE_CYCLES": str(SILENCE_CYCLES)},
    )
