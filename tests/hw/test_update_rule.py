"""UpdateRule equals its golden function, row by row, whatever the pauses."""

from dataclasses import replace

import numpy as np
import pytest

from hw.update_rule import UpdateRule
from model.controller.settings import settings
from model.controller.update_rule import effective_threshold, update_rule
from spec.params import INSTANCES, RULES, HwParams
from tests.hw.streams import simulate

TINY = INSTANCES["TINY"]
NEVER = 0xFFFF_FFFF

SHAPES = {
    "tiny": TINY,
    "one row": replace(TINY, rows=1),
    "one column": replace(TINY, columns=1, adc_channels=1, update_columns=1, macro_lanes=1),
    "one word": replace(TINY, update_columns=6),
    "many words": replace(TINY, columns=7, update_columns=2),
    "accumulate": replace(TINY, rules=("accumulate",), accumulator_bits=8, delta_bits=10),
    "counter": replace(TINY, rules=("counter",), counter_bits=2, columns=9, update_columns=3),
    "other order": replace(TINY, rules=("counter", "accumulate"), counter_bits=16, accumulator_bits=9),
    "wide": replace(TINY, accumulator_bits=32, dac_bits=1),
}


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
        for row in np.flatnonzero(sample["codes"]) if sample["update"] else ():
            if update_rule(memory[row], int(sample["codes"][row]), sample["delta"], threshold, s, up, down):
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
    names = ("rule", "threshold", "double_first", "double_second", "x_threshold", "delta_threshold")
    return {name: getattr(s, name) for name in names}


def entry(payload) -> tuple[int, int, int, int]:
    return payload.end, payload.row, payload.up, payload.down


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_entries_equal_the_golden_function(shape, rule, pauses):
    p = SHAPES[shape]
    if rule not in p.rules:
        pytest.skip("not built in")
    rng = np.random.default_rng(1)
    threshold = {"accumulate": p.dac_full_scale * p.delta_limit // 2 + 1, "counter": 2}[rule]
    values = {"RULE": RULES.index(rule), "THRESHOLD": threshold, "DOUBLE_FIRST": 8, "DOUBLE_SECOND": 12}
    s = settings(p, values | {"X_THRESHOLD": p.dac_full_scale // 2, "DELTA_THRESHOLD": p.delta_limit // 2})
    samples = samples_of(p, 16, rng)
    expected = golden(p, samples, s, np.zeros((p.rows, p.columns), np.int32))
    run = simulate(
        UpdateRule(p), streams(p, samples), {"o": len(expected)}, config=registers(s), pauses=pauses
    )
    assert [entry(payload) for payload in run.outputs["o"]] == expected
    assert any(e[2] or e[3] for e in expected)
