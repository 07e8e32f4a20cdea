"""UpperLayer equals its golden function, and takes time for non-zero codes only."""

from dataclasses import replace

import numpy as np
import pytest

from hw.upper_layer import UpperLayer
from model.controller.upper_layer import upper_layer
from spec.params import INSTANCES
from tests.hw.streams import simulate

TINY = INSTANCES["TINY"]

SHAPES = {
    "tiny": TINY,
    "several class words": replace(TINY, classes=9, macs=4),
    "one mac": replace(TINY, macs=1, classes=2),
    "odd lanes": replace(TINY, classes=7, macs=3, columns=7, adc_channels=5, update_columns=3),
    "one column": replace(TINY, columns=1, adc_channels=1, update_columns=1, macro_lanes=1),
    "one channel": replace(TINY, adc_channels=1),
    "one group": replace(TINY, adc_channels=6, adc_bits=3, weight_bits=2, logit_bits=3),
    "wide": replace(TINY, adc_bits=10, logit_bits=16),
}


def hidden_of(p, number: int, rng):
    """Codes with many zeros and many at full scale; one sample all zero, one all full scale."""
    q = p.adc_limit
    hidden = rng.choice([0, 0, 1, q, q + 1], (number, p.columns))
    hidden = np.where(hidden > q, rng.integers(0, q + 1, hidden.shape), hidden).astype(np.int32)
    hidden[0], hidden[1] = 0, q
    return hidden


def weights_of(p, rng):
    low, high = -(1 << (p.weight_bits - 1)), (1 << (p.weight_bits - 1)) - 1
    weights = rng.integers(low, high + 1, (p.upper_rows, p.classes)).astype(np.int32)
    weights[:, 0], weights[:, -1] = high, low
    return weights


def weight_beats(weights, rng) -> list[dict]:
    """All weights in a random order, each after another value of it."""
    places = [(unit, klass) for unit in range(weights.shape[0]) for klass in range(weights.shape[1])]
    beats = [{"unit": u, "klass": c, "value": int(weights[u, c])} for u, c in places]
    old = [{**beat, "value": ~beat["value"]} for beat in beats]
    return [old[k] for k in rng.permutation(len(old))] + [beats[k] for k in rng.permutation(len(beats))]


def groups(p, hidden) -> list[dict]:
    padded = np.zeros(p.adc_groups * p.adc_channels, int)
    padded[: p.columns] = hidden
    lines = padded.reshape(p.adc_groups, p.adc_channels).tolist()
    return [{"codes": line, "last": k == p.adc_groups - 1} for k, line in enumerate(lines)]


def golden(p, hidden, weights, shift) -> list[tuple[list[int], int]]:
    return [
        (
            upper_layer(sample, weights, p.adc_bits, shift, p.logit_bits).tolist(),
            sum(int(0 < h < p.adc_limit) << j for j, h in enumerate(sample)),
        )
        for sample in hidden
    ]


def run_samples(p, hidden, weights, shift, pauses, seed=4):
    """Weights first, then the samples, back to back."""
    dut = UpperLayer(p)
    beats = weight_beats(weights, np.random.default_rng(seed))
    samples = [group for sample in hidden for group in groups(p, sample)]
    run = simulate(
        dut,
        {"weights": beats, "i": samples},
        {"o": len(hidden)},
        config={"shift": shift},
        pauses=pauses,
        after={"i": "weights"},
    )
    results = [([logit for logit in o.logits], o.active) for o in run.outputs["o"]]
    return run, results


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_codes_equal_the_golden_function(shape, pauses):
    p = SHAPES[shape]
    rng = np.random.default_rng(5)
    hidden, weights = hidden_of(p, 12, rng), weights_of(p, rng)
    shift = max(0, p.logit_acc_bits - p.logit_bits - 2)
    _, results = run_samples(p, hidden, weights, shift, pauses)
    expected = golden(p, hidden, weights, shift)
    assert results == expected
    assert {p.logit_limit, -p.logit_limit} <= {logit for logits, _ in expected for logit in logits}


@pytest.mark.parametrize("shift", [0, 1, 5, 20, 30, 31])
def test_every_shift_rounds_half_up(shift):
    p = replace(
        TINY, logit_bits=16, adc_bits=10, columns=16, update_columns=16, adc_channels=16, macro_lanes=16
    )
    rng = np.random.default_rng(6)
    hidden, weights = hidden_of(p, 4, rng), weights_of(p, rng)
    weights[1::2, 1] = -3
    _, results = run_samples(p, hidden, weights, shift, 0.0)
    assert results == golden(p, hidden, weights, shift)


@pytest.mark.parametrize("shape", SHAPES)
def test_time_goes_by_the_codes_that_are_not_zero(shape):
    p = SHAPES[shape]
    rng = np.random.default_rng(7)
    hidden, weights = hidden_of(p, 16, rng), weights_of(p, rng)
    run, _ = run_samples(p, hidden, weights, 0, 0.0)
    taken, offered, bias = [run.given["i"][0]], [], 0
    for sample in hidden:
        for group in groups(p, sample):
            nonzero, last = np.count_nonzero(group["codes"]), group["last"]
            ends = taken[-1] + UpperLayer.group_cycles(p, nonzero, last)
            if last:
                bias = ends = max(ends, bias + UpperLayer.INTERVAL + p.classes + p.weight_words - 1)
                offered.append(bias + UpperLayer.LATENCY + p.classes)
            taken.append(ends)
    assert run.given["i"] == taken[:-1]
    assert run.taken["o"] == offered
