"""UpdateRule equals its golden function, row by row, whatever the pauses."""

import re
from dataclasses import replace

import numpy as np
import pytest

from hw.emit import to_rtlil
from hw.update_rule import UpdateRule
from model.controller.settings import settings
from model.controller.update_rule import effective_threshold, firing, sample_key, update_rule
from model.cycles import fullest_banks
from sim.mutants import mutated
from spec.choices import CHANCE_RULES, RULES
from spec.numerics import thinning_mask, update_draw, update_key, update_seed_key
from spec.params import INSTANCES, HwParams
from tests.hw.streams import put, simulate

TINY = INSTANCES["TINY"]
NEVER = 0xFFFF_FFFF

SHAPES = {
    "tiny": TINY,
    "one row": replace(TINY, rows=1),
    "one column": replace(TINY, columns=1, adc_channels=1, update_columns=1, macro_lanes=1),
    "one word": replace(TINY, update_columns=6),
    "banks of two": replace(TINY, bank_columns=2),
    "one bank": replace(TINY, columns=9, update_columns=3, bank_columns=3),
    "many words": replace(TINY, columns=7, update_columns=2),
    "accumulate": replace(TINY, rules=("accumulate",), accumulator_bits=8, delta_bits=10),
    "counter": replace(TINY, rules=("counter",), counter_bits=2, columns=9, update_columns=3),
    "other order": replace(TINY, rules=("counter", "accumulate"), counter_bits=16, accumulator_bits=9),
    "wide": replace(TINY, accumulator_bits=32, dac_bits=1),
    "all rules": replace(TINY, rules=RULES),
    "manhattan": replace(TINY, rules=("manhattan",)),
    "stochastic": replace(TINY, rules=("stochastic",), columns=7, update_columns=2, bank_columns=2),
    "counter or chance": replace(
        TINY, rules=("stochastic", "counter", "manhattan"), delta_bits=10, dac_bits=3
    ),
}

DENSE = [name for name, p in SHAPES.items() if p.rules[0] != "stochastic"]
"""Shapes whose first rule is able to give every row a pulse."""


def samples_of(p: HwParams, number: int, rng) -> list[dict]:
    """Random samples: small, extreme and zero codes and deltas; about one in four does not update."""
    out = []
    for _ in range(number):
        codes = rng.choice([0, 0, 1, p.dac_full_scale, -1], p.rows)
        codes = np.where(codes < 0, rng.integers(0, p.dac_full_scale + 1, p.rows), codes)
        codes[-1] = p.dac_full_scale
        limit = p.delta_limit
        delta = rng.choice([0, 1, -1, limit, -limit, limit + 1], p.columns)
        delta = np.where(delta > limit, rng.integers(-limit, limit + 1, p.columns), delta)
        out.append({"update": rng.random() < 0.75, "codes": codes, "delta": delta.astype(np.int32)})
    return out


def golden(p: HwParams, samples, s, memory) -> list[tuple[int, int, int, int]]:
    """(end, row, up, down) of every entry; `memory` is updated in place."""
    up, down = np.zeros(p.columns, np.uint8), np.zeros(p.columns, np.uint8)
    entries = []
    for number, sample in enumerate(samples):
        threshold = effective_threshold(s.threshold, number, s.double_first, s.double_second)
        key = sample_key(s, number)
        delta = firing(sample["delta"], key, s)
        for row in np.flatnonzero(sample["codes"]) if sample["update"] else ():
            code = int(sample["codes"][row])
            if update_rule(memory[row], row, code, delta, threshold, key, s, up, down):
                entries.append((0, int(row), bits(up), bits(down)))
        entries.append((1, 0, 0, 0))
    return entries


def bits(mask) -> int:
    return sum(int(bit) << k for k, bit in enumerate(mask))


def words(p: HwParams, delta) -> list[dict]:
    padded = np.zeros(p.update_words * p.update_columns, int)
    padded[: p.columns] = delta
    lines = padded.reshape(p.update_words, p.update_columns).tolist()
    return [{"deltas": line, "last": k == p.update_words - 1} for k, line in enumerate(lines)]


