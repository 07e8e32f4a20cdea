"""All rows of a sample at once: the same memory and pulses as one row after the other."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.settings import RULE_CODE, settings
from model.controller.update_rule import NARROW_BITS, firing, sample_key, update_quiet_rows, update_rule
from spec.choices import RULES
from spec.params import INSTANCES

ROWS, COLUMNS = 23, 37
TINY = INSTANCES["TINY"]
WIDE = NARROW_BITS + 2
THRESHOLDS = {"accumulate": (1, 1 << 12, 1 << 16, 1 << 30), "counter": (1, 3, 63, 64, 1 << 20)}


def one_by_one(memory, codes, delta, threshold, key, s, rows):
    """The masks of the given rows, and the memory after them."""
    memory, masks = memory.copy(), []
    for row in rows:
        up, down = np.zeros((2, COLUMNS), np.uint8)
        pulses = update_rule(memory[row], row, codes[row], delta, threshold, key, s, up, down)
        masks.append((row, up.tolist(), down.tolist()) if pulses else None)
    return memory, [mask for mask in masks if mask]


@pytest.mark.parametrize("bits", [18, 22, WIDE])
@pytest.mark.parametrize("rule", RULES)
def test_rows_that_are_left_out_have_no_pulse_and_the_memory_of_the_rule(rule, bits, seed):
    rng = np.random.default_rng(seed)
    params = replace(TINY, rules=(rule,), accumulator_bits=bits)
    limit = (1 << (bits if rule == "accumulate" else params.counter_bits) - 1) - 1
    quiet = left = 0
    for threshold in THRESHOLDS.get(rule, (1, 8)):
        registers = {"RULE": RULE_CODE[rule], "X_THRESHOLD": 100, "DELTA_THRESHOLD": 9}
        s = settings(params, registers)
        for scale in (1.0, 0.9, 1e-2):
            memory = rng.integers(-limit, limit + 1, (ROWS, COLUMNS)) * scale
            memory = memory.astype(np.int32)
            codes = (rng.integers(0, 256, ROWS) * rng.integers(0, 2, ROWS)).astype(np.int32)
            key = sample_key(s, 5)
            delta = rng.integers(-127, 128, COLUMNS) * rng.integers(0, 2, COLUMNS)
            delta = firing(delta.astype(np.int32), key, s)
            expected = one_by_one(memory, codes, delta, threshold, key, s, np.flatnonzero(codes))
            reached = np.full(ROWS, 7, np.uint8)
            update_quiet_rows(memory, codes, delta, threshold, s, reached)
            rows = np.flatnonzero(reached)
            assert set(rows) <= set(np.flatnonzero(codes))
            got = one_by_one(memory, codes, delta, threshold, key, s, rows)
            assert np.array_equal(got[0], expected[0])
            assert got[1] == expected[1]
            quiet, left = quiet + np.count_nonzero(codes) - len(rows), left + len(rows)
    assert left > 0
    assert (quiet > 0) == (rule in ("accumulate", "counter") and bits <= NARROW_BITS)


def test_memory_that_another_rule_left_is_kept_where_there_is_no_error():
    s = settings(replace(TINY, rules=("counter",)), {"RULE": RULE_CODE["counter"]})
    memory = np.full((1, 2), 1000, np.int32)  # beyond the counter's width
    codes, delta, reached = np.array([200], np.int32), np.zeros(2, np.int32), np.zeros(1, np.uint8)
    update_quiet_rows(memory, codes, delta, 5, s, reached)
    assert reached.tolist() == [1]
    assert one_by_one(memory, codes, delta, 5, 0, s, [0])[0].tolist() == [[1000, 1000]]
