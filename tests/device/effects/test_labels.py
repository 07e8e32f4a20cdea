"""Spread of the nonlinearity label: each cell follows the device of its own label, exactly."""

from dataclasses import replace

import numpy as np
import pytest

from model.device.compile import compile_device
from model.device.effects.labels import LABELS, label_bank, with_label_shift
from model.device.laws import label_of
from model.device.macro import GoldenMacro
from spec.device_file import NonIdealities, load_device
from spec.errors import InputError
from spec.params import INSTANCES

DIGITS = INSTANCES["DIGITS"]


def after(macro, polarity, pulses=20):
    every = np.ones(DIGITS.columns)
    for _ in range(pulses):
        for row in range(DIGITS.rows):
            macro.strobe(row, every, every, polarity)
    return macro.conductances()


@pytest.mark.parametrize("name", ["PCMO", "AND/GSD-like", "FeTFT"])
def test_each_cell_is_the_device_of_its_label(make_macro, name):
    spec = replace(load_device(name), c2c_sigma=0.0)
    spread = make_macro(spec, label_sigma=0.8)
    up = after(spread, 0)
    label = (spread.state.effects.traits >> 24) & (LABELS - 1)
    for k, of_label in enumerate(label_bank(spec, 0.8)):
        alone = GoldenMacro(
            DIGITS, compile_device(of_label, NonIdealities.ideal(), 16, 1, 0.3, DIGITS.read_bits)
        )
        assert np.array_equal(after(alone, 0)[label == k], up[label == k])
    assert len(np.unique(label)) == LABELS


def test_depression_has_a_label_of_its_own(make_macro):
    spec = replace(load_device("PCMO"), c2c_sigma=0.0)
    spread, plain = make_macro(spec, label_sigma=0.8), make_macro(spec)
    top = np.full((DIGITS.rows, DIGITS.columns, 2), 65535)
    spread.load(top)
    plain.load(top)
    traits = spread.state.effects.traits
    up, down = (traits >> 24) & 15, traits >> 28
    moved, wanted = (m.conductances().astype(int) - after(m, 1, 1) for m in (spread, plain))
    slower, faster = down < LABELS // 2, down >= LABELS // 2
    assert moved[slower].mean() < wanted.mean() < moved[faster].mean()
    assert abs(np.corrcoef(up.ravel(), moved.ravel())[0, 1]) < 0.05  # 4160 cells


def test_labels_are_normal_around_the_device_s():
    bank = label_bank(load_device("PCMO"), 0.5)
    labels = np.array([spec.law["nl_ltp"] for spec in bank])
    assert labels.mean() == pytest.approx(3.68, abs=1e-9)
    assert labels.std() == pytest.approx(0.5, rel=0.05)  # sixteen quantiles leave out the tails
    assert [-spec.law["nl_ltd"] - spec.law["nl_ltp"] for spec in bank] == pytest.approx(
        [6.76 - 3.68] * LABELS
    )


def test_other_laws_are_shifted_by_the_label_that_they_have():
    log = load_device("AND/GSD-like")
    for name in ("b_up", "b_down"):
        before, shifted = (abs(s.law[name]) for s in (log, with_label_shift(log, 0.3)))
        assert label_of(1 / shifted) - label_of(1 / before) == pytest.approx(0.3, abs=1e-6)
    exponential = load_device("FeTFT")
    shifted = with_label_shift(exponential, 0.3)
    assert label_of(shifted.law["a_ltp"]) - label_of(exponential.law["a_ltp"]) == pytest.approx(0.3, abs=1e-6)
    assert shifted.law["a_ltd"] < 0


def test_labels_stay_in_their_range():
    extreme = load_device("extreme")
    assert with_label_shift(extreme, 5.0).law["nl_ltp"] == 9.0
    assert with_label_shift(extreme, -20.0).law["nl_ltd"] == -0.01


def test_a_law_without_a_label_is_told(make_macro):
    with pytest.raises(InputError, match="label_sigma: the law soft_bounds has no nonlinearity label"):
        make_macro("ReRAM-OM", label_sigma=0.5)
