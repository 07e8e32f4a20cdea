"""An analog upper layer: the whole controller against the golden model, and faults of what only it has."""

import re
from dataclasses import replace

import pytest

from sim.cosim import run_cosim
from sim.mutants import mutated
from sim.stimulus import make_stimulus
from spec.choices import CHANCE_RULES, RULES
from spec.device_file import load_device
from spec.params import INSTANCES

TINY = replace(INSTANCES["TINY"], upper_layer="analog")
HARDWARE = {
    "copy": (replace(TINY, name="COPY", cmp_latency_cycles=1, calibration=1), "accumulate"),
    "transposed": (replace(TINY, name="TRANSPOSED", transposed=1, delta_bits=5), "accumulate"),
    "counter": (replace(TINY, name="UPPER-COUNTER", transposed=1, rules=RULES, counter_bits=3, verify=1), "counter"),
    "by chance": (replace(TINY, name="UPPER-CHANCE", transposed=1, rules=CHANCE_RULES, macro_rows=8), "stochastic"),
    "full groups": (
        replace(TINY, name="UPPER-ODD", transposed=1, columns=7, adc_channels=7, adc_bits=5, adc_kind="ramp", logit_bits=4,
                classes=5, update_columns=6, rows=9, rules=("accumulate",), encodings=("bit_serial",), dac_bits=4),
        "accumulate",
    ),
}  # fmt: skip
"""Hardware and rule.  In the last one the bias row's word is its own, and no width divides another."""
QUICK = [("copy", "icarus"), ("transposed", "verilator")]
SLOW = [(name, simulator) for name in HARDWARE for simulator in ("verilator", "icarus")]

FAULTS = [
    ("logits", "hw.upper_rows", "lane.eq(full if k == 0 else 0)", "lane.eq(full - 1 if k == 0 else 0)"),
    ("delta", "hw.analog_upper", "self.port.lowered.eq(verdict.rival)", "self.port.lowered.eq(verdict.target)"),
    ("delta", "hw.upper_sequencer", "row.eq(row + step)", "row.eq(row + 1)"),
    ("upper_entry", "hw.analog_upper", "Mux(rival == klass, -limit, 0)", "Mux(rival == klass, limit, 0)"),
    ("upper_strobe", "hw.analog_upper", '("row", "up", "down")', '("row", "up")'),
]  # fmt: skip


def stimulus(name, samples=16):
    params, rule = HARDWARE[name]
    return make_stimulus(params, load_device("PCMO"), rule, samples, 3)


def check(name, simulator):
    samples = 40 if HARDWARE[name][1] in CHANCE_RULES else 16  # they have few pulses
    found = run_cosim(stimulus(name, samples), simulator)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)
    upper = found.record.upper
    assert upper.pulses_up and upper.pulses_down


@pytest.mark.parametrize(("name", "simulator"), QUICK)
def test_rtl_with_an_analog_upper_layer_equals_golden_model(name, simulator):
    check(name, simulator)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "simulator"), [case for case in SLOW if case not in QUICK])
def test_rtl_with_other_analog_upper_layers_equals_golden_model(name, simulator):
    check(name, simulator)


@pytest.mark.parametrize(
    ("stage", "module", "old", "new"),
    [pytest.param(*fault, marks=[pytest.mark.slow] if k else []) for k, fault in enumerate(FAULTS)],
    ids=[f"{f[1]} {f[0]}" for f in FAULTS],
)
def test_seeded_fault_of_an_analog_upper_layer_is_caught_and_named_by_stage(stage, module, old, new):
    with mutated(module, old, new):
        found = run_cosim(stimulus("transposed", 12), "icarus", variant=module)
    assert found.mismatches > 0
    assert re.search(rf"(^|: ){stage}\b", found.differences[0])
