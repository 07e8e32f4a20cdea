"""The whole controller against the golden model, and seeded faults in every block found and named."""

import re
from dataclasses import replace
from functools import cache

import pytest

from model.system import GoldenController, run
from sim.blocks import WITH_COMPACT
from sim.cosim import cosim_random, run_cosim
from sim.coverage import BINS
from sim.mutants import mutated
from sim.paired import Comparison, PairedController
from sim.random_hardware import random_hardware
from sim.stimulus import enough, exercise, make_stimulus
from spec.choices import CHANCE_RULES, ENCODINGS, RULES
from spec.device_file import load_device, preset_names
from spec.params import INSTANCES

RANDOM_SETS = 50
RANDOM_SAMPLES = 60

# Narrow everywhere, so that each rounding and each saturation shows within a few samples.
NARROW = replace(INSTANCES["TINY"], name="NARROW", dac_bits=5, logit_bits=6, delta_bits=6, accumulator_bits=9)
TINY = INSTANCES["TINY"]
RULED = {
    "accumulate": (replace(TINY, name="EVERYTHING", rules=RULES, encodings=ENCODINGS, accumulator_bits=8, logit_bits=4,
                           dac_bits=4), "pulse_width"),
    "counter": (replace(TINY, name="RAMP", rules=("counter", "stochastic"), counter_bits=2, logit_bits=4,
                        adc_kind="ramp", adc_bits=4, rows=6, dac_load_lanes=2, adc_channels=4, update_columns=6, macs=3,
                        macro_lanes=4, teacher=0,
                        commit_depth=1, verify=1, upper_layer="analog", transposed=1), "amplitude"),
    "manhattan": (replace(TINY, name="MEMORYLESS", rules=CHANCE_RULES, logit_bits=5, commit_depth=4,
                          macro_rows=4, macro_columns=3), "amplitude"),
    "stochastic": (replace(TINY, name="SERIAL", rules=RULES, dac_bits=4, calibration=1, teacher=0,
                           encodings=("amplitude", "bit_serial")),
                   "bit_serial"),
}  # fmt: skip
"""For each rule hardware and an input encoding: together they reach what functional coverage asks for."""

FAULTS = [
    ("codes", "hw.dac_encode", "round_shift(self.i.payload.pixels[lane], PIXEL_BITS - p.dac_bits)",
     "self.i.payload.pixels[lane] >> (PIXEL_BITS - p.dac_bits)"),
    ("codes", "hw.dac_load", "m.d.comb += [self.dac_word.eq(word), self.dac_codes.eq(self.i.payload)]",
     "m.d.comb += self.dac_word.eq(word)\n        m.d.sync += self.dac_codes.eq(self.i.payload)"),
    ("codes", "hw.input_buffer", "self.load.payload.eq(port.data)", "self.load.payload[0].eq(port.data[0])"),
    ("entry", "hw.input_buffer", "any_of([Mux(bit, code, 0) for bit, code in zip(lane_bit, codes, strict=True)])",
     "codes[0]"),
    ("adc", "hw.sar_adc", "m.d.sync += [o.eq(t) for o, t in zip(offset, tried, strict=True)]",
     "m.d.sync += [o.eq(o | bit) for o in offset]"),
    ("adc", "hw.macro.converters", "compares.append(over >= 0)", "compares.append(over >= lsb)"),
    ("hidden", "hw.activation", "Mux(code < 0, 0, code)", "code"),
    ("logits", "hw.upper_layer", "(held[0] + half) >> shift", "held[0] >> shift"),
    ("logits", "hw.upper_layer", "logit = saturate(shifted, -p.logit_limit, p.logit_limit)", "logit = shifted"),
    ("verdict", "hw.margin_error", "(code > best)", "(code >= best)"),
    ("delta", "hw.backprop_delta", "error = saturate(d, -p.delta_limit, p.delta_limit)", "error = d"),
    ("delta", "hw.teacher_delta", "(difference > dead)", "(difference >= dead)"),
    ("delta", "hw.teacher_delta", "Mux(last | macro_ends, 0, self._group + 1)", "Mux(last, 0, self._group)"),
    ("entry", "hw.update_lane", "self._saturate(value), value)", "value, value)"),
    ("entry", "hw.update_lane", 'self._delay(m, up, "up", 2)', 'self._delay(m, down, "up", 2)'),
    ("strobe", "hw.commit_queue", "self.o.payload.up.eq(first.up)", "self.o.payload.up.eq(first.down)"),
    ("strobe", "hw.pulse_scheduler", "Cat(ups, (count > compared.strobe", "Cat(ups, (count >= compared.strobe"),
    ("strobe", "hw.pulse_driver", ".eq(operation[name])", ".eq(operation['row' if name == 'row' else 'up'])"),
    ("counters", "hw.counters", "(self.pulses_down, pulses_down)", "(self.pulses_down, pulses_up)"),
]  # fmt: skip


@pytest.fixture(scope="module")
def stimulus():
    return make_stimulus(NARROW, load_device("PCMO"), "accumulate", 20, 10)


