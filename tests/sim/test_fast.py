"""The controller as a shared library beside the golden macro's kernels."""

import re
from dataclasses import replace

import numpy as np
import pytest

from model.pulse_trace import pulse_table
from model.system import GoldenController, run
from sim.fast import build, pair
from sim.fast.pair import run_fast
from sim.fast.under_cocotb import run_bulk
from sim.mutants import mutated
from sim.stimulus import exercise, make_stimulus
from spec.device_file import load_device
from spec.params import INSTANCES

pytestmark = pytest.mark.usefixtures("short_jobs")
TINY = INSTANCES["TINY"]
ODD = replace(
    TINY, name="ODD", rows=70, columns=35, dac_bits=5, adc_channels=33, adc_bits=5, cmp_latency_cycles=2
)
PLANES = replace(TINY, name="PLANES", encodings=("bit_serial",), adc_kind="ramp", verify=1)
ERRING = replace(TINY, name="ERRING", converter_errors=1, calibration=1)
COPY = replace(
    TINY, name="COPY", upper_layer="analog", encodings=("bit_serial",), classes=5, logit_bits=6, verify=1
)
TRANSPOSED = replace(TINY, name="TRANSPOSED", upper_layer="analog", transposed=1, delta_bits=5)
WIDE = replace(
    TRANSPOSED, name="WIDE", rows=9, columns=7, classes=12, adc_channels=7, update_columns=6, logit_bits=10
)
"""Its upper array is the larger one but for its rows of a word."""
ERRING_PLANES = replace(ERRING, name="ERRING_PLANES", encodings=("amplitude", "bit_serial"))


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        (TINY, "accumulate"),
        (ODD, "accumulate"),
        (ODD, "counter"),
        (PLANES, "counter"),
        (ERRING, "accumulate"),
        (COPY, "counter"),
        (TRANSPOSED, "accumulate"),
        pytest.param(WIDE, "accumulate", marks=pytest.mark.slow),
        pytest.param(ERRING_PLANES, "counter", marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_library_equals_golden_model(params, rule):
    found = run_fast(make_stimulus(params, load_device("AlOx/HfO2"), rule, 40, 2))
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


ROW_OF_ANOTHER_LANE = (
    "hw.input_buffer", "any_of([Mux(bit, code, 0) for bit, code in zip(lane_bit, codes, strict=True)])", "codes[0]",
)  # fmt: skip
"""Updates are wrong, and what is read only once they are applied."""

RIVAL_RAISED = "hw.analog_upper", "Mux(rival == klass, -limit, 0)", "Mux(rival == klass, limit, 0)"
"""Only the upper array's pulses are wrong, at first."""

FAULTS = [
    (TINY, *ROW_OF_ANOTHER_LANE, r"run 2 \(train\): entry \(block update_rule\), sample 0, row: expected 1, got \d$"),
    (TINY, "hw.activation", "Mux(code < 0, 0, code)", "code",
     r"run 1 \(infer\): hidden \(block activation\), sample \d+, element \d: expected 0, got \d+$"),
    (TINY, "hw.commit_queue", "self.o.payload.up.eq(first.up)", "self.o.payload.up.eq(first.down)",
     r"run 2 \(train\): strobe \(block pulse_scheduler\), sample 0, up\[\d\]: expected \d, got \d$"),
    (TINY, "hw.pulse_scheduler", "self.o.payload.depress.eq(self.depress)", "self.o.payload.depress.eq(1)",
     r"transfer: strobe \(block pulse_scheduler\), item 0, depress: expected 0, got 1$"),
    (TINY, "hw.pulse_driver", "timer.eq(at_least(self.width, 1))", "timer.eq(self.width + 1)",
     r"transfer: strobe \(block pulse_scheduler\), item \d+: item \d+ is missing$"),
    (TRANSPOSED, *RIVAL_RAISED,
     r"run 2 \(train\): upper_entry \(block update_rule\), sample \d+, (row|up\[\d\]|down\[\d\]): expected \d, got \d$"),
    (TRANSPOSED, "hw.analog_upper", '("row", "up", "down")', '("row", "up")',
     r"run 2 \(train\): upper_strobe \(block pulse_scheduler\), sample \d+, down\[\d\]: expected 1, got 0$"),
]  # fmt: skip


@pytest.fixture
def own_builds(tmp_path, monkeypatch):
    """In a folder of the test's own."""
    monkeypatch.setattr(build, "BUILD", tmp_path / "build")


@pytest.mark.parametrize(
    ("params", "module", "old", "new", "first"),
    [pytest.param(*fault, marks=[pytest.mark.slow] if k else []) for k, fault in enumerate(FAULTS)],
    ids=[f"{fault[1]}-{k}" for k, fault in enumerate(FAULTS)],
)
def test_first_difference_is_told_by_stage_sample_and_element(
    params, module, old, new, first, tmp_path, own_builds
):
    stimulus, steps = make_stimulus(params, load_device("AlOx/HfO2"), "accumulate", 40, 2), []
    with mutated(module, old, new):
        found = run_fast(stimulus, replays=tmp_path, progress=lambda *step: steps.append(step))
    assert found.mismatches > 0
    assert re.match(first, found.differences[0])
    assert 1000 < len(found.replayed.read_text()) and found.replayed.parent == tmp_path
    assert steps[-1][0].startswith("replay: ")


def test_fault_is_found_long_before_a_prediction_is_wrong(tmp_path, own_builds, monkeypatch):
    monkeypatch.setattr(pair, "replay", lambda job, found, folder, progress: found)
    with mutated(*ROW_OF_ANOTHER_LANE):
        found = run_fast(make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2))
    assert (found.suspect.stage, found.suspect.sample, found.suspect.item) == ("entry", 0, 0)
    wrong = [line for line in found.differences if line.startswith("run 2 (train): sample ")]
    assert int(re.search(r"sample (\d+), prediction", wrong[0])[1]) > 3


