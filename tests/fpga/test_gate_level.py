"""Netlists after synthesis: models of cells equal the RTL that the cells were made from, controllers the golden model."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from fpga import netlist as netlists
from fpga.families import ECP5, ICE40, Family
from fpga.netlist import Synthesised, cells, count_cells, synthesise
from hw.controller import Controller, controller_ports
from hw.emit import to_systemverilog
from hw.top import ObservedTop
from sim.cosim import CosimResult, run_cosim
from sim.runner import run_bench
from sim.simulation import BUILD
from sim.stimulus import make_stimulus
from sim.toolchain import icarus_missing
from spec.device_file import load_device
from spec.params import INSTANCES
from tests.fpga.probes import Comparisons, Memories, OneMemory, Pair, Products, RegisteredProducts, ShortWords

FOLDER = BUILD.parent / "gates"

needs_icarus = pytest.mark.skipif(bool(icarus_missing()), reason=str(icarus_missing()))
"""Verilator takes minutes to compile as many memories."""

NETLIST = "gates"
GATES = replace(INSTANCES["TINY"], name="GATES", rules=("counter",), counter_bits=4, queue_depth=256)
"""Its queue is large enough for block RAM."""
COMPACT = replace(GATES, name="GATES-COMPACT", compact=1, update_columns=2, bank_columns=2)
CONTROLLERS = {
    "iCE40": (ICE40, COMPACT, {"SB_LUT4", "SB_CARRY", "SB_RAM40_4K", "SB_SPRAM256KA", "SB_MAC16"}),
    "ECP5": (ECP5, GATES, {"LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4", "DP16KD", "MULT18X18D"}),
}
"""For each family hardware that is small, and the cells that its netlist must have."""


def compare_with_rtl(design, name: str, seed: int, family: Family = ECP5) -> Path:
    """Simulate a design beside its netlist; returns the netlist."""
    folder = (FOLDER / name).resolve()
    netlist = synthesise(design, family, folder, name)
    pair = Pair(design, name)
    source = to_systemverilog(pair, "pair", folder / "pair.sv")
    environment = {
        "PAIR_SEED": str(seed),
        "PAIR_INPUTS": " ".join(key for key in pair.signature.members if key != "differ"),
    }
    sources = [cells(family, folder), netlist, source]
    run_bench("icarus", "pair", sources, "tests.fpga.tb_pair", folder, extra_env=environment)
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


@pytest.mark.parametrize("family", [ECP5, ICE40], ids=lambda family: family.name)
def test_block_ram_comes_without_flip_flops_for_words_that_are_written_while_they_are_read(family, tmp_path):
    found = count_cells(synthesise(OneMemory(), family, tmp_path))
    assert sum(number for cell, number in found.items() if "DFF" in cell or "_FF" in cell) == 0
    assert found["DP16KD"] + found["SB_RAM40_4K"] > 0


@needs_icarus
def test_multiplier_model_equals_the_products_that_it_is_inferred_from(seed):
    assert count_cells(compare_with_rtl(Products(), "products", seed))["MULT18X18D"] >= 20


@needs_icarus
def test_registers_around_multipliers_become_their_own(seed):
    netlist = compare_with_rtl(RegisteredProducts(), "registered_products", seed)
    text, kinds = netlist.read_text(), RegisteredProducts.REGISTERS.values()
    assert count_cells(netlist)["MULT18X18D"] == len(kinds)
    assert len(re.findall(r"REG_INPUT[AB]_CLK", text)) == sum(operands for operands, _ in kinds)
    assert text.count("REG_OUTPUT_CLK") == sum(products for _, products in kinds)
    assert len(set(re.findall(r"REG_\w+_CE\(\"(\w+)\"", text))) == 3


@needs_icarus
def test_comparisons_in_luts_equal_the_comparisons(seed):
    found = count_cells(compare_with_rtl(Comparisons(), "comparisons", seed, ICE40))
    assert not found["SB_CARRY"]


@needs_icarus
def test_short_words_share_the_words_of_a_large_memory_cell(seed):
    netlist = compare_with_rtl(ShortWords(), "short_words", seed, ICE40)
    assert count_cells(netlist)["SB_SPRAM256KA"] == 2


class GateTop(ObservedTop):
    """`ObservedTop` with the netlist of its controller."""

    def _controller(self):
        return Synthesised(wiring.Signature(controller_ports(self.params)), NETLIST)


def gates(family: str) -> tuple[Path, Path]:
    """Models of a family's cells, and the netlist of its controller, which has all of its kinds of cells."""
    parts, params, expected = CONTROLLERS[family]
    folder = (FOLDER / params.name).resolve()
    netlist = synthesise(Controller(params), parts, folder, NETLIST)
    assert set(count_cells(netlist)) >= expected
    return cells(parts, folder), netlist


