"""BackpropDelta equals its golden function."""

from dataclasses import replace

import numpy as np
import pytest

from hw.backprop_delta import BackpropDelta
from model.controller.backprop_delta import backprop_delta
from spec.params import INSTANCES
from tests.hw.streams import simulate

TINY = INSTANCES["TINY"]

SHAPES = {
    "tiny": TINY,
    "one word": replace(TINY, update_columns=6, delta_bits=10),
    "odd lanes": replace(TINY, columns=7, update_columns=3, classes=9, macs=4, delta_bits=2),
    "one lane": replace(TINY, update_columns=1, weight_bits=2),
    "one column": replace(
        TINY, columns=1, adc_channels=1, update_columns=1, macro_lanes=1, classes=2, macs=1
    ),
}


def weights_of(p, rng):
    low, high = -(1 << (p.weight_bits - 1)), (1 << (p.weight_bits - 1)) - 1
    weights = rng.choice([low, high, high + 1], (p.upper_rows, p.classes))
    return np.where(weights > high, rng.integers(low, high + 1, weights.shape), weights).astype(np.int32)


def weight_beats(weights, rng) -> list[dict]:
    """All weights in a random order, each after another value of it; the bias's last, which must not be kept."""
    places = [(unit, klass) for unit in range(weights.shape[0]) for klass in range(weights.shape[1])]
    beats = [{"unit": u, "klass": c, "value": int(weights[u, c])} for u, c in places]
    old = [{**beat, "value": ~beat["value"]} for beat in beats]
    shuffled = [old[k] for k in rng.permutation(len(old))] + [beats[k] for k in rng.permutation(len(beats))]
    return sorted(shuffled, key=lambda beat: beat["unit"] == weights.shape[0] - 1)


def verdicts_of(p, number: int, rng) -> list[tuple[np.ndarray, int, int]]:
    """(hidden codes, target, rival); the first column is active in the first sample."""
    q = p.adc_limit
    out = []
    for n in range(number):
        hidden = rng.choice([0, q, 1, q - 1], p.columns).astype(np.int32)
        hidden[0] = 1 if n == 0 else hidden[0]
        target, rival = rng.permutation(p.classes)[:2]
        out.append((hidden, int(target), int(rival)))
    return out


def propagate(p, weights, verdicts, pauses):
    inputs = {
        "weights": weight_beats(weights, np.random.default_rng(11)),
        "i": [
            {"update": 1, "target": t, "rival": r, "prediction": r,
             "active": sum(int(0 < h < p.adc_limit) << j for j, h in enumerate(hidden))}
            for hidden, t, r in verdicts
        ],
    }  # fmt: skip
    expected = {"o": len(verdicts) * p.update_words}
    return simulate(BackpropDelta(p), inputs, expected, pauses=pauses, after={"i": "weights"})


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_deltas_equal_the_golden_function(shape, pauses):
    p = SHAPES[shape]
    rng = np.random.default_rng(12)
    weights, verdicts = weights_of(p, rng), verdicts_of(p, 20, rng)
    run = propagate(p, weights, verdicts, pauses)
    expected = []
    for hidden, target, rival in verdicts:
        padded = np.zeros(p.update_words * p.update_columns, int)
        padded[: p.columns] = backprop_delta(weights, hidden, target, rival, p.adc_bits, p.delta_bits)
        lines = padded.reshape(p.update_words, p.update_columns).tolist()
        expected += [(line, int(k == p.update_words - 1)) for k, line in enumerate(lines)]
    assert [(list(o.deltas), o.last) for o in run.outputs["o"]] == expected
    assert any(any(line) for line, _ in expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_word_takes_two_cycles(shape):
    p = SHAPES[shape]
    rng = np.random.default_rng(13)
    run = propagate(p, weights_of(p, rng), verdicts_of(p, 6, rng), 0.0)
    assert set(np.diff(run.given["i"])) == {BackpropDelta.cycles(p)}
    assert run.taken["o"] == [
        taken + BackpropDelta.LATENCY + 2 * word for taken in run.given["i"] for word in range(p.update_words)
    ]