def test_rtl_equals_golden_model(stimulus, simulator):
    found = run_cosim(stimulus, simulator)
    assert found.differences == []
    assert found.mismatches == 0
    assert not found.vacuous
    assert min(found.coverage.values()) > 0


@cache
def ruled(rule, simulator):
    """The co-simulation of a rule; the last thing that it does is to provoke faults."""
    params, encoding = RULED[rule]
    stimulus = make_stimulus(params, load_device("AlOx/HfO2"), rule, 30, 2, encoding)
    return run_cosim(replace(stimulus, faults=True), simulator)


@pytest.mark.parametrize(
    "params",
    [pytest.param(p, id=p.name, marks=[pytest.mark.slow] * (p != WITH_COMPACT[0])) for p in WITH_COMPACT],
)
def test_rtl_of_compact_hardware_equals_golden_model(params, simulator):
    stimulus = make_stimulus(params, load_device("PCMO"), "counter", 20, 10)
    found = run_cosim(replace(stimulus, faults=True), simulator)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


QUICK_ON = {rule: "icarus" for rule in RULES} | {"counter": "verilator"}
"""Where a rule's job is not slow: two arrays and program-verify take Icarus two minutes."""
QUICK = [*QUICK_ON.items(), ("accumulate", "verilator")]
SLOW = [case for rule in RULES for case in ((rule, "icarus"), (rule, "verilator")) if case not in QUICK]


@pytest.mark.parametrize(
    ("rule", "simulator"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_rtl_equals_golden_model_under_each_rule(rule, simulator):
    found = ruled(rule, simulator)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


MISSED = {
    "stall activation", "stall logits", "stall verdict", "stall backward",
    "idle counts",
}  # fmt: skip
"""Bins that these runs miss: consumers slower than anything before them, a host that makes a transfer wait."""


def test_functional_coverage_of_the_short_runs_is_complete():
    """All bins but the named ones are hit, each rule's own by its own run."""
    runs = {rule: ruled(rule, simulator).bins for rule, simulator in QUICK_ON.items()}
    missed = [name for name in BINS if not any(name in bins for bins in runs.values())]
    assert set(missed) <= MISSED
    for rule, bins in runs.items():
        assert f"rule {rule}" in bins
        assert not any(f"rule {other}" in bins for other in RULES if other != rule)


def draw(seed):
    """Hardware, device and rule of one random set: all presets and every rule come in turn."""
    params = random_hardware(seed)
    names = preset_names()
    return params, load_device(names[seed % len(names)]), params.rules[seed // 3 % len(params.rules)]


class Twin(GoldenController):
    """A golden controller in the place of the RTL."""

    unknown = frozenset()

    async def transfer(self, counts, **options):
        return await super().transfer(counts, trace=True, **options)

    async def verify(self, targets, way, **options):
        return await super().verify(targets, way, trace=True, **options)


def test_random_hardware_has_every_feature_on_grids():
    drawn = [random_hardware(seed) for seed in range(RANDOM_SETS)]
    for feature in ("verify", "calibration", "converter_errors", "bit_serial"):
        assert {p.macros > 1 for p in drawn if getattr(p, feature)} == {False, True}


def test_random_hardware_is_never_vacuous_and_reaches_clipping_and_saturation():
    clipped = saturated = 0
    for seed in range(RANDOM_SETS):
        params, device, rule = draw(seed)
        stimulus = make_stimulus(params, device, rule, RANDOM_SAMPLES, seed)
        pair = PairedController(
            GoldenController(params, stimulus.image), Twin(params, stimulus.image), Comparison()
        )
        assert enough(run(exercise(pair, stimulus)), stimulus.registers), f"seed {seed} is vacuous"
        assert pair.comparison.lines == []
        clipped += pair.coverage["clipped codes"]
        saturated += pair.coverage["saturated weights"]
    assert clipped > 0
    assert saturated > 0


def check_random(seed, simulator):
    params, device, rule = draw(seed)
    found = cosim_random(params, device, rule, simulator, RANDOM_SAMPLES, seed)
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


def test_rtl_of_random_hardware_equals_golden_model(simulator):
    check_random(40, simulator)


def test_rtl_of_large_random_hardware_equals_golden_model():
    check_random(23, "verilator")  # Icarus takes more than a minute


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RANDOM_SETS))
def test_rtl_of_much_random_hardware_equals_golden_model(seed, simulator):
    check_random(seed, simulator)


@pytest.mark.parametrize(("stage", "module", "old", "new"), FAULTS, ids=[f"{f[1]}-{f[0]}" for f in FAULTS])
def test_seeded_fault_is_caught_and_named_by_stage(stage, module, old, new, stimulus, request):
    simulator = "icarus"
    variant = request.node.callspec.id.replace("/", "_")
    with mutated(module, old, new):
        found = run_cosim(stimulus, simulator, variant=variant)
    assert found.mismatches > 0
    assert re.search(rf"(^|: ){stage}\b", found.differences[0])