def play(
    family: str, sources: tuple[Path, Path], simulator: str, samples: int, variant: str = "gates"
) -> CosimResult:
    """A short job on the gates of the controller and the emulated array's RTL, beside the golden model."""
    stimulus = make_stimulus(CONTROLLERS[family][1], load_device("PCMO"), "counter", samples, 10)
    return run_cosim(stimulus, simulator, top=GateTop, variant=variant, sources=sources)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "simulator"),
    [("iCE40", "verilator"), pytest.param("iCE40", "icarus", marks=needs_icarus), ("ECP5", "verilator")],
)  # Icarus takes more than four minutes for the models of the ECP5's cells
def test_gates_of_the_controller_equal_the_golden_model(family, simulator):
    found = play(family, gates(family), simulator, 20)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


def with_one_bit_flipped(netlist: Path) -> Path:
    """The netlist, but for the 1 in the table of an OR that puts bit 3 into a converter's trial."""
    table = re.compile(r"(?<=\.LUT_INIT\(16'h)([0-9a-f]{4})(?=\)\n  \) macro__trial_SB_LUT4_O_3 )")

    def flip(found: re.Match[str]) -> str:
        bits = int(found[1], 16)
        return f"{bits ^ (bits & -bits):04x}"

    text, changed = table.subn(flip, netlist.read_text())
    assert changed == 1
    faulty = netlist.with_name("faulty.v")
    faulty.write_text(text)
    return faulty


@pytest.mark.slow
def test_one_wrong_bit_of_one_lookup_table_is_caught_and_named_by_stage():
    models, netlist = gates("iCE40")
    found = play("iCE40", (models, with_one_bit_flipped(netlist)), "verilator", 4, "gates-faulty")
    assert found.mismatches > 0
    # Which sample meets the wrong bit first depends on how the OR became a table.
    assert re.search(r": adc \(block column_adc\), sample \d, ", found.differences[0])


class Wire(wiring.Component):
    """One input, or its complement, on one output."""

    def __init__(self, inverted: bool):
        self._inverted = inverted
        super().__init__({"i": wiring.In(1), "o": wiring.Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(~self.i if self._inverted else self.i)
        return m


@pytest.mark.parametrize("parts", [ICE40, ECP5], ids=lambda parts: parts.name)
def test_a_netlist_is_made_again_only_when_what_it_is_made_of_has_changed(
    parts: Family, tmp_path, monkeypatch
):
    runs = []
    run_tools = netlists.run
    monkeypatch.setattr(netlists, "run", lambda *arguments: runs.append(1) or run_tools(*arguments))
    once = len(netlists.STEPS)
    texts = [
        synthesise(Wire(inverted), parts, tmp_path).read_text() for inverted in (False, False, True, True)
    ]
    assert len(runs) == 2 * once
    assert texts[0] == texts[1] != texts[2] == texts[3]
    (tmp_path / "crosstrain.v").unlink()
    assert synthesise(Wire(True), parts, tmp_path).read_text() == texts[3]
    assert len(runs) == 3 * once
