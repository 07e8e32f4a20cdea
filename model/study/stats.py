"""Means over networks and arrays, and their intervals: a bootstrap of both, because both are drawn."""

from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 2_024


class Interval(NamedTuple):
    """A mean and its percentile interval."""

    mean: float
    low: float
    high: float


def interval(values: np.ndarray, resamples: int = RESAMPLES, confidence: float = CONFIDENCE) -> Interval:
    """Mean of float[nets, arrays] (NaN: no value) with its interval.

    Every network is measured on every array, so networks and arrays are drawn anew, each with replacement, and a
    resample holds all pairs of both: the pigeonhole bootstrap of A. Owen, Ann. Appl. Stat. 1:386, 2007.  For a
    paired difference give the differences.  A single value has no interval: low = high = mean; no value at all: NaN.
    """
    values = np.asarray(values, np.float64)
    rng = np.random.default_rng(_SEED)
    nets, arrays = values.shape
    # how often each was drawn, instead of what was drawn: a resample's mean is then a product of matrices
    net_weights = rng.multinomial(nets, np.full(nets, 1 / nets), resamples)
    array_weights = rng.multinomial(arrays, np.full(arrays, 1 / arrays), resamples)
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    total = np.einsum("rn,na,ra->r", net_weights, filled, array_weights, optimize=True)
    count = np.einsum("rn,na,ra->r", net_weights, there.astype(float), array_weights, optimize=True)
    means = total[count > 0] / count[count > 0] if there.any() else np.array([np.nan])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    mean = float(filled.sum() / there.sum()) if there.any() else float("nan")
    return Interval(
        mean, min(float(low), mean), max(float(high), mean)
    )  # equal values differ in their last bits