def rows(codes) -> list[dict]:
    numbers = np.flatnonzero(codes).tolist()
    return [{"row": row, "code": int(codes[row]), "last": row == numbers[-1]} for row in numbers]


def streams(p: HwParams, samples) -> dict[str, list[dict]]:
    updating = [sample for sample in samples if sample["update"]]
    return {
        "i": [{"update": int(sample["update"])} for sample in samples],
        "deltas": [word for sample in updating for word in words(p, sample["delta"])],
        "rows": [row for sample in updating for row in rows(sample["codes"])],
    }


def registers(s) -> dict[str, int]:
    names = (
        "rule",
        "threshold",
        "double_first",
        "double_second",
        "x_threshold",
        "delta_threshold",
        "update_seed",
    )
    return {name: getattr(s, name) for name in names}


def entry(payload) -> tuple[int, int, int, int]:
    return payload.end, payload.row, payload.up, payload.down


def updates(p: HwParams, samples, s, pauses=0.0, **options):
    """Run the block; returns the run and the golden entries, which it has equalled."""
    expected = golden(p, samples, s, np.zeros((p.rows, p.columns), np.int32))
    config = registers(s) | options.pop("config", {})
    run = simulate(
        options.pop("block", UpdateRule)(p),
        streams(p, samples),
        {"o": len(expected)},
        config=config,
        pauses=pauses,
        **options,
    )
    assert [entry(payload) for payload in run.outputs["o"]] == expected
    return run, expected


