"""The controller as a shared library beside the golden macro's kernels."""

from dataclasses import replace

import numpy as np
import pytest

from model.pulse_trace import pulse_table
from model.system import GoldenController, run
from sim.fast import build
from sim.fast.pair import run_fast
from sim.fast.under_cocotb import run_bulk
from sim.mutants import mutated
from sim.stimulus import exercise, make_stimulus
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]
ODD = replace(
    TINY, name="ODD", rows=70, columns=35, dac_bits=5, adc_channels=33, adc_bits=5, cmp_latency_cycles=2
)
PLANES = replace(TINY, name="PLANES", encodings=("bit_serial",), adc_kind="ramp", verify=1)


@pytest.mark.parametrize(
    ("params", "rule"),
    [(TINY, "accumulate"), (ODD, "accumulate"), (ODD, "counter"), (PLANES, "counter")],
    ids=lambda value: getattr(value, "name", value),
)
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
    monkeypatch.setattr(build, "BUILD", tmp_path)
    with mutated(module, old, new):
        found = run_fast(make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2))
    assert found.mismatches > 0
    assert found.differences[0].startswith(f"{run}: sample ")


def test_converters_with_errors_are_refused():
    with pytest.raises(InputError, match="converters have no errors"):
        run_fast(
            make_stimulus(replace(TINY, converter_errors=1), load_device("AlOx/HfO2"), "accumulate", 4, 2)
        )


def test_build_error_has_what_the_tool_said(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(build, "VERILATOR", ("--no-such-option",))
    with pytest.raises(build.BuildError, match="no-such-option"):
        build.build_library(TINY)


def test_bench_under_cocotb_finds_what_the_library_finds():
    stimulus = make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2)
    library, cocotb = run_fast(stimulus), run_bulk(stimulus)
    assert (cocotb.mismatches, cocotb.differences, cocotb.vacuous) == (0, [], False)
    assert cocotb.counters == library.counters
    assert np.array_equal(cocotb.record.strobes.up, library.record.strobes.up)


def test_waveform_holds_the_window_of_samples_and_nothing_else(tmp_path):
    stimulus = make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2)
    short = run_fast(stimulus, waveform=tmp_path / "short", window=range(10, 12)).waveform.read_text()
    long = run_fast(stimulus, waveform=tmp_path / "long", window=range(10, 30)).waveform.read_text()
    times = [[int(line[1:]) for line in text.splitlines() if line.startswith("#")] for text in (short, long)]
    assert times[0][0] == times[1][0] > 0
    assert 5 < (times[1][-1] - times[1][0]) / (times[0][-1] - times[0][0]) < 20
    assert "macro__integrate" in short


def test_pulses_of_rtl_and_golden_model_are_the_same_table():
    stimulus = make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2)
    found, pulse = run_fast(stimulus), load_device("AlOx/HfO2").pulse
    golden = run(exercise(GoldenController(TINY, stimulus.image), stimulus))
    table = pulse_table(golden.strobes, TINY, stimulus.registers, pulse)
    assert pulse_table(found.record.strobes, TINY, found.registers, pulse) == table
    assert len(table.splitlines()) == 1 + golden.strobes.pulses_up + golden.strobes.pulses_down > 41
