"""Layers on several macros: the whole controller against the golden model, and faults of what only a grid has."""

import re
from dataclasses import replace

import pytest

from hw.controller import Controller
from hw.emit import to_systemverilog
from hw.lint import lint
from hw.top import EmulatedTop, ObservedTop
from sim.cosim import cosim_random, run_cosim
from sim.fast.pair import run_fast
from sim.mutants import mutated
from sim.runner import SIMULATORS
from sim.stimulus import make_stimulus
from spec.device_file import load_device
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]
GRIDS = {
    "2x1": replace(TINY, name="GRID2x1", macro_rows=8),
    "1x2": replace(TINY, name="GRID1x2", macro_columns=4),
    "2x2": replace(TINY, name="GRID2x2", rows=6, columns=5, macro_rows=4, macro_columns=3),
    "4x4": replace(TINY, name="GRID4x4", rows=14, columns=7, macro_rows=4, macro_columns=2, macro_lanes=1),
    "2x2 all": replace(
        TINY, name="ALL2x2", rows=6, columns=5, macro_rows=4, macro_columns=3,
        verify=1, calibration=1, converter_errors=1,
    ),
    "4x4 all": replace(
        TINY, name="ALL4x4", rows=7, columns=7, dac_load_lanes=2, macro_rows=2, macro_columns=2, macro_lanes=1,
        adc_kind="ramp", adc_bits=4, encodings=("bit_serial",), dac_bits=3, verify=1, calibration=1, converter_errors=1,
    ),
    "3x2 large": replace(
        INSTANCES["DIGITS"], name="GRID3x2", macro_rows=24, macro_columns=20, adc_channels=5, cmp_latency_cycles=1
    ),
}  # fmt: skip
"""By their shape; the last macros of each are smaller."""

QUICK = [("2x2 all", "verilator")]  # Icarus takes a minute; it simulates a grid in tests/sim/test_cosim.py
SLOW = [(name, simulator) for name in GRIDS for simulator in SIMULATORS]

FAULTS = [
    ("2x2", "column", "hw.partial_sum", "saturate(reduce(add, codes), -limit, limit)", "codes[0]"),
    ("2x2", "conversion", "hw.pulse_route", "write.strobe & (own.up | own.down).any()", "write.strobe & mine"),
    ("2x2", "conversion", "hw.top", "macro_seed(word.value, tile.place)", "word.value"),
    ("2x2", "conductances", "hw.macro_grid", "column - tile.first_column", "column"),
    ("2x2 all", "strobe", "hw.macro_grid", 'found.append("reading")', "pass"),
    ("2x2 all", "calibration", "hw.calibration", "self.restore & (self.channel == k)", "self.restore & (k == 0)"),
]  # fmt: skip
"""Grid, the stage or operation where the fault shows first, and the fault."""


def check(name, simulator):
    found = cosim_random(GRIDS[name], load_device("AlOx/HfO2"), "accumulate", simulator, 16, 2)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


@pytest.mark.parametrize(("name", "simulator"), QUICK)
def test_rtl_of_a_grid_equals_golden_model(name, simulator):
    check(name, simulator)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "simulator"), [case for case in SLOW if case not in QUICK])
def test_rtl_of_more_grids_equals_golden_model(name, simulator):
    check(name, simulator)


@pytest.mark.parametrize(
    ("grid", "stage", "module", "old", "new"),
    [pytest.param(*fault, marks=[pytest.mark.slow] if k else []) for k, fault in enumerate(FAULTS)],
    ids=[f"{fault[2]}-{fault[1]}-{k}" for k, fault in enumerate(FAULTS)],
)
def test_seeded_fault_of_a_grid_is_caught_and_named_by_stage(grid, stage, module, old, new):
    stimulus = make_stimulus(GRIDS[grid], load_device("AlOx/HfO2"), "accumulate", 8, 2)
    with mutated(module, old, new) as mutant:
        top = getattr(mutant, "ObservedTop", ObservedTop)
        found = run_cosim(stimulus, "icarus", top=top, variant=f"{module}-{stage}")
    assert found.mismatches > 0
    assert re.search(rf"(^|: ){stage}\b", found.differences[0])


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("2x2", EmulatedTop),
        ("4x4 all", Controller),
        pytest.param("4x4", EmulatedTop, marks=pytest.mark.slow),
    ],
)
def test_grid_passes_the_lint(name, component, tmp_path):
    assert lint(to_systemverilog(component(GRIDS[name]), "top", tmp_path / "top.sv"), "top") == []


@pytest.mark.parametrize("params", [TINY, GRIDS["2x1"]], ids=lambda p: p.name)
def test_a_macro_alone_keeps_the_name_of_its_port(params, tmp_path):
    text = to_systemverilog(Controller(params), "top", tmp_path / "top.sv").read_text()
    ports = set(re.findall(r"^  input (\w+)__ready;$", text, re.MULTILINE)) & {
        "macro", "macro_0_0", "macro_1_0",
    }  # fmt: skip
    assert ports == ({"macro"} if params is TINY else {"macro_0_0", "macro_1_0"})


@pytest.mark.parametrize(
    "name",
    ["2x2 all", *(pytest.param(name, marks=pytest.mark.slow) for name in ("2x1", "4x4 all", "3x2 large"))],
)
def test_bench_of_a_grid_equals_golden_model(name, short_jobs):
    found = run_fast(make_stimulus(GRIDS[name], load_device("AlOx/HfO2"), "accumulate", 40, 2))
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
