"""Offset and gain of each converter: measured from unlabelled reads, corrected in its codes.

A channel's columns share its errors, so it has one offset and one gain, and all its columns vote on them.  The
channels of all macros are numbered like the codes of a group, one row of macros after the other.
"""

from typing import NamedTuple

import numpy as np

import model.jit  # noqa: F401  (lets the kernels call the rules of spec.numerics by name)
from model.jit import kernel
from spec.numerics import (
    CALIBRATED_FRACTION_BITS,
    CALIBRATED_GAIN_BITS,
    MASK32,
    round_shift,
    saturate,
    signed_limit,
)
from spec.params import HwParams

UNITY = 1 << CALIBRATED_FRACTION_BITS
OFFSETS, GAINS = 1, 2
"""What a run measures."""


class Channels(NamedTuple):
    """What the controller keeps of its channels, the converters of all macros."""

    offset: np.ndarray  # int32[channels]
    gain: np.ndarray  # int32[channels]
    target: np.ndarray  # int64[channels]
    sums: np.ndarray  # int64[channels], of the run under way
    conversions: np.ndarray  # int64[1], of the run under way, all columns each
    of_code: np.ndarray  # int64[grid_rows * columns], the channel of each code
    first: np.ndarray  # int64[channels], the first code of each; -1 of one without a column


def channels(params: HwParams) -> Channels:
    """As after a reset."""
    n, rows = params.converters, range(params.grid_rows)
    of_code = np.array([row * params.group_channels + k for row in rows for k in params.column_converters])
    first = np.full(n, -1)
    used, places = np.unique(of_code, return_index=True)
    first[used] = places
    return Channels(
        offset=np.zeros(n, np.int32),
        gain=np.full(n, UNITY, np.int32),
        target=np.zeros(n, np.int64),
        sums=np.zeros(n, np.int64),
        conversions=np.zeros(1, np.int64),
        of_code=of_code,
        first=first,
    )


@kernel
def calibration(codes, state, apply, adc_bits):
    """Codes after correction, clip(round_shift((code - offset) * gain, 12), -Q, Q), or as they are.

    codes: int32[grid_rows * columns]; state: `Channels`.
    """
    if not apply:
        return codes
    limit = (1 << (adc_bits - 1)) - 1
    out = np.empty_like(codes)
    for j in range(codes.shape[0]):
        k = state.of_code[j]
        product = (np.int64(codes[j]) - state.offset[k]) * state.gain[k]
        out[j] = saturate(round_shift(product, CALIBRATED_FRACTION_BITS), -limit, limit)
    return out


@kernel
def measure(state, codes, what, shift):
    """Add one conversion of all columns to the sums: of the first columns' codes, or of |code - offset|."""
    if what == OFFSETS:
        if state.conversions[0] >> shift == 0:
            for k in range(state.first.shape[0]):
                if state.first[k] >= 0:
                    state.sums[k] += codes[state.first[k]]
        state.conversions[0] += 1
    else:
        for j in range(codes.shape[0]):
            k = state.of_code[j]
            state.sums[k] = (state.sums[k] + abs(codes[j] - state.offset[k])) & MASK32


def begin(state: Channels) -> None:
    """A run begins."""
    state.sums[:] = 0
    state.conversions[:] = 0


def finish(state: Channels, what: int, shift: int, adc_bits: int) -> None:
    """The results of a run, from its sums: offsets (and gains of 1), or target / sum, below 4."""
    limit, most = signed_limit(adc_bits), (1 << CALIBRATED_GAIN_BITS) - 1
    for k, total in enumerate(state.sums.tolist()):
        if what == OFFSETS:
            state.offset[k] = saturate(round_shift(total, shift), -limit, limit)
            state.gain[k] = UNITY
        else:
            quotient = (int(state.target[k]) << CALIBRATED_FRACTION_BITS) // total if total else most
            state.gain[k] = min(quotient, most)
