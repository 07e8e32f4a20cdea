"""Integral nonlinearity of both kinds of converters: what is measured on them is the table."""

import numpy as np
import pytest

from model.controller.column_adc import column_adc
from model.device.effects.inl import FRACTION_BITS, SHAPES, bend, code_errors, drive_codes, shape
from spec.params import INSTANCES

DIGITS = INSTANCES["DIGITS"]
LARGEST = 3.0


@pytest.mark.parametrize("k", range(0, SHAPES, 5))
def test_shapes_end_at_nothing_and_reach_one(k):
    u = np.linspace(-1, 1, 1001)
    inl = shape(2 * np.pi * k / SHAPES, u)
    assert abs(inl[[0, -1]]).max() < 1e-12
    assert abs(inl).max() == pytest.approx(1.0, abs=1e-3)


def test_a_row_is_driven_by_its_own_dac(make_macro):
    macro = make_macro(dac_inl=LARGEST)
    states = np.full((DIGITS.rows, DIGITS.columns, 2), 20000)
    states[:, :, 0] = 40000
    macro.load(states)
    diff = macro.state.diff.astype(np.int64)
    drive, of_row = macro.state.effects.tables.drive, macro.state.effects.row_shape
    codes = np.zeros(DIGITS.rows, int)
    for row in range(0, DIGITS.rows, 7):
        for code in (1, 60, 128, 200, 254, 255):
            codes[row] = code
            wanted = (drive[of_row[row], code] * diff[row]) >> FRACTION_BITS
            assert np.array_equal(macro.integrate(codes), wanted)
        codes[row] = 0
    assert len(np.unique(of_row)) > 20
    errors = drive / 256 - np.arange(256)
    assert abs(errors).max() == pytest.approx(LARGEST, abs=0.02)
    assert (errors[:, [0, 255]] == 0).all()


def test_a_dac_of_one_bit_is_exact(make_macro):
    bent, plain = make_macro(dac_inl=LARGEST), make_macro()
    states = np.random.default_rng(0).integers(8000, 50000, (DIGITS.rows, DIGITS.columns, 2))
    driven = np.random.default_rng(1).integers(0, 2, DIGITS.rows)
    for macro in (bent, plain):
        macro.load(states)
    assert np.array_equal(bent.integrate(driven, 1), plain.integrate(driven, 1))


def test_converters_give_the_code_and_its_error(make_macro):
    """At the centre of code k a converter gives k + INL(k), rounded: the measured INL is the table."""
    macro, lsb, q = make_macro(adc_inl=LARGEST), 1000, DIGITS.adc_limit
    effects, columns = macro.state.effects, DIGITS.columns
    for first in range(-q, q + 1 - columns, columns):
        sums = (np.arange(first, first + columns) * lsb).astype(np.int32)
        bend(effects, sums, lsb, DIGITS.adc_bits)
        of_channel = effects.channel_shape[np.arange(columns) % DIGITS.adc_channels]
        error = effects.tables.bend[of_channel, np.arange(first, first + columns) + q]
        wanted = np.arange(first, first + columns) + np.floor((error * lsb >> 8) / lsb + 0.5)
        assert np.array_equal(column_adc(sums, lsb, DIGITS.adc_bits), np.clip(wanted, -q, q))
    assert abs(effects.tables.bend).max() == round(LARGEST * 256)


def test_errors_below_half_an_lsb_move_thresholds(make_macro):
    macro, lsb = make_macro(adc_inl=0.4), 1024
    sums = (np.arange(DIGITS.columns) * lsb + lsb * 2 // 5).astype(np.int32)
    bent = sums.copy()
    bend(macro.state.effects, bent, lsb, DIGITS.adc_bits)
    before, after = (column_adc(s, lsb, DIGITS.adc_bits) for s in (sums, bent))
    assert 0 < (before != after).sum() < DIGITS.columns
    assert abs(before - after).max() == 1


def test_tables_without_inl_are_empty():
    assert drive_codes(0.0, 255).shape == (0, 256)
    assert code_errors(0.0, 127).shape == (0, 255)
