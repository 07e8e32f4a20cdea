"""Integral nonlinearity of the converters on both sides of the array.

With u in -1..1 over the codes, an INL of at most A LSB is A (cos t (1 - u^2) + sin t (3 sqrt(3)/2) u (1 - u^2)), scaled
to that maximum: a bow and an S, 0 at both ends as the end-point fit of IEEE Std 1241 has it.  Each converter and each row's
DAC draws its angle t from `SHAPES` around the circle.
"""

from math import pi, sqrt

import numpy as np

from model.controller.column_adc import column_adc
from model.jit import kernel
from spec.numerics import DOMAIN_INL, draw, event_key

SHAPES = 64
FRACTION_BITS = 8
"""Of the tables: an LSB is 256."""

_ROWS, _CHANNELS = range(2)


def shape(angle: float, u: np.ndarray) -> np.ndarray:
    """The INL at codes `u` (-1..1) for a maximum of 1, float64."""

    def raw(u: np.ndarray) -> np.ndarray:
        ends = 1.0 - u * u
        return ends * (np.cos(angle) + np.sin(angle) * 1.5 * sqrt(3.0) * u)

    return raw(u) / np.abs(raw(np.linspace(-1.0, 1.0, 4097))).max()


def _tables(largest: float, u: np.ndarray) -> np.ndarray:
    angles = [2.0 * pi * k / SHAPES for k in range(SHAPES)]
    return np.stack([np.rint(largest * shape(t, u) * (1 << FRACTION_BITS)) for t in angles]).astype(np.int64)


def drive_codes(largest: float, full: int) -> np.ndarray:
    """What a row gives for codes 0..full, in 1/256 of a code, int64[SHAPES, full + 1]; empty without INL."""
    if largest == 0:
        return np.zeros((0, full + 1), np.int64)
    codes = np.arange(full + 1)
    return (codes << FRACTION_BITS) + _tables(largest, 2.0 * codes / full - 1.0)


def code_errors(largest: float, limit: int) -> np.ndarray:
    """INL of codes -limit..limit in 1/256 LSB, int64[SHAPES, 2 limit + 1]; empty without INL."""
    if largest == 0:
        return np.zeros((0, 2 * limit + 1), np.int64)
    return _tables(largest, np.arange(-limit, limit + 1) / limit)


def shapes_of(seed: int, count: int, kind: int) -> np.ndarray:
    """The shapes that rows (kind 0) or converters (kind 1) have, int64[count]."""
    key = event_key(seed, DOMAIN_INL, kind)
    return np.array([draw(key, k) % SHAPES for k in range(count)], np.int64)


@kernel
def plain_sums(diff, codes, sums):
    """Column sums of codes below 2**15, into int32 `sums`; returns the sum of their squares.

    Four driven rows at a time: so the sums are loaded and stored a quarter as often.
    """
    # Behind the driven rows come codes of 0, which fill up the last four.
    rows, levels = np.zeros(diff.shape[0] + 3, np.int64), np.zeros(diff.shape[0] + 3, np.int16)
    driven, power = 0, 0
    for row in range(diff.shape[0]):
        code = np.int64(codes[row])
        power += int(code * code)
        rows[driven], levels[driven] = row, code
        driven += 1 if code != 0 else 0
    sums[:] = 0
    for k in range(0, driven, 4):
        # The mask tells the compiler that they have no sign, with which it takes the multiplication of 16 bits.
        a, b = np.int32(levels[k]) & 0x7FFF, np.int32(levels[k + 1]) & 0x7FFF
        c, d = np.int32(levels[k + 2]) & 0x7FFF, np.int32(levels[k + 3]) & 0x7FFF
        of_a, of_b, of_c, of_d = diff[rows[k]], diff[rows[k + 1]], diff[rows[k + 2]], diff[rows[k + 3]]
        for j in range(diff.shape[1]):
            sums[j] += (
                a * np.int32(of_a[j]) + b * np.int32(of_b[j]) + c * np.int32(of_c[j]) + d * np.int32(of_d[j])
            )
    return power


@kernel
def driven_sums(effects, diff, codes, full, sums):
    """`plain_sums` of what the rows' DACs give for the codes; a DAC of one bit has its ends only, and they are exact."""
    if effects is None:
        return plain_sums(diff, codes, sums)
    drive = effects.tables.drive
    if drive.shape[0] == 0 or full + 1 != drive.shape[1]:
        return plain_sums(diff, codes, sums)
    totals = np.zeros(diff.shape[1], np.int64)
    power = 0
    for row in range(diff.shape[0]):
        code = np.int64(codes[row])
        if code != 0:
            power += int(code * code)
            level = drive[effects.row_shape[row], code]
            for column in range(diff.shape[1]):
                totals[column] += level * diff[row, column]
    for column in range(diff.shape[1]):
        sums[column] = totals[column] >> FRACTION_BITS
    return power


@kernel
def bend_sums(table, shapes, sums, lsb, adc_bits):
    """Column sums int32 (columns) as converters of these shapes misplace them, in place; column j is of converter j mod channels.

    A sum whose ideal code is k moves by INL(k) lsb, so that conversion afterwards gives k + INL(k), rounded.
    """
    if table.shape[0] == 0:
        return
    limit, channels = (1 << (adc_bits - 1)) - 1, shapes.shape[0]
    codes = column_adc(sums, lsb, adc_bits)
    for j in range(sums.shape[0]):
        error = table[shapes[j % channels], codes[j] + limit]
        sums[j] += (error * lsb) >> FRACTION_BITS


@kernel
def bend(effects, sums, lsb, adc_bits):
    """`bend_sums` of one macro."""
    if effects is not None:
        bend_sums(effects.tables.bend, effects.channel_shape, sums, lsb, adc_bits)
