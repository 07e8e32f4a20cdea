"""Netlists after synthesis: models of cells equal the RTL that the cells were made from."""

import re
from pathlib import Path

import pytest
from cocotb_test.simulator import run

from fpga.families import ECP5
from fpga.netlist import cells, count_cells, synthesise
from hw.emit import to_systemverilog
from sim.simulation import BUILD
from sim.toolchain import icarus_missing
from tests.fpga.probes import Memories, Pair, Products

FOLDER = BUILD.parent / "gates"

needs_icarus = pytest.mark.skipif(bool(icarus_missing()), reason=str(icarus_missing()))
"""Verilator takes minutes to compile as many cells."""


def compare_with_rtl(design, name: str, seed: int) -> Path:
    """Simulate a design beside its ECP5 netlist; returns the netlist."""
    folder = (FOLDER / name).resolve()
    netlist = synthesise(design, ECP5, folder, name)
    pair = Pair(design, name)
    source = to_systemverilog(pair, "pair", folder / "pair.sv")
    run(
        simulator="icarus",
        verilog_sources=[str(path) for path in (cells(ECP5, folder), netlist, source)],
        toplevel="pair",
        module="tests.fpga.tb_pair",
        sim_build=str(folder),
        timescale="1ns/1ps",
        extra_env={
            "PAIR_SEED": str(seed),
            "PAIR_INPUTS": " ".join(key for key in pair.signature.members if key != "differ"),
        },
    )
    return netlist


@needs_icarus
def test_block_ram_model_equals_the_memories_that_it_is_inferred_from(seed):
    netlist = compare_with_rtl(Memories(), "memories", seed)
    modes = re.findall(r"\.(DATA_WIDTH|WRITEMODE)_[AB]\(([^)]*)\)", netlist.read_text())
    widths = {int(value.rpartition("d")[2]) for key, value in modes if key == "DATA_WIDTH"}
    assert widths == {1, 2, 4, 9, 18, 36}
    assert {value.strip('"') for key, value in modes if key == "WRITEMODE"} == {
        "NORMAL", "WRITETHROUGH", "READBEFOREWRITE",
    }  # fmt: skip


@needs_icarus
def test_multiplier_model_equals_the_products_that_it_is_inferred_from(seed):
    assert count_cells(compare_with_rtl(Products(), "products", seed))["MULT18X18D"] >= 20