def test_fault_of_an_analog_upper_layer_is_named_by_its_stage(tmp_path, own_builds, monkeypatch):
    monkeypatch.setattr(pair, "replay", lambda job, found, folder, progress: found)
    with mutated(*RIVAL_RAISED):
        found = run_fast(make_stimulus(TRANSPOSED, load_device("AlOx/HfO2"), "accumulate", 40, 3))
    assert (found.suspect.operation, found.suspect.stage) == ("run 2 (train)", "upper_entry")
    assert any("upper strobe" in line for line in found.differences)


@pytest.mark.slow
def test_bench_under_cocotb_is_looked_into_on_the_library(tmp_path, own_builds):
    with mutated(*ROW_OF_ANOTHER_LANE):
        stimulus = make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2)
        found = run_bulk(stimulus, replays=tmp_path)
    assert re.match(FAULTS[0][4], found.differences[0])
    assert found.replayed.exists()


def test_build_error_has_what_the_tool_said(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(build, "VERILATOR", ("--no-such-option",))
    with pytest.raises(build.BuildError, match="no-such-option"):
        build.build_library(TINY)


@pytest.mark.parametrize(
    "params", [TINY, pytest.param(TRANSPOSED, marks=pytest.mark.slow)], ids=lambda p: p.name
)
def test_bench_under_cocotb_finds_what_the_library_finds(params):
    stimulus = make_stimulus(params, load_device("AlOx/HfO2"), "accumulate", 40, 2)
    library, cocotb = run_fast(stimulus), run_bulk(stimulus)
    assert (cocotb.mismatches, cocotb.differences, cocotb.vacuous) == (0, [], False)
    assert cocotb.counters == library.counters
    for one, other in (
        (cocotb.record.strobes, library.record.strobes),
        (cocotb.record.upper, library.record.upper),
    ):
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one.up, other.up)


def trained_once(params):
    """Without a teacher: a job has a single training run, which is the one that the window is of."""
    return replace(params, teacher=0)


def test_waveform_holds_the_window_of_samples_and_nothing_else(tmp_path):
    stimulus = make_stimulus(trained_once(TINY), load_device("AlOx/HfO2"), "accumulate", 40, 2)
    short = run_fast(stimulus, waveform=tmp_path / "short", window=range(10, 12)).waveform.read_text()
    long = run_fast(stimulus, waveform=tmp_path / "long", window=range(10, 30)).waveform.read_text()
    times = [[int(line[1:]) for line in text.splitlines() if line.startswith("#")] for text in (short, long)]
    assert times[0][0] == times[1][0] > 0
    assert 5 < (times[1][-1] - times[1][0]) / (times[0][-1] - times[0][0]) < 20
    assert "macro__integrate" in short


@pytest.mark.slow
def test_window_of_bit_serial_reads_counts_samples(tmp_path):
    stimulus = make_stimulus(trained_once(PLANES), load_device("AlOx/HfO2"), "accumulate", 40, 2)
    text = run_fast(stimulus, waveform=tmp_path / "planes", window=range(10, 13)).waveform.read_text()
    name = re.search(r"\$var \w+ +1 (\S+) macro__integrate \$end", text)[1]
    integrates = sum(line == f"1{name}" for line in text.splitlines())
    assert 3 <= integrates / PLANES.dac_bits <= 5  # the read before, and what of the next one has begun


def test_pulses_of_rtl_and_golden_model_are_the_same_table():
    stimulus = make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 2)
    found, pulse = run_fast(stimulus), load_device("AlOx/HfO2").pulse
    golden = run(exercise(GoldenController(TINY, stimulus.image), stimulus))
    table = pulse_table(golden.strobes, TINY, stimulus.registers, pulse)
    assert pulse_table(found.record.strobes, TINY, found.registers, pulse) == table
    assert len(table.splitlines()) == 1 + golden.strobes.pulses_up + golden.strobes.pulses_down > 41
