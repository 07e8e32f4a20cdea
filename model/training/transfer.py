"""From float weights to what the hardware is given: pulse counts for the array, integers for the upper layer.

Everything here knows the *nominal* device only: its mean curve and range, never a cell of the array.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from model.controller.between_layers import LAYER_ERROR_BITS, Between, between_of
from model.training.offline import AT_ONCE
from model.training.range_search import CLIPPED_PER_MILLE
from spec.errors import InputError
from spec.numerics import round_shift, signed_limit
from spec.params import HwParams

MARGIN_SCALE = 127
"""Margins are stated as a share of the outputs' range, in 1/127: the codes of an 8-bit output."""

LOGIT_HEADROOM = 1.25
"""Output range over the largest output of the calibration samples."""

ERROR_HEADROOM = 8
"""Range of an error between digital layers over the root mean square of the calibration samples' errors."""


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
    """The digital upper layer, how its outputs are read, and what is between it and the array."""

    weights: np.ndarray
    """int32[units below + 1, classes], the bias unit last."""
    logit_shift: int
    logit_range: float
    """Output code that stands for the full range of the outputs."""
    between: Between | None = None

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
    sums = _exact(hidden, integers[:-1]) + params.adc_limit * integers[-1].astype(np.int64)
    largest = LOGIT_HEADROOM * float(np.abs(sums).max())
    shift = 0
    while largest / (1 << shift) > params.logit_limit:
        shift += 1
    return Upper(integers, shift, largest / (1 << shift))


def quantise_layers(
    layers: Sequence[np.ndarray], full_scale: float, hidden: np.ndarray, params: HwParams
) -> Upper:
    """All digital layers, the upper one last: float[units below + 1, units] each; see `quantise_upper` for the others.

    Integer weights of each as there.  A shift up is the least with which at most 0.1 % of the samples' codes reach Q.
    """
    *further, last = layers
    codes, integers, forward = [hidden], [], []
    for weights in further:
        whole, step = upper_codes(scaled_weights(weights, full_scale), params)
        sums = _exact(codes[-1], whole[:-1]) + params.adc_limit * whole[-1].astype(np.int64)
        shift = _forward_shift(sums, params)
        full_scale *= step * (1 << shift)
        codes.append(np.clip(round_shift(sums, shift), 0, params.adc_limit))
        integers.append(whole)
        forward.append(shift)
    upper = quantise_upper(last, full_scale, codes[-1], params)
    if not further:
        return upper
    backward = _backward_shifts(integers, upper.weights, codes, params)
    return upper._replace(between=between_of(integers, forward, backward))


def _exact(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The product of two integer matrices, int64; in floats, which are fast, and exact below 2**53."""
    found, factor = np.empty((len(values), weights.shape[1]), np.int64), weights.astype(np.float64)
    for first in range(0, len(values), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        found[part] = values[part].astype(np.float64) @ factor
    return found


def _forward_shift(sums: np.ndarray, params: HwParams) -> int:
    allowed, shift = sums.size * CLIPPED_PER_MILLE // 1000, 0
    while np.count_nonzero(round_shift(sums, shift) >= params.adc_limit) > allowed:
        shift += 1
    return shift


def _backward_shifts(
    integers: Sequence[np.ndarray], upper: np.ndarray, codes: Sequence[np.ndarray], params: HwParams
) -> list[int]:
    """Shifts of the errors, found without labels: with those that lead from a sample's second output to its first.

    The errors of the columns become about as large, in their root mean square, as the differences of the upper layer's
    weights, which they are where no layer is between; those of the other layers leave room in LAYER_ERROR_BITS.
    """
    sums = _exact(codes[-1], upper[:-1]) + params.adc_limit * upper[-1].astype(np.int64)
    first, second = np.argsort(-sums, axis=1, kind="stable")[:, :2].T
    alive = [(0 < c) & (c < params.adc_limit) for c in codes]
    error = (upper[:-1, first] - upper[:-1, second]).T.astype(np.int64)
    wanted = _size(np.clip(error, -params.delta_limit, params.delta_limit), alive[-1])
    error *= alive[-1]
    shifts = []
    for k in range(len(integers) - 1, -1, -1):
        error = _exact(error, integers[k][:-1].T)
        limit = signed_limit(LAYER_ERROR_BITS) if k else params.delta_limit
        size, aim = _size(error, alive[k]), limit / ERROR_HEADROOM if k else wanted
        shifts.append(max(0, round(np.log2(size / aim))) if size > 0 and aim > 0 else 0)
        error = np.clip(round_shift(error, shifts[-1]), -limit, limit) * alive[k]
    return shifts[::-1]


def _size(errors: np.ndarray, alive: np.ndarray) -> float:
    """Root mean square of the errors of units that are not at a limit; 0 if there are none."""
    return float(np.sqrt(np.mean(errors[alive].astype(np.float64) ** 2))) if alive.any() else 0.0
