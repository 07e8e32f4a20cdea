"""MarginError equals its golden function."""

from dataclasses import replace

import numpy as np
import pytest

from hw.margin_error import MARGIN_BITS, MarginError
from model.controller.margin_error import margin_error
from spec.params import INSTANCES
from tests.hw.streams import simulate

TINY = INSTANCES["TINY"]

SHAPES = {
    "tiny": TINY,
    "two classes": replace(TINY, classes=2),
    "all label codes": replace(TINY, classes=16, logit_bits=16),
    "narrow codes": replace(TINY, classes=5, logit_bits=3, columns=1, adc_channels=1, update_columns=1, macro_lanes=1),
}  # fmt: skip


def samples_of(p, number: int, rng):
    """(logits, label, active) with many ties and both extremes; every label comes."""
    limit = p.logit_limit
    logits = rng.choice([0, 1, limit, -limit, limit + 1], (number, p.classes), p=[0.3, 0.3, 0.1, 0.1, 0.2])
    logits = np.where(logits > limit, rng.integers(-limit, limit + 1, logits.shape), logits)
    labels = np.arange(number) % p.classes
    return [
        (line, int(label), int.from_bytes(rng.bytes(8), "little") % (1 << p.columns))
        for line, label in zip(logits, labels, strict=True)
    ]


def verdict(payload) -> tuple[int, int, int, int, int]:
    return payload.update, payload.target, payload.rival, payload.prediction, payload.active


def judge(p, samples, margin, train, pauses):
    inputs = {
        "i": [{"logits": logits.tolist(), "active": active} for logits, _, active in samples],
        "label": [{"label": label} for _, label, _ in samples],
    }
    config = {"margin": margin, "train": train}
    return simulate(MarginError(p), inputs, {"o": len(samples)}, config=config, pauses=pauses)


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("margin", [0, 1, "middle", (1 << MARGIN_BITS) - 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_verdicts_equal_the_golden_function(shape, margin, pauses):
    p = SHAPES[shape]
    margin = p.logit_limit // 2 if margin == "middle" else margin
    samples = samples_of(p, 32, np.random.default_rng(8))
    run = judge(p, samples, margin, 1, pauses)
    assert [verdict(payload) for payload in run.outputs["o"]] == [
        (*margin_error(logits, label, margin, 1, 0), active) for logits, label, active in samples
    ]
    assert run.given["i"] == run.given["label"]


def test_nothing_updates_outside_training():
    samples = samples_of(TINY, 9, np.random.default_rng(9))
    run = judge(TINY, samples, (1 << MARGIN_BITS) - 1, 0, 0.0)
    assert [verdict(payload) for payload in run.outputs["o"]] == [
        (*margin_error(logits, label, (1 << MARGIN_BITS) - 1, 0, 0), active)
        for logits, label, active in samples
    ]
    assert not any(payload.update for payload in run.outputs["o"])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sample_takes_a_cycle_per_class_and_the_latency(shape):
    p = SHAPES[shape]
    run = judge(p, samples_of(p, 8, np.random.default_rng(10)), 1, 1, 0.0)
    cycles = MarginError.LATENCY + p.classes
    assert [taken - given for taken, given in zip(run.taken["o"], run.given["i"], strict=True)] == [
        cycles
    ] * 8
    assert set(np.diff(run.given["i"])) == {cycles + 1}