def settings_of(p: HwParams, rule: str, threshold: int, **registers):
    values = {"RULE": RULES.index(rule), "THRESHOLD": threshold, "X_THRESHOLD": p.dac_full_scale // 2}
    return settings(p, values | {"DELTA_THRESHOLD": p.delta_limit // 2} | registers)


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize(("shape", "rule"), [(name, rule) for name, p in SHAPES.items() for rule in p.rules])
def test_entries_equal_the_golden_function(shape, rule, pauses):
    p = SHAPES[shape]
    thresholds = {"accumulate": p.dac_full_scale * p.delta_limit // 2 + 1, "counter": 2}
    threshold = thresholds.get(rule, 1)
    s = settings_of(p, rule, threshold, DOUBLE_FIRST=8, DOUBLE_SECOND=12)
    other_rule = {} if len(p.rules) > 1 else {"rule": s.rule ^ 1}  # not looked at
    _, expected = updates(p, samples_of(p, 16, np.random.default_rng(1)), s, pauses, config=other_rule)
    assert any(up or down for _, _, up, down in expected)


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("stochastic", "drawn < magnitude", "drawn <= magnitude"),
        ("stochastic", "(drawn[:THIN_BITS] & mask)", "(drawn[:THIN_BITS] & mask[1:])"),
        ("manhattan", "magnitude >= self.delta_threshold", "magnitude > self.delta_threshold"),
        ("manhattan", "code >= self.x_threshold", "code > self.x_threshold"),
        ("counter", "[Mux(self._by_chance(), 0, delta)", "[Mux(self._by_chance(), delta, 0)"),
    ],
)
def test_a_seeded_fault_of_a_rule_by_chance_is_caught(rule, old, new):
    p = replace(SHAPES["all rules"], dac_bits=3, delta_bits=4)
    s = settings_of(p, rule, 2, X_THRESHOLD=1, DELTA_THRESHOLD=1, DOUBLE_FIRST=10)
    samples = samples_of(p, 16, np.random.default_rng(24))
    updates(p, samples, s)
    with mutated("hw.update_rule", old, new) as mutant, pytest.raises(AssertionError):
        updates(p, samples, s, block=mutant.UpdateRule, deadline=3000)


@pytest.mark.parametrize(("rules", "memories"), [(RULES, TINY.update_banks), (CHANCE_RULES, 0)])
def test_rules_without_memory_have_none(rules, memories, tmp_path):
    text = to_rtlil(UpdateRule(replace(TINY, rules=rules)), "update_rule", tmp_path / "rule.il").read_text()
    assert len(re.findall(r"^  memory width .* \\slice_\d+$", text, re.MULTILINE)) == memories


@pytest.mark.parametrize("is_column", [0, 1])
def test_draws_are_fair_and_know_row_and_sample(is_column):
    keys = np.array([update_key(update_seed_key(3), sample) for sample in range(400)])[:, None]
    draws = update_draw(keys, np.arange(256)[None, :], is_column)
    for values, mean in ((draws >> 24, 127.5), (draws & 255, 127.5)):
        sigma = 73.9  # of a uniform byte
        assert abs(values.mean() - mean) < 5 * sigma / values.size**0.5
        for axis, count in ((0, 400), (1, 256)):
            assert abs(values.mean(axis).std() / (sigma / count**0.5) - 1) < 0.25
    assert len(np.unique(draws)) > 0.99 * draws.size


@pytest.mark.parametrize(
    ("threshold", "mask"),
    [(1, 0), (2, 1), (3, 3), (4, 3), (5, 7), (1 << 20, (1 << 20) - 1), (1 << 33, (1 << 20) - 1)],
)
def test_the_threshold_thins_to_a_power_of_two(threshold, mask):
    assert thinning_mask(threshold) == mask


def test_stochastic_pulses_follow_the_product():
    """Over many samples a weight is pulsed as often as code * delta says, and by its sign."""
    p = replace(TINY, rules=RULES, columns=4)
    s = settings_of(p, "stochastic", 4)
    delta, code = np.array([100, -50, 0, 127], np.int32), 200
    count, trials = np.zeros(4), 20_000
    up, down = np.zeros(4, np.uint8), np.zeros(4, np.uint8)
    for sample in range(trials):
        key = sample_key(s, sample)
        update_rule(np.zeros(4, np.int32), 5, code, firing(delta, key, s), 4, key, s, up, down)
        count += up.astype(int) - down
    chance = code / 256 * np.abs(delta) / 128 / 4
    expected = np.sign(delta) * trials * chance
    assert (np.abs(count - expected) <= 5 * np.sqrt(trials * chance)).all()


@pytest.mark.parametrize(
    ("threshold", "first", "second"),
    [
        (0, NEVER, NEVER),  # acts as 1
        (1, NEVER, NEVER),
        (127, NEVER, NEVER),  # the largest value kept
        (200, NEVER, NEVER),  # reached before saturation only
        (127 + 255 * 127, NEVER, NEVER),  # the largest sum
        (128 + 255 * 127, NEVER, NEVER),  # not reached by any
        ((1 << 31) - 1, 0, 0),
        (50, 0, 20),
        (50, 20, 10),  # either may come first
        (50, 10, 10),
    ],
)
def test_thresholds_compare_before_saturation(threshold, first, second):
    p = replace(TINY, rules=("accumulate",), accumulator_bits=8)
    s = settings_of(p, "accumulate", threshold, DOUBLE_FIRST=first, DOUBLE_SECOND=second)
    config = {"threshold": threshold}  # 0 as it is
    _, expected = updates(p, samples_of(p, 30, np.random.default_rng(14)), s, config=config)
    assert any(up | down for _, _, up, down in expected) == (threshold <= 127 + 255 * 127)


@pytest.mark.parametrize("x_threshold", [0, 1, 255])
@pytest.mark.parametrize("delta_threshold", [0, 1, 127, 1023])
def test_counter_counts_from_its_thresholds_on(x_threshold, delta_threshold):
    s = settings_of(TINY, "counter", 2, X_THRESHOLD=x_threshold, DELTA_THRESHOLD=delta_threshold)
    config = {"delta_threshold": delta_threshold}  # 0 as it is
    _, expected = updates(TINY, samples_of(TINY, 16, np.random.default_rng(15)), s, config=config)
    assert any(up | down for _, _, up, down in expected) == (delta_threshold < 1023)


def test_a_narrow_counter_in_a_wide_memory_saturates_at_its_own_width():
    p = replace(TINY, counter_bits=2)
    updates(p, samples_of(p, 30, np.random.default_rng(16)), settings_of(p, "counter", 2, DELTA_THRESHOLD=1))


def words_of(p, samples):
    """Words that each sample takes of the update memory."""
    return fullest_banks(p, np.array([sample["delta"] for sample in samples])).tolist()


@pytest.mark.parametrize("shape", DENSE)
def test_entries_are_right_when_each_waits(shape):
    """Every row has one, and they are taken more slowly than they come."""
    p = SHAPES[shape]
    s = settings_of(p, p.rules[0], 1, X_THRESHOLD=0, DELTA_THRESHOLD=1)
    samples = samples_of(p, 8, np.random.default_rng(23))
    run, _ = updates(p, samples, s, pauses=0.9)
    assert run.taken["o"][-1] > sum(
        UpdateRule.cycles(p, np.count_nonzero(sample["codes"]), number)
        for sample, number in zip(samples, words_of(p, samples), strict=True)
    )


@pytest.mark.parametrize("shape", DENSE)
def test_a_sample_takes_its_words_and_the_latency(shape):
    p = SHAPES[shape]
    s = settings_of(p, p.rules[0], 1, X_THRESHOLD=0, DELTA_THRESHOLD=1)
    samples = samples_of(p, 8, np.random.default_rng(17))
    for sample in samples:
        sample["delta"][0] = 1  # an entry per row
    for sample in samples[::2]:
        sample["delta"][1:] = 0
    run, expected = updates(p, samples, s)
    words = words_of(p, samples)
    assert len(set(words)) > 1 or p.update_words == 1
    taken, latency = [run.given["i"][0]], []
    for sample, number in zip(samples, words, strict=True):
        non_zero = sample["update"] * np.count_nonzero(sample["codes"])
        taken.append(taken[-1] + UpdateRule.cycles(p, non_zero, number))
        latency += [number + UpdateRule.LATENCY] * non_zero
    assert run.given["i"] == taken[:-1]
    entries = [cycle for cycle, (end, *_) in zip(run.taken["o"], expected, strict=True) if not end]
    assert entries == [cycle + later for cycle, later in zip(run.given["rows"], latency, strict=True)]


@pytest.mark.parametrize("between", ["nothing", "clear", "other rule"])
@pytest.mark.parametrize("shape", ["tiny", "one row", "one column"])
def test_a_second_run_counts_anew_and_keeps_the_memory_unless_cleared(shape, between):
    p = SHAPES[shape]
    s = settings_of(p, "accumulate", 20_000, DOUBLE_FIRST=3)
    then = settings_of(p, "counter", 5_000, DELTA_THRESHOLD=1) if between == "other rule" else s
    runs = [samples_of(p, 8, np.random.default_rng(seed)) for seed in (18, 19)]
    runs[0][-1]["update"] = True
    memory = np.zeros((p.rows, p.columns), np.int32)
    first = golden(p, runs[0], s, memory)
    kept, fresh = (golden(p, runs[1], then, start) for start in (memory.copy(), np.zeros_like(memory)))
    assert kept != fresh
    expected = first + (fresh if between == "clear" else kept)
    dut, given = UpdateRule(p), streams(p, runs[0] + runs[1])
    verdicts = given.pop("i")

    async def host(ctx):
        for verdict in verdicts[: len(runs[0])]:
            await put(ctx, dut.i, verdict)
        if between == "clear":  # while the last sample is at work
            await pulse(ctx, dut.clear)
            cycles = 0
            while ctx.get(dut.busy):
                await ctx.tick()
                cycles += 1
            assert cycles > p.rows * p.update_words
        else:
            await ctx.tick().repeat(UpdateRule.cycles(p, p.rows, p.update_words))
        for name, value in registers(then).items():
            ctx.set(getattr(dut, name), value)
        await pulse(ctx, dut.restart)
        for verdict in verdicts[len(runs[0]) :]:
            await put(ctx, dut.i, verdict)

    run = simulate(dut, given, {"o": len(expected)}, config=registers(s), benches=[host])
    assert [entry(payload) for payload in run.outputs["o"]] == expected


async def pulse(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)
