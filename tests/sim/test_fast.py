"""The controller as a shared library beside the golden macro's kernels."""

from dataclasses import replace

import pytest

from sim.fast import library
from sim.fast.pair import run_fast
from sim.mutants import mutated
from sim.stimulus import make_stimulus
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]
ODD = replace(
    TINY, name="ODD", rows=70, columns=35, dac_bits=5, adc_channels=33, adc_bits=5, cmp_latency_cycles=2
)


@pytest.mark.parametrize("rule", ["accumulate", "counter"])
@pytest.mark.parametrize("params", [TINY, ODD], ids=lambda p: p.name)
def test_library_equals_golden_model(params, rule):
    found = run_fast(make_stimulus(params, load_device("AlOx/HfO2"), rule, 40, 2))
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


@pytest.mark.parametrize(
    ("module", "old", "new", "run"),
    [
        ("hw.activation", "Mux(code < 0, 0, code)", "code", "run 1 (infer)"),
        ("hw.input_buffer", "self.rows.payload.code.eq(port.data[lane])",
         "self.rows.payload.code.eq(port.data[lane - 1])", "run 2 (train)"),
    ],
    ids=["read", "update"],
)  # fmt: skip
def test_fault_is_a_difference_of_the_first_run_that_it_touches(module, old, new, run, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "BUILD", tmp_path)
    with mutated(module, old, new):
        found = run_fast(make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2))
    assert found.mismatches > 0
    assert found.differences[0].startswith(f"{run}: sample ")


@pytest.mark.parametrize("changes", [{"encodings": ("bit_serial",)}, {"converter_errors": 1}])
def test_hardware_that_it_does_not_play_is_refused(changes):
    with pytest.raises(InputError, match="fast engine"):
        run_fast(make_stimulus(replace(TINY, **changes), load_device("AlOx/HfO2"), "accumulate", 4, 2))


def test_build_error_has_what_the_tool_said(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "BUILD", tmp_path)
    monkeypatch.setattr(library, "VERILATOR", ("--no-such-option",))
    with pytest.raises(library.BuildError, match="no-such-option"):
        library.build(TINY)
