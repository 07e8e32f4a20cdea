"""Digital layers between the columns and the upper layer: every integer is that of the formulas, at any depth."""

from itertools import pairwise

import numpy as np
import pytest

from model.controller.backprop_delta import backprop_delta
from model.controller.between_layers import (
    LAYER_ERROR_BITS,
    between_delta,
    between_layers,
    between_of,
    carry_back,
)
from model.device.compile import compile_device
from model.system import GoldenController, run
from spec.device_file import NonIdealities, load_device
from spec.params import INSTANCES
from spec.registers import Mode

TINY = INSTANCES["TINY"]
SAMPLES = 300
DEPTHS = {1: ((7,), (6,), (3,)), 2: ((4, 9), (6, 5), (3, 4)), 4: ((5, 1, 8, 6), (6, 3, 5, 6), (2, 4, 3, 5))}
"""Units, shifts up, shifts back."""


def floor_shift(values: np.ndarray, shift: int) -> np.ndarray:
    """round_shift in other words: half up."""
    return np.floor_divide(2 * values + (1 << shift), 2 << shift)


def codes_up(hidden, layers, forward, q) -> list[np.ndarray]:
    """Codes of the columns and of every layer, int64[n, units] each."""
    codes = [hidden.astype(np.int64)]
    for weights, shift in zip(layers, forward, strict=True):
        z = np.concatenate([codes[-1], np.full((len(hidden), 1), q)], axis=1) @ weights
        codes.append(np.clip(floor_shift(z, shift), 0, q))
    return codes


def errors_down(codes, layers, backward, upper, target, rival, q, delta_limit) -> list[np.ndarray]:
    """Errors of the last layer, of those below it, and of the columns."""

    def gated(errors, own):
        return np.where((own > 0) & (own < q), errors, 0)

    errors = [gated(upper[:-1, target].T - upper[:-1, rival].T, codes[-1])]
    for k in range(len(layers) - 1, -1, -1):
        limit = delta_limit if k == 0 else 2 ** (LAYER_ERROR_BITS - 1) - 1
        carried = floor_shift(errors[-1] @ layers[k][:-1].T, backward[k])
        errors.append(gated(np.clip(carried, -limit, limit), codes[k]))
    return errors


def drawn(rng, sizes, limit=127) -> list[np.ndarray]:
    return [rng.integers(-limit, limit + 1, (n + 1, m)) for n, m in pairwise(sizes)]


def controller() -> GoldenController:
    """On a device without noise or spread, filled at random."""
    image = compile_device(
        load_device("linear"), NonIdealities.ideal(), TINY.state_bits, 1, 0.0, TINY.read_bits
    )
    ctl = GoldenController(TINY, image)
    run(ctl.transfer(np.random.default_rng(2).integers(-20, 25, (TINY.rows, TINY.columns))))
    run(ctl.configure(LSB=20_000, LOGIT_SHIFT=5, MARGIN=1 << 16, THRESHOLD=1 << 18))
    return ctl


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_sample_equals_the_formulas(depth):
    """Inputs, outputs and errors of whole training samples on an array, against int64 matrices."""
    units, forward, backward = DEPTHS[depth]
    rng = np.random.default_rng(depth)
    *layers, upper = drawn(rng, (TINY.columns, *units, TINY.classes))
    ctl = controller()
    run(ctl.load_between(between_of(layers, forward, backward)))
    run(ctl.load_weights(upper))
    pixels = rng.integers(0, 256, (SAMPLES, TINY.inputs))
    labels = rng.integers(0, TINY.classes, SAMPLES)
    trace = run(ctl.run(Mode.TRAIN, pixels, labels, trace=True)).trace
    q, hidden = TINY.adc_limit, np.array(trace["hidden"])
    codes = codes_up(hidden, layers, forward, q)
    for own in codes:
        assert (own == 0).any() and (own > 0).any()  # units that pass errors, and units that do not
    bias = np.full((SAMPLES, 1), q)
    logits = floor_shift(np.concatenate([codes[-1], bias], axis=1) @ upper, 5)
    limit = TINY.logit_limit
    assert np.array_equal(trace["logits"], np.clip(logits, -limit, limit))
    verdict = np.array(trace["verdict"])
    updates = verdict[:, 0] == 1
    target, rival = verdict[updates, 1], verdict[updates, 2]
    errors = errors_down(
        [own[updates] for own in codes], layers, backward, upper, target, rival, q, TINY.delta_limit
    )
    assert np.array_equal(trace["delta"], errors[-1])
    assert np.count_nonzero(errors[-1]) > SAMPLES // 2 and np.abs(errors[-1]).max() == TINY.delta_limit


def test_the_extremes_saturate():
    q, units = 127, 4
    layers = [np.full((units + 1, units), 127), np.full((units + 1, units), -127)]
    between = between_of(layers, (0, 0), (0, 0))
    hidden = np.array([1, q, 0, q - 1], np.int32)
    assert between_layers(between, hidden, 8).tolist() == [0] * units
    assert between.codes[0].tolist() == [q] * units
    between.codes[:] = 1  # as if none were at a limit
    error = np.full(units, 254, np.int32)
    assert between_delta(between, hidden, error, 8, 8).tolist() == [-127, 0, 0, -127]


def test_sums_beyond_32_bits_are_exact():
    units = 4096
    weights = np.full((2, units), 127, np.int32)
    error = np.full(units, (1 << (LAYER_ERROR_BITS - 1)) - 1, np.int32)
    carried = carry_back(weights, np.ones(1, np.int32), error, 20, 8, LAYER_ERROR_BITS)
    assert carried[0] == floor_shift(np.array([127 * 32767 * units]), 20)[0] > 1 << 13


def test_errors_halfway_are_rounded_up():
    weights = np.array([[3, 0], [-3, 0], [1, 0], [0, 0]], np.int32)
    carried = carry_back(weights, np.full(3, 5, np.int32), np.array([1, 9], np.int32), 1, 8, 8)
    assert carried.tolist() == [2, -1, 1]


def test_an_error_of_two_classes_is_the_difference_of_their_weights():
    """What leads into the layers is the rule of one layer, in bits enough for any two weights."""
    rng = np.random.default_rng(3)
    weights, hidden = rng.integers(-127, 128, (33, 10), np.int32), rng.integers(0, 128, 32, np.int32)
    error = np.zeros(10, np.int32)
    error[[4, 7]] = 1, -1
    wide = carry_back(weights, hidden, error, 0, 8, LAYER_ERROR_BITS)
    assert np.array_equal(wide, backprop_delta(weights, hidden, 4, 7, 8, LAYER_ERROR_BITS))
    assert np.abs(wide).max() > 127


def test_without_layers_the_controller_is_the_one_before():
    """Layers that are taken away again leave nothing behind."""
    rng = np.random.default_rng(5)
    weights, pixels = rng.integers(-60, 61, (7, 3)), rng.integers(0, 256, (20, TINY.inputs))
    found = []
    for deep in (False, True):
        ctl = controller()
        if deep:
            run(ctl.load_between(between_of(drawn(rng, (6, 4)), (6,), (3,))))
            run(ctl.load_between(None))
        run(ctl.load_weights(weights))
        found.append(run(ctl.run(Mode.INFER, pixels, np.zeros(20, np.int64), trace=True)).trace["logits"])
    assert np.array_equal(*found)
