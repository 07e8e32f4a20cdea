"""From float weights to what the hardware is given: pulse counts for the array, integers for the upper layer.

Everything here knows the *nominal* device only: its mean curve and range, never a cell of the array.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spec.errors import InputError
from spec.numerics import round_shift
from spec.params import HwParams

MARGIN_SCALE = 127
"""Margins are stated as a share of the outputs' range, in 1/127: the codes of an 8-bit output."""

LOGIT_HEADROOM = 1.25
"""Output range over the largest output of the calibration samples."""


def weight_limit(weights: np.ndarray, sigmas: float) -> float:
    """w_max, the weight at a pair's full range: `sigmas` standard deviations, at most the largest weight.

    weights: float[rows, columns], the bias row last (not counted in the deviation).
    """
    return float(min(sigmas * weights[:-1].std(), np.abs(weights).max()))


def open_loop_counts(weights: np.ndarray, limit: float, pulses_to_reach: Callable) -> np.ndarray:
    """Pulses per pair from the erased state, int32[rows, columns]: positive on G+, negative on G-.

    limit: w_max, larger weights are clipped to it; pulses_to_reach: share of the range, float 0..1 -> pulses on
    the nominal curve.
    """
    share = np.clip(np.abs(weights) / limit, 0, 1)
    return (np.sign(weights) * pulses_to_reach(share)).astype(np.int32)


def check_counts(counts: np.ndarray, params: HwParams) -> None:
    """Raise `InputError` when a count does not fit the transfer stream."""
    largest, allowed = int(np.abs(counts).max(initial=0)), (1 << (params.count_bits - 1)) - 1
    if largest > allowed:
        raise InputError(
            f"a transfer of {largest} pulses on one device does not fit {params.count_bits} bits (at most {allowed})",
            key="count_bits",
        )


def input_codes(pixels: np.ndarray, dac_bits: int) -> np.ndarray:
    """Row codes, int64[n, inputs + 1], bias last: `dac_encode` over many samples."""
    full_scale = (1 << dac_bits) - 1
    codes = np.minimum(round_shift(pixels.astype(np.int64), 8 - dac_bits), full_scale)
    return np.concatenate([codes, np.full((len(codes), 1), full_scale)], axis=1)


def preactivations(pixels: np.ndarray, weights: np.ndarray, limit: float, params: HwParams) -> np.ndarray:
    """What the hidden units of the clipped float weights see, float64[n, grid_rows, columns]; inputs in 0..1.

    Each row of macros has its own part of the sums.
    """
    return _partial_sums(input_codes(pixels, params.dac_bits) / params.dac_full_scale, weights, limit, params)


def plane_preactivations(
    pixels: np.ndarray, weights: np.ndarray, limit: float, params: HwParams
) -> np.ndarray:
    """`preactivations` of each bit plane of the codes, the lowest first, float64[n * dac_bits, grid_rows, columns].

    In the units of the whole codes: a row that is driven counts as input code 1.
    """
    codes = input_codes(pixels, params.dac_bits)
    planes = (codes[:, None, :] >> np.arange(params.dac_bits)[None, :, None]) & 1
    return _partial_sums(planes.reshape(-1, codes.shape[1]) / params.dac_full_scale, weights, limit, params)


def _partial_sums(inputs: np.ndarray, weights: np.ndarray, limit: float, params: HwParams) -> np.ndarray:
    """Sums over the rows of each row of macros, float64[n, grid_rows, columns]; inputs float64[n, rows]."""
    clipped = np.clip(weights, -limit, limit).astype(np.float64)
    parts = [slice(first, first + params.macro_rows) for first in range(0, params.rows, params.macro_rows)]
    return np.stack([inputs[:, part] @ clipped[part] for part in parts], axis=1)


class Upper(NamedTuple):
    """The digital upper layer, and how its outputs are read."""

    weights: np.ndarray
    """int32[columns + 1, classes], the bias unit last."""
    logit_shift: int
    logit_range: float
    """Output code that stands for the full range of the outputs."""

    def margin(self, margin_127: float) -> int:
        """The register value of a margin in 1/127 of the output range."""
        return max(1, round(margin_127 / MARGIN_SCALE * self.logit_range))


def hidden_codes(preactivation: np.ndarray, full_scale: float, params: HwParams) -> np.ndarray:
    """Codes 0..Q, int64[n, columns], of hidden values whose `full_scale` is code Q."""
    q = params.adc_limit
    return np.clip(np.floor(preactivation / full_scale * q + 0.5), 0, q).astype(np.int64)


def scaled_weights(weights: np.ndarray, full_scale: float) -> np.ndarray:
    """Upper weights as hidden codes see them, float64[columns + 1, classes].

    The bias unit is driven at code Q, so its weight is divided by the hidden value that Q stands for.
    """
    return np.concatenate([weights[:-1], weights[-1:] / full_scale]).astype(np.float64)


def upper_codes(scaled: np.ndarray, params: HwParams) -> tuple[np.ndarray, float]:
    """Integer weights, int32[columns + 1, classes], and the weight that one code stands for; see `quantise_upper`."""
    limit = (1 << (params.weight_bits - 1)) - 1
    step = float(np.abs(scaled[:-1]).max() / limit)
    return np.clip(np.floor(scaled / step + 0.5), -limit, limit).astype(np.int32), step


def quantise_upper(weights: np.ndarray, full_scale: float, hidden: np.ndarray, params: HwParams) -> Upper:
    """Integer weights and output shift of the upper layer, for converters whose code Q stands for `full_scale`.

    weights: float[columns + 1, classes], bias last.  The hidden codes are hidden values times Q / full_scale, and
    the bias unit is driven at code Q, so the bias is divided by full_scale.  Scale: the largest hidden weight is
    the largest code.  hidden: codes of unlabelled samples, int[n, columns], for the range of the outputs.
    """
    integers, _ = upper_codes(scaled_weights(weights, full_scale), params)
    sums = hidden @ integers[:-1].astype(np.int64) + params.adc_limit * integers[-1].astype(np.int64)
    largest = LOGIT_HEADROOM * float(np.abs(sums).max())
    shift = 0
    while largest / (1 << shift) > params.logit_limit:
        shift += 1
    return Upper(integers, shift, largest / (1 << shift))
